import type { Clock, Timer } from "../core/clock.ts";

interface Waiting {
  readonly offset: number;
  readonly timer: Timer;
  readonly resolve: (arrived: boolean) => void;
}

/** Waits until the log has come to an offset. */
export class Arrivals {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves to true once the log has come to `offset`; to false if it has not within `timeoutMs`. */
  wait(offset: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => this.#end(waiting, false));
      const waiting: Waiting = { offset, timer, resolve };
      this.#waiting.add(waiting);
    });
  }

  /** The log has come to `offset`. */
  arrived(offset: number): void {
    for (const waiting of this.#waiting) if (waiting.offset <= offset) this.#end(waiting, true);
  }

  /** The log will not come to what is waited for. */
  giveUp(): void {
    for (const waiting of this.#waiting) this.#end(waiting, false);
  }

  #end(waiting: Waiting, arrived: boolean): void {
    waiting.timer.cancel();
    this.#waiting.delete(waiting);
    waiting.resolve(arrived);
  }
}
