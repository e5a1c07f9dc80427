import { isShared, networkOf } from "./address.ts";

/** The bound that is reached: that of all owners together, or that of one owner. */
export type QuotaBound = "all" | "owner";

/** A request of an owner. */
export interface QuotaRequest {
  /** By default 1. */
  readonly amount?: number;
  /** Only the bound of all owners together counts. */
  readonly isExempt?: boolean;
}

/**
 * Counts things held at the same time, in all and by each owner. An owner may hold half of what the
 * others have left, and the last one whole: nobody alone can lock the others out. Owners that hold
 * nothing take no room.
 */
export class Quota {
  readonly #max: number;
  readonly #ownMax: number | undefined;
  readonly #held = new Map<string, number>();
  #total = 0;

  /** With `ownMax`, an owner may hold that many instead, whatever the others have left. */
  constructor(max: number, ownMax?: number) {
    this.#max = max;
    this.#ownMax = ownMax;
  }

  /** The amount that all owners hold. */
  get total(): number {
    return this.#total;
  }

  /** Returns the amount that `owner` holds. */
  of(owner: string): number {
    return this.#held.get(owner) ?? 0;
  }

  /** Returns the bound that keeps `owner` from this amount; undefined if it may have it. */
  boundFor(owner: string, request: QuotaRequest = {}): QuotaBound | undefined {
    const { amount = 1, isExempt = false } = request;
    if (this.#total + amount > this.#max) return "all";
    if (isExempt) return undefined;
    const own = this.of(owner);
    const ownMax = this.#ownMax ?? Math.ceil((this.#max - (this.#total - own)) / 2);
    return own + amount > ownMax ? "owner" : undefined;
  }

  /** Counts one more for `owner`, whatever the bounds. */
  add(owner: string): void {
    this.#held.set(owner, this.of(owner) + 1);
    this.#total++;
  }

  /** Counts one less for an owner, which MUST have one. */
  remove(owner: string): void {
    const left = this.of(owner) - 1;
    if (left === 0) this.#held.delete(owner);
    else this.#held.set(owner, left);
    this.#total--;
  }

  /** Takes one for `owner`. Returns an idempotent function that releases it, or the bound reached. */
  take(owner: string, request?: QuotaRequest): (() => void) | QuotaBound {
    const bound = this.boundFor(owner, request);
    if (bound !== undefined) return bound;
    this.add(owner);
    let isHeld = true;
    return () => {
      if (isHeld) this.remove(owner);
      isHeld = false;
    };
  }
}

/** The bounds on connections. */
export interface ConnectionLimits {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Proxies that pass on the clients' addresses. */
  readonly trustProxy: number;
}

/** Counts connections, in all and by address; the addresses of one network count as one. */
export class ConnectionQuota {
  readonly #quota: Quota;
  readonly #trustProxy: number;

  constructor({ connectionsMax, connectionsPerAddressMax, trustProxy }: ConnectionLimits) {
    this.#quota = new Quota(connectionsMax, connectionsPerAddressMax);
    this.#trustProxy = trustProxy;
  }

  /** Connections that have a slot. */
  get total(): number {
    return this.#quota.total;
  }

  /** Takes a slot as `Quota.take()` does; an address that many clients share counts only towards all. */
  take(address: string): (() => void) | QuotaBound {
    return this.#quota.take(networkOf(address), { isExempt: isShared(address, this.#trustProxy) });
  }
}
