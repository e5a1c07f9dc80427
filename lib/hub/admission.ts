import { isShared, networkOf } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { Refusal } from "../core/errors.ts";
import { type ConnectionLimits, ConnectionQuota, type QuotaBound } from "../core/quota.ts";
import { RateLimiter, TokenBucket } from "../core/rate_limiter.ts";

/** After how many seconds a client that was not admitted may retry. */
export const RETRY_AFTER_S = 5;
/** Connects at once for each connection that there may be: a client's first, and one to upgrade it. */
export const CONNECTS_PER_SLOT = 2;
/** In how many seconds all of them come back. */
export const REFILL_S = 20;
/** Where there may be fewer connections than this, as many connects as for so many. */
export const SLOTS_MIN = 50;

/** Why a connection is refused, by the bound that it met. */
const NO_SLOT: Readonly<Record<QuotaBound, string>> = {
  all: "Cannot connect: the server has all it may have",
  owner: "Cannot connect: your address has all it may have",
};
const TOO_FAST: Readonly<Record<QuotaBound, string>> = {
  all: "Cannot connect: too many clients connect at the same time",
  owner: "Cannot connect: your address connects too often",
};

/**
 * Takes a slot for a connection from an address, and returns a function that gives it back. Throws a
 * `Refusal` that says when to retry.
 */
export type Admit = (address: string) => (() => void) | Promise<() => void>;

/**
 * The bounds on connections, and on how fast they come: in all, and for each address, those of one
 * network counting as one. A client that has a slot can connect at once, so a crowd that returns after
 * a restart is admitted.
 */
export class Admission {
  readonly #clock: Clock;
  readonly #trustProxy: number;
  readonly #slots: ConnectionQuota;
  readonly #rate: TokenBucket;
  readonly #rates: RateLimiter;

  constructor(clock: Clock, limits: ConnectionLimits) {
    const all = burstOf(limits.connectionsMax);
    const each = burstOf(limits.connectionsPerAddressMax);
    this.#clock = clock;
    this.#trustProxy = limits.trustProxy;
    this.#slots = new ConnectionQuota(limits);
    this.#rate = new TokenBucket(all / REFILL_S, clock.monotonic(), all);
    this.#rates = new RateLimiter({ clock, perSecond: each / REFILL_S, burst: each });
  }

  /** Is an `Admit`. */
  readonly admit = (address: string): () => void => {
    const slot = this.#slots.take(address);
    if (typeof slot !== "function") throw new Refusal("over-limit", NO_SLOT[slot], RETRY_AFTER_S);
    const rate = this.#takeConnect(address);
    if (rate === undefined) return slot;
    slot();
    throw new Refusal("connect-rate", TOO_FAST[rate], RETRY_AFTER_S);
  };

  /** Counts a connect, and returns which rate is too high for it, if one is. */
  #takeConnect(address: string): QuotaBound | undefined {
    const isExempt = isShared(address, this.#trustProxy);
    if (!isExempt && !this.#rates.take(networkOf(address))) return "owner";
    return this.#rate.take(this.#clock.monotonic()) ? undefined : "all";
  }
}

function burstOf(slots: number): number {
  return CONNECTS_PER_SLOT * Math.max(slots, SLOTS_MIN);
}
