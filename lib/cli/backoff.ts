const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 20_000;
/** Up to 2 s: most servers that announce that they go away are back soon. */
const RESTART_DOUBLINGS = 2;
/** Retries before the bound grows. */
const RESTART_TRIES = 8;

/**
 * Returns how long to wait after a number of failures, 1 or more: a random time up to a bound that doubles
 * with each ("full jitter"), because clients that failed together should not come back together.
 */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const boundMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** (failures - 1));
  return Math.ceil(random() * boundMs);
}

/** Decides how long to wait for the next connection, by how the last ones ended. */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;
  #isRestart = false;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Records that a connection has brought all that was missed. */
  reset(): void {
    this.#failures = 0;
    this.#isRestart = false;
  }

  /**
   * Records that a connection has ended, and returns the wait. The first end since `reset()` that the server
   * announced begins quick retries; further ones do not, to spare a server that always goes away.
   */
  nextMs(isGoingAway: boolean): number {
    if (isGoingAway && !this.#isRestart) {
      this.#isRestart = true;
      this.#failures = RESTART_DOUBLINGS - RESTART_TRIES;
    }
    this.#failures++;
    const least = this.#isRestart ? RESTART_DOUBLINGS + 1 : 1;
    return backoffMs(Math.max(least, this.#failures), this.#random);
  }
}
