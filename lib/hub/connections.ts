import { type ConnectionLimits, ConnectionQuota } from "../core/address.ts";
import { type Clock, wait } from "../core/clock.ts";
import type { Disconnect } from "../core/errors.ts";
import { DISCONNECTS, Refusal, type RefusalType } from "../core/errors.ts";
import { ConnectRates } from "./connect_rates.ts";
import type { Session } from "./session.ts";
import type { Log } from "../observe/log.ts";
import type { HarkMetrics } from "../observe/metrics.ts";

const RETRY_AFTER_S = 5;
const GONE_POLL_MS = 20;
const WHOSE = { all: "the server", owner: "your address" } as const;
/** Refusals that somebody has to know of: a bound was hit, or a key or token does not count. */
const TOLD: readonly RefusalType[] = [
  "connect-rate",
  "over-limit",
  "too-large",
  "too-many-requests",
  "unauthorized",
];

/**
 * What all transports share: a slot for each connection, held until it is really gone, and the story
 * of each session in log and metrics.
 */
export class Connections {
  readonly #clock: Clock;
  readonly #slots: ConnectionQuota;
  readonly #rates: ConnectRates;
  readonly #log: Log;
  readonly #metrics: HarkMetrics;
  #draining = false;

  constructor(clock: Clock, limits: ConnectionLimits, log: Log, metrics: HarkMetrics) {
    this.#clock = clock;
    this.#slots = new ConnectionQuota(limits);
    this.#rates = new ConnectRates(clock, limits);
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Connections that have a slot. */
  get taken(): number {
    return this.#slots.total;
  }

  /** From now on every new connection is refused. */
  stopAdmitting(): void {
    this.#draining = true;
  }

  /** Resolves when every connection is gone, or after `ms` milliseconds. */
  async gone(ms: number): Promise<void> {
    const clock = this.#clock;
    const deadline = clock.monotonic() + ms;
    while (this.#slots.total > 0 && clock.monotonic() < deadline) await wait(clock, GONE_POLL_MS);
  }

  /**
   * Takes a slot for a connection from `address`. Returns what gives it back, to be called when the
   * connection is gone. Throws a `Refusal` that says when to try again.
   */
  admit(address: string): () => void {
    if (this.#draining) {
      throw new Refusal("unavailable", "The server is stopping: try again", RETRY_AFTER_S);
    }
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
  }

  /** Reports that a session has begun. */
  opened({ id, transport, peer: { address } }: Session): void {
    this.#metrics.connections.inc();
    this.#metrics.sessions.with(transport.name).inc();
    this.#log.info("new connection", { id, transport: transport.name, address }, address);
  }

  /** Reports that a session is over. */
  left(session: Session, why: string): void {
    const { id, transport, peer, ageMs } = session;
    this.#metrics.sessions.with(transport.name).dec();
    this.#metrics.disconnects.with(why.replaceAll(" ", "_")).inc();
    const seconds = Math.round(ageMs / 100) / 10;
    const level = why === DISCONNECTS.slow.name ? "warn" : "info";
    this.#log[level]("client disconnected", { id, why, seconds }, peer.address);
  }

  /** Records that a request or a command was refused; `why` holds nothing of a key or token. */
  refused(type: RefusalType, why: string, address: string): void {
    this.#metrics.rejected.with(type).inc();
    if (TOLD.includes(type)) this.#log.warn("refused", { address, why }, address);
  }

  /** Tells that a client broke a bound, or that our own handler failed with `error`. */
  fault(reason: Disconnect, address: string, error?: unknown): void {
    if (error === undefined) {
      this.#metrics.rejected.with(reason.name).inc();
      this.#log.warn("client cut", { address, why: reason.reason }, address);
    } else {
      this.#log.error("handler failed", { address, error: String(error) }, address);
    }
  }

  /** Tells that a handler failed; whose connection it was lives on. */
  failed(error: unknown): void {
    this.#log.error("handler failed", { error: String(error) });
  }

  /** A connection was told to close and is not gone yet. */
  closing(): void {
    this.#metrics.closingSessions.inc();
  }

  /** A connection that was told to close is gone. */
  closed(): void {
    this.#metrics.closingSessions.dec();
  }
}
