import { networkOf } from "../../core/address.ts";
import { Quota } from "../../core/quota.ts";

/** A session that its client has not come back to yet. */
export interface Newcomer {
  readonly handshake: { readonly address: string };
}

/** The bounds on newcomers. */
export interface NewcomerLimits {
  /** Polling sessions whose client has not come back yet, and ended ones that are remembered. */
  readonly handshakesMax: number;
  /** Reports whether many clients may have this address, so that it has no quota. */
  readonly isShared: (address: string) => boolean;
}

/**
 * Polling sessions whose client has not shown yet that it has the sid. A client comes back at once: so
 * where there is no room for one more, the oldest gives way, and a flood has to fill all the room in
 * that time to keep anybody out. A flood from one network evicts its own first.
 */
export class Newcomers<S extends Newcomer> {
  readonly #isShared: (address: string) => boolean;
  readonly #quota: Quota;
  /** With the network of each, the oldest first. */
  readonly #networks = new Map<S, string>();

  constructor({ handshakesMax, isShared }: NewcomerLimits) {
    this.#quota = new Quota(handshakesMax);
    this.#isShared = isShared;
  }

  get size(): number {
    return this.#networks.size;
  }

  /** The session that has to give way before one of `address` may be added; undefined if none has. */
  inTheWayOf(address: string): S | undefined {
    const network = networkOf(address);
    const isExempt = this.#isShared(address);
    const bound = this.#quota.boundFor(network, { isExempt });
    if (bound === undefined) return undefined;
    for (const [session, other] of this.#networks) {
      if (bound === "all" || other === network) return session;
    }
    return undefined;
  }

  /** Adds a session that is not among them. */
  add(session: S): void {
    const network = networkOf(session.handshake.address);
    this.#networks.set(session, network);
    this.#quota.add(network);
  }

  /** Its client has come back, or the session is over; does nothing if it is not among them. */
  delete(session: S): void {
    const network = this.#networks.get(session);
    if (network === undefined) return;
    this.#networks.delete(session);
    this.#quota.remove(network);
  }
}
