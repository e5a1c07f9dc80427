/** Pauses between attempts, each the double of the one before, from `minMs` up to `maxMs`. */
export class ExponentialBackoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #pauseMs: number;

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#pauseMs = minMs;
  }

  /** The pause before the next attempt, in milliseconds. */
  next(): number {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(this.#maxMs, 2 * pauseMs);
    return pauseMs;
  }

  /** Begins again with the shortest pause. */
  reset(): void {
    this.#pauseMs = this.#minMs;
  }
}

/** Half of a pause or more, at random: nodes that failed together do not come back together. */
export function jittered(pauseMs: number): number {
  return pauseMs * (0.5 + Math.random() / 2);
}
