import { type ConnectionLimits, ConnectionQuota } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { Refusal } from "../core/errors.ts";
import { ConnectRates } from "./connect_rates.ts";

/** After how many seconds whoever was not admitted may retry. */
export const RETRY_AFTER_S = 5;
const WHOSE = { all: "the server", owner: "your address" } as const;

/**
 * Takes a slot for a connection from an address, and returns what gives it back. Throws a `Refusal` that
 * says when to retry.
 */
export type Admit = (address: string) => (() => void) | Promise<() => void>;

/** The bounds on connections, and on how fast they come: in all, and for each address. */
export class Admission {
  readonly #slots: ConnectionQuota;
  readonly #rates: ConnectRates;

  constructor(clock: Clock, limits: ConnectionLimits) {
    this.#slots = new ConnectionQuota(limits);
    this.#rates = new ConnectRates(clock, limits);
  }

  /** Is an `Admit`. */
  readonly admit = (address: string): () => void => {
    const slot = this.#slots.take(address);
    if (typeof slot !== "function") {
      const message = `Cannot connect: ${WHOSE[slot]} has all it may have`;
      throw new Refusal("over-limit", message, RETRY_AFTER_S);
    }
    const limit = this.#rates.take(address);
    if (limit === undefined) return slot;
    slot();
    const message = limit === "all"
      ? "Cannot connect: too many clients connect at the same time"
      : "Cannot connect: your address connects too often";
    throw new Refusal("connect-rate", message, RETRY_AFTER_S);
  };
}
