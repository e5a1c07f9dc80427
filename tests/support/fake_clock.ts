import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../../lib/core/clock.ts";

interface Due {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test turns it. */
export class FakeClock implements Clock {
  #wall: number;
  #elapsed = 0;
  /** In the order in which they are due; those due at the same time as they were made. */
  readonly #timers: Due[] = [];
  #afterTurn: (() => void)[] = [];

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#wall = startMs;
  }

  /** Timers that are still to run. */
  get timers(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#wall + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(ms: number, callback: () => void): Timer {
    const due = { at: this.#elapsed + ms, callback };
    const later = this.#timers.findIndex((timer) => timer.at > due.at);
    this.#timers.splice(later === -1 ? this.#timers.length : later, 0, due);
    return { cancel: () => this.#take(due) };
  }

  afterTurn(callback: () => void): void {
    this.#afterTurn.push(callback);
  }

  /** Ends the turn: runs what waits for its end. What that puts off waits for the next turn's. */
  turn(): void {
    const callbacks = this.#afterTurn;
    this.#afterTurn = [];
    for (const callback of callbacks) callback();
  }

  /** Lets `ms` milliseconds pass, and runs every timer that is due by then in a turn of its own. */
  advance(ms: number): void {
    const end = this.#elapsed + ms;
    this.turn();
    while (this.#runNext(end)) this.turn();
    this.#elapsed = end;
  }

  /** Lets `ms` milliseconds pass as `advance()` does, and promises settle in every turn. */
  async pass(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await this.settle();
    while (this.#runNext(end)) await this.settle();
    this.#elapsed = end;
  }

  /** Lets promises settle and turns end until nothing happens without time passing. */
  async settle(): Promise<void> {
    do {
      this.turn();
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#afterTurn.length > 0);
  }

  /** Sets the wall clock forward, or back if negative, and runs nothing. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  #runNext(end: number): boolean {
    const next = this.#timers[0];
    if (next === undefined || next.at > end) return false;
    this.#take(next);
    this.#elapsed = Math.max(this.#elapsed, next.at);
    next.callback();
    return true;
  }

  #take(due: Due): void {
    const at = this.#timers.indexOf(due);
    if (at !== -1) this.#timers.splice(at, 1);
  }
}
