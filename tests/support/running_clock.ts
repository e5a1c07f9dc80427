import { type Clock, systemClock, type Timer } from "../../lib/core/clock.ts";

interface Due {
  readonly at: number;
  readonly callback: () => void;
  timer: Timer;
}

/** A clock that runs as the machine's does, and that a test can put forward. */
export class RunningClock implements Clock {
  #aheadMs = 0;
  readonly #waiting = new Set<Due>();

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#aheadMs;
  }

  after(ms: number, callback: () => void): Timer {
    const due: Due = { at: this.monotonic() + ms, callback, timer: { cancel() {} } };
    this.#waiting.add(due);
    this.#arm(due);
    return {
      cancel: () => {
        this.#waiting.delete(due);
        due.timer.cancel();
      },
    };
  }

  afterTurn(callback: () => void): void {
    systemClock.afterTurn(callback);
  }

  /** Lets `ms` milliseconds pass at once: runs every timer that is due by then, in order. */
  pass(ms: number): void {
    const end = this.monotonic() + ms;
    for (let next; (next = this.#next(end)) !== undefined;) {
      this.#reach(next.at);
      next.timer.cancel();
      this.#run(next);
    }
    this.#reach(end);
    for (const due of this.#waiting) {
      due.timer.cancel();
      this.#arm(due);
    }
  }

  #arm(due: Due): void {
    due.timer = systemClock.after(Math.max(0, due.at - this.monotonic()), () => this.#run(due));
  }

  #run(due: Due): void {
    this.#waiting.delete(due);
    due.callback();
  }

  /** The first that is due by then. */
  #next(end: number): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#waiting) {
      if (due.at <= end && due.at < (first?.at ?? Infinity)) first = due;
    }
    return first;
  }

  #reach(at: number): void {
    this.#aheadMs += Math.max(0, at - this.monotonic());
  }
}
