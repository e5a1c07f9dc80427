import { networkOf } from "../../core/address.ts";
import { Quota } from "../../core/quota.ts";

/** Polling sessions that wait for the second request of their client, and as many ended ones. */
export const NEWCOMERS_MAX = 2000;

/** The bounds on newcomers. */
export interface NewcomerLimits {
  /** Polling sessions that wait for the second request of their client, and ended ones that are remembered. */
  readonly newcomersMax: number;
  /** Reports whether many clients may have this address, so that it has no quota. */
  readonly isShared: (address: string) => boolean;
}

/**
 * Polling sessions that wait for the second request of their client, by their sids. It comes at once. So
 * where there is no room the oldest is evicted: a flood keeps others out only if it fills all the room
 * in that time. A flood from one network evicts its own sessions first.
 */
export class Newcomers {
  readonly #isShared: (address: string) => boolean;
  readonly #quota: Quota;
  /** The network of each sid, the oldest first. */
  readonly #networks = new Map<string, string>();

  constructor({ newcomersMax, isShared }: NewcomerLimits) {
    this.#quota = new Quota(newcomersMax);
    this.#isShared = isShared;
  }

  get size(): number {
    return this.#networks.size;
  }

  /** The session to evict before one of `address` may be added; undefined if there is room. */
  inTheWayOf(address: string): string | undefined {
    const network = networkOf(address);
    const bound = this.#quota.boundFor(network, { isExempt: this.#isShared(address) });
    if (bound === undefined) return undefined;
    return this.#networks.entries().find(([, other]) => bound === "all" || other === network)?.[0];
  }

  /** Adds a session of `address` that is not among them. */
  add(sid: string, address: string): void {
    const network = networkOf(address);
    this.#networks.set(sid, network);
    this.#quota.add(network);
  }

  /** The second request has come, or the session is over. Idempotent. */
  delete(sid: string): void {
    const network = this.#networks.get(sid);
    if (network === undefined) return;
    this.#networks.delete(sid);
    this.#quota.remove(network);
  }
}
