import type { Clock } from "./clock.ts";

/** Lets `perSecond` through each second, and `burst` at once. */
export class Rate {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, nowMs: number, burst = perSecond) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = nowMs;
  }

  /** Takes `amount`, or nothing if there is not so much. `nowMs` must be monotonic. */
  take(nowMs: number, amount = 1): boolean {
    this.#fill(nowMs);
    if (this.#tokens < amount) return false;
    this.#tokens -= amount;
    return true;
  }

  /** True if nothing was taken of late, so that a new `Rate` would be the same. */
  idle(nowMs: number): boolean {
    this.#fill(nowMs);
    return this.#tokens >= this.#burst;
  }

  #fill(nowMs: number): void {
    const gained = ((nowMs - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#filledAt = nowMs;
  }
}

/** Callers whose rates are remembered. */
export const CALLERS_MAX = 10_000;

/** A `Rate` for each of many callers, of which it remembers at most `callersMax`. */
export class Rates {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #callersMax: number;
  readonly #burst: number;
  readonly #rates = new Map<string, Rate>();

  constructor(clock: Clock, perSecond: number, callersMax = CALLERS_MAX, burst = perSecond) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#callersMax = callersMax;
    this.#burst = burst;
  }

  /** Takes `amount` of what `caller` may have in a second; false if that is too much. */
  take(caller: string, amount = 1): boolean {
    const now = this.#clock.monotonic();
    let rate = this.#rates.get(caller);
    if (rate === undefined) {
      if (this.#rates.size >= this.#callersMax) this.#forgetIdle(now);
      rate = new Rate(this.#perSecond, now, this.#burst);
      this.#rates.set(caller, rate);
    }
    return rate.take(now, amount);
  }

  /** Makes room: drops those who lost nothing by it, and the oldest if that is nobody. */
  #forgetIdle(now: number): void {
    for (const [caller, rate] of this.#rates) {
      if (rate.idle(now)) this.#rates.delete(caller);
    }
    if (this.#rates.size < this.#callersMax) return;
    for (const caller of this.#rates.keys()) {
      this.#rates.delete(caller);
      return;
    }
  }
}

/** How many of something each owner has; who has none takes no room. */
export class Counts {
  readonly #counts = new Map<string, number>();

  of(owner: string): number {
    return this.#counts.get(owner) ?? 0;
  }

  add(owner: string): void {
    this.#counts.set(owner, this.of(owner) + 1);
  }

  /** Takes one from an owner, who MUST have one. */
  remove(owner: string): void {
    const left = this.of(owner) - 1;
    if (left === 0) this.#counts.delete(owner);
    else this.#counts.set(owner, left);
  }
}

/**
 * What one may have of `max` where the others have `others`: half of what they leave, the last one
 * whole. So each that takes all it may halves what is left for who comes next.
 */
export function shareOf(max: number, others: number): number {
  return Math.ceil((max - others) / 2);
}

/** Counts what is held at the same time, in all and for each owner. */
export class Slots {
  readonly #max: number;
  readonly #perOwnerMax: number;
  readonly #owners = new Counts();
  #taken = 0;

  constructor(max: number, perOwnerMax: number) {
    this.#max = max;
    this.#perOwnerMax = perOwnerMax;
  }

  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a slot for `owner` and returns what gives it back (once, however often it is called), or
   * `"all"` or `"owner"`, whichever bound is reached. `exempt` owners count only towards all.
   */
  take(owner: string, exempt = false): (() => void) | "all" | "owner" {
    if (this.#taken >= this.#max) return "all";
    if (!exempt && this.#owners.of(owner) >= this.#perOwnerMax) return "owner";
    this.#taken++;
    this.#owners.add(owner);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#giveBack(owner);
    };
  }

  #giveBack(owner: string): void {
    this.#taken--;
    this.#owners.remove(owner);
  }
}
