import type { Clock, Timer } from "./clock.ts";

/**
 * Many waits of the same length on one timer. They end in the order in which they began, so that each
 * costs an entry of a map: a timer for each would cost ten times the memory.
 */
export class Deadlines<T> {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onDue: (item: T) => void;
  /** When each is due, by the monotonic clock; the first is the first due. */
  readonly #dueAt = new Map<T, number>();
  #timer: Timer | undefined;

  /** `onDue` gets each item once its `ms` milliseconds have passed. */
  constructor(clock: Clock, ms: number, onDue: (item: T) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#onDue = onDue;
  }

  /** Items that wait. */
  get size(): number {
    return this.#dueAt.size;
  }

  /** Reports whether `item` waits. */
  has(item: T): boolean {
    return this.#dueAt.has(item);
  }

  /** The items that wait, the first due first. */
  items(): Iterable<T> {
    return this.#dueAt.keys();
  }

  /** Starts or restarts the whole wait of `item`. */
  start(item: T): void {
    this.#dueAt.delete(item);
    this.#dueAt.set(item, this.#clock.monotonic() + this.#ms);
    this.#timer ??= this.#clock.after(this.#ms, () => this.#run());
  }

  /** Takes `item` out, if it is there, and ends the timer if no other waits. */
  cancel(item: T): void {
    if (!this.#dueAt.delete(item) || this.#dueAt.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * Takes `item` out, if it is there, and leaves the timer: for items that come and go all the time. Until
   * it ends by itself, only `clear()` ends it.
   */
  cancelKeepingTimer(item: T): void {
    this.#dueAt.delete(item);
  }

  /**
   * Takes all items out, and ends the timer. Needed at the end wherever an item may still wait, or
   * `cancelKeepingTimer()` is used: else the timer runs on.
   */
  clear(): void {
    this.#dueAt.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #run(): void {
    const now = this.#clock.monotonic();
    for (const [item, dueAt] of this.#dueAt) {
      if (dueAt > now) {
        this.#timer?.cancel();
        this.#timer = this.#clock.after(dueAt - now, () => this.#run());
        return;
      }
      this.#dueAt.delete(item);
      this.#onDue(item);
    }
    this.#timer = undefined;
  }
}
