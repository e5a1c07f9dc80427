import { type ConnectionLimits, isShared, networkOf } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { RateLimiter, TokenBucket } from "../core/rate_limiter.ts";

/** Connects at once for each connection that there may be: a client's first, and one to upgrade it. */
export const CONNECTS_PER_SLOT = 2;
/** In how many seconds all of them come back. */
export const REFILL_S = 20;
/** Where there may be fewer connections than this, as many connects as for so many. */
export const SLOTS_MIN = 50;

/**
 * How fast clients may connect: each address, those of one network counting as one, and all together.
 * Whoever has a slot can connect at once, so that a crowd that returns after a restart is let in.
 */
export class ConnectRates {
  readonly #clock: Clock;
  readonly #trustProxy: number;
  readonly #all: TokenBucket;
  readonly #addresses: RateLimiter;

  constructor(clock: Clock, limits: ConnectionLimits) {
    const all = burstOf(limits.connectionsMax);
    const each = burstOf(limits.connectionsPerAddressMax);
    this.#clock = clock;
    this.#trustProxy = limits.trustProxy;
    this.#all = new TokenBucket(all / REFILL_S, clock.monotonic(), all);
    this.#addresses = new RateLimiter({ clock, perSecond: each / REFILL_S, burst: each });
  }

  /**
   * Counts one connect of `address`. Returns which rate is too high for it, if one is; an address that
   * is many clients' counts only towards all.
   */
  take(address: string): "all" | "owner" | undefined {
    const isExempt = isShared(address, this.#trustProxy);
    if (!isExempt && !this.#addresses.take(networkOf(address))) return "owner";
    return this.#all.take(this.#clock.monotonic()) ? undefined : "all";
  }
}

function burstOf(slots: number): number {
  return CONNECTS_PER_SLOT * Math.max(slots, SLOTS_MIN);
}
