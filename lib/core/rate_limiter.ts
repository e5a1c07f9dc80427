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

  /** Takes `amount`, or nothing if there is not so much. `nowMs` must be monotonic. */
  take(nowMs: number, amount = 1): boolean {
    const gained = ((nowMs - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#filledAt = nowMs;
    if (this.#tokens < amount) return false;
    this.#tokens -= amount;
    return true;
  }
}

/** Of so many callers, those that came last, the rates are remembered; of at most twice as many. */
export const CALLERS_MAX = 10_000;

/** What a rate limiter is made with. */
export interface RateLimiterOptions {
  readonly clock: Clock;
  /** What each caller may take in a second. */
  readonly perSecond: number;
  /** What each may take at once; as much as in a second if left out. */
  readonly burst?: number;
  readonly callersMax?: number;
}

/** Holds each of many callers to the same rate. */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  /** Callers that came of late. When they are too many, `#earlier` is forgotten: no search for one. */
  #recent = new Map<string, TokenBucket>();
  #earlier: ReadonlyMap<string, TokenBucket> = new Map();

  constructor(options: RateLimiterOptions) {
    this.#options = options;
  }

  /** Takes `amount` of what `caller` may have, or nothing; false if that is too much. */
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
