import type { Clock, Timer } from "../core/clock.ts";

interface Waiting {
  readonly offset: number;
  /** By the monotonic clock. */
  readonly giveUpAt: number;
  readonly resolve: (arrived: boolean) => void;
}

/** Waits until the log has reached an offset. Any number of waits share one timer. */
export class Arrivals {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #timer: Timer | undefined;
  /** When the timer runs: at the latest when the first wait gives up. */
  #timerAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves to true once the log has reached `offset`; to false if it has not within `timeoutMs`. */
  wait(offset: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const giveUpAt = this.#clock.monotonic() + timeoutMs;
      this.#waiting.add({ offset, giveUpAt, resolve });
      if (giveUpAt < this.#timerAt) this.#setTimer(giveUpAt);
    });
  }

  /** The log has reached `offset`. */
  arrived(offset: number): void {
    this.#end((waiting) => waiting.offset <= offset, true);
  }

  /** The log will reach none of the offsets: all waits end. */
  giveUp(): void {
    this.#end(() => true, false);
  }

  #end(isOver: (waiting: Waiting) => boolean, arrived: boolean): void {
    if (this.#waiting.size === 0) return;
    for (const waiting of this.#waiting) {
      if (!isOver(waiting)) continue;
      this.#waiting.delete(waiting);
      waiting.resolve(arrived);
    }
    if (this.#waiting.size === 0) this.#setTimer(Infinity);
  }

  /** Has the timer run at this time in place of another; at Infinity, there is none. */
  #setTimer(at: number): void {
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = at === Infinity
      ? undefined
      : this.#clock.after(at - this.#clock.monotonic(), () => this.#onTimer());
  }

  #onTimer(): void {
    const now = this.#clock.monotonic();
    this.#end(({ giveUpAt }) => giveUpAt <= now, false);
    let first = Infinity;
    for (const { giveUpAt } of this.#waiting) first = Math.min(first, giveUpAt);
    this.#setTimer(first);
  }
}
