import type { Clock } from "./clock.ts";

/** Admits `perSecond` each second, and `burst` at once. */
export class TokenBucket {
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

  /** Takes `amount`, or nothing if there is less: then returns false. `nowMs` MUST be monotonic. */
  take(nowMs: number, amount = 1): boolean {
    const gained = ((nowMs - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#filledAt = nowMs;
    if (this.#tokens < amount) return false;
    this.#tokens -= amount;
    return true;
  }
}

/** The rates of this many callers, those seen last, are remembered, and of at most twice as many. */
export const CALLERS_MAX = 10_000;

/** The rates of a rate limiter. */
export interface RateLimiterOptions {
  readonly clock: Clock;
  /** The amount that each caller may take in a second. */
  readonly perSecond: number;
  /** The amount that each may take at once; by default that of a second. */
  readonly burst?: number;
  readonly callersMax?: number;
}

/** Holds each of many callers to the same rate. */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  /** Callers seen last. When they are too many, all of `#earlier` is forgotten, with no search. */
  #recent = new Map<string, TokenBucket>();
  #earlier: ReadonlyMap<string, TokenBucket> = new Map();

  constructor(options: RateLimiterOptions) {
    this.#options = options;
  }

  /** Takes `amount` for `caller`, or nothing if that is too much: then returns false. */
  take(caller: string, amount = 1): boolean {
    const now = this.#options.clock.monotonic();
    return (this.#recent.get(caller) ?? this.#remember(caller, now)).take(now, amount);
  }

  #remember(caller: string, nowMs: number): TokenBucket {
    const { perSecond, burst, callersMax = CALLERS_MAX } = this.#options;
    const bucket = this.#earlier.get(caller) ?? new TokenBucket(perSecond, nowMs, burst);
    if (this.#recent.size >= callersMax) {
      this.#earlier = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(caller, bucket);
    return bucket;
  }
}
