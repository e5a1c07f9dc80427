import type { Clock } from "../core/clock.ts";
import { Refusal } from "../core/errors.ts";
import { RateLimiter } from "../core/rate_limiter.ts";

/** Holds each caller to so many publications a second. */
export class PublishRates {
  readonly #perSecond: number;
  readonly #rates: RateLimiter;

  constructor(clock: Clock, perSecond: number) {
    this.#perSecond = perSecond;
    this.#rates = new RateLimiter({ clock, perSecond });
  }

  /** Counts `count` publications of a caller. Throws a `Refusal` if these are too many. */
  take(caller: string, count: number): void {
    if (this.#rates.take(caller, count)) return;
    throw new Refusal(
      "too-many-requests",
      `Cannot publish more than ${this.#perSecond} messages a second: retry in a second`,
      1,
    );
  }
}
