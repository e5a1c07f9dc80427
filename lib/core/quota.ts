import { isShared, networkOf } from "./address.ts";

/** A bound that keeps an owner from more: that on what all hold, or the one on what it holds itself. */
export type QuotaBound = "all" | "owner";

/** What is asked of a quota. */
export interface QuotaRequest {
  /** By default 1. */
  readonly amount?: number;
  /** Held to the bound on all alone. */
  readonly isExempt?: boolean;
  /** What is held of this quota counts as well. */
  readonly beside?: Quota;
}

/**
 * Counts what is held at the same time, in all and by each owner. An owner may hold half of what the
 * others have left, the last one whole: each that takes all it may halves what is left for whoever
 * comes next, and nobody alone can lock the others out. Owners that hold nothing take no room.
 */
export class Quota {
  readonly #max: number;
  readonly #ownMax: number | undefined;
  readonly #held = new Map<string, number>();
  #total = 0;

  /** `ownMax`, if given, is what an owner may hold instead, whatever the others have left. */
  constructor(max: number, ownMax?: number) {
    this.#max = max;
    this.#ownMax = ownMax;
  }

  /** What all owners hold. */
  get total(): number {
    return this.#total;
  }

  /** What `owner` holds. */
  of(owner: string): number {
    return this.#held.get(owner) ?? 0;
  }

  /** The bound that keeps `owner` from so much more; undefined if it may have it. */
  boundFor(owner: string, request: QuotaRequest = {}): QuotaBound | undefined {
    const { amount = 1, isExempt = false, beside } = request;
    const total = this.#total + (beside?.total ?? 0);
    if (total + amount > this.#max) return "all";
    if (isExempt) return undefined;
    const own = this.of(owner) + (beside?.of(owner) ?? 0);
    const ownMax = this.#ownMax ?? Math.ceil((this.#max - (total - own)) / 2);
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

  /**
   * Takes one for `owner` and returns what releases it (once, however often it is called), or the
   * bound that is reached.
   */
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

/** Counts connections, in all and for each address; those of one network count as one address. */
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

  /** Takes a slot as `Quota.take()` does; an address that is many clients' counts only towards all. */
  take(address: string): (() => void) | QuotaBound {
    return this.#quota.take(networkOf(address), { isExempt: isShared(address, this.#trustProxy) });
  }
}
