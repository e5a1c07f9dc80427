import type { Clock } from "../../core/clock.ts";
import { Refusal } from "../../core/errors.ts";
import { Grant, hasExpired } from "../../core/grant.ts";
import type { JoinRequest } from "./socket.ts";
import type { Access } from "../../http/access.ts";
import type { Exchange } from "../../http/router.ts";

/**
 * The grants of Socket.IO clients. The first request of a connection is checked before it is answered. So
 * a client can join a namespace at once, unless it shows a token of its own there: a client of protocol 4
 * expects that in the first answer.
 */
export class JoinGrants {
  readonly #access: Access;
  readonly #clock: Clock;
  /** By the query of the first request: it lives as long as its connection. */
  readonly #grants = new WeakMap<URLSearchParams, Grant | Refusal>();

  constructor(access: Access, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
  }

  /** Checks the first request of a connection. A refusal is sent when its client joins a namespace. */
  async read(exchange: Exchange): Promise<void> {
    try {
      this.#grants.set(exchange.query, await this.#access.identify(exchange));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#grants.set(exchange.query, error);
    }
  }

  /** The grant of a client in a namespace. Throws, or rejects with, a `Refusal` if it may not join. */
  find(request: JoinRequest): Grant | Promise<Grant> {
    const { headers, query, address, auth: { token } } = request;
    const known = this.#grants.get(query);
    const isStale = known instanceof Grant && hasExpired(known.expiresAt, this.#clock.now());
    if (known === undefined || isStale || token !== undefined) {
      return this.#access.identify({ request: { method: "GET", headers }, query, address }, token);
    }
    if (known instanceof Refusal) throw known;
    return known;
  }
}
