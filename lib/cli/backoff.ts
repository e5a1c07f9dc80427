const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 20_000;
/** Up to 2 s: as long as a server that said that it goes away is mostly back soon. */
const RESTART_DOUBLINGS = 2;
/** How often it is asked before the bound grows. */
const RESTART_TRIES = 8;

/**
 * How long to wait after so many failures, 1 or more: anything up to a bound that doubles from one to
 * the next, so that those who failed together do not come back together ("full jitter").
 */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const boundMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** (failures - 1));
  return Math.ceil(random() * boundMs);
}

/** How long to wait for the next connection, by how the last ones ended. */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;
  #isRestart = false;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** A connection has brought all that was missed. */
  reset(): void {
    this.#failures = 0;
    this.#isRestart = false;
  }

  /**
   * A connection has ended. The first of these since `reset()` that the server announced begins quick
   * retries; further ones do not, so that a server that always goes away is left in peace.
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
