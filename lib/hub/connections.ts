import { type Clock, wait } from "../core/clock.ts";
import { type Disconnect, DISCONNECTS, Refusal, type RefusalType } from "../core/errors.ts";
import { type Admit, RETRY_AFTER_S } from "./admission.ts";
import type { Session } from "./session.ts";
import type { Log } from "../observe/log.ts";
import type { HarkMetrics } from "../observe/hark_metrics.ts";
import type { Gauge } from "../observe/metrics.ts";

const GONE_POLL_MS = 20;
/** Refusals that an operator should know of: a bound was hit, or a key or token is wrong. */
const WARNED: readonly string[] = [
  "connect-rate",
  "over-limit",
  "too-large",
  "too-many-requests",
  "unauthorized",
];

/** Gets reports of what happens to connections. */
export interface ConnectionReports {
  /** Counts the connections that this side has begun to close and that are not gone yet. */
  readonly closing: Pick<Gauge, "inc" | "dec">;
  /** Records that a client at `address` broke a bound, or that our own handler failed with `error`. */
  fault(reason: Disconnect, address: string, error?: unknown): void;
}

/** One connection, which holds its slot from its admission until it is really gone. */
export class Connection {
  /** The address of its client. */
  readonly address: string;
  readonly #release: () => void;
  readonly #reports: ConnectionReports;
  #isClosing = false;
  #isGone = false;

  /** `release` gives the slot back. */
  constructor(address: string, release: () => void, reports: ConnectionReports) {
    this.address = address;
    this.#release = release;
    this.#reports = reports;
  }

  /** Records that this side has begun to close it. Idempotent. */
  closing(): void {
    if (this.#isClosing || this.#isGone) return;
    this.#isClosing = true;
    this.#reports.closing.inc();
  }

  /** Gives its slot back, as it is over or was never made. Idempotent. */
  gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    if (this.#isClosing) this.#reports.closing.dec();
    this.#release();
  }

  /** Records that its client broke a bound, or that our own handler failed with `error`. */
  fault(reason: Disconnect, error?: unknown): void {
    this.#reports.fault(reason, this.address, error);
  }
}

/** Admits connections, and reports what happens to them and their sessions in log and metrics. */
export class Connections implements ConnectionReports {
  readonly closing: Gauge;
  readonly #clock: Clock;
  readonly #take: Admit;
  readonly #log: Log;
  readonly #metrics: HarkMetrics;
  #taken = 0;
  #draining = false;

  /** `take` gives connections their slots. */
  constructor(clock: Clock, take: Admit, log: Log, metrics: HarkMetrics) {
    this.#clock = clock;
    this.#take = take;
    this.#log = log;
    this.#metrics = metrics;
    this.closing = metrics.closingSessions;
  }

  /** Connections that have a slot. */
  get taken(): number {
    return this.#taken;
  }

  /** From now on every new connection is refused. */
  stopAdmitting(): void {
    this.#draining = true;
  }

  /** Resolves when no more than `kept()` connections are left, or after `ms` milliseconds. */
  async gone(ms: number, kept: () => number): Promise<void> {
    const clock = this.#clock;
    const deadline = clock.monotonic() + ms;
    while (this.#taken > kept() && clock.monotonic() < deadline) await wait(clock, GONE_POLL_MS);
  }

  /** Admits a connection from `address`. Rejects with a `Refusal` that says when to retry. */
  async admit(address: string): Promise<Connection> {
    this.#checkAdmitting();
    const release = await this.#take(address);
    if (this.#draining) release();
    this.#checkAdmitting();
    this.#taken++;
    return new Connection(address, () => {
      this.#taken--;
      release();
    }, this);
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
  refused(type: RefusalType | "misdirected", why: string, address: string): void {
    this.#metrics.rejected.with(type).inc();
    if (WARNED.includes(type)) this.#log.warn("refused", { address, why }, address);
  }

  /** Records that a handler failed for a client at `address`, without an end of its connection. */
  failed(error: unknown, address: string): void {
    this.#log.error("handler failed", { address, error: String(error) }, address);
  }

  fault(reason: Disconnect, address: string, error?: unknown): void {
    if (error !== undefined) {
      this.failed(error, address);
      return;
    }
    this.#metrics.rejected.with(reason.name).inc();
    this.#log.warn("client cut", { address, why: reason.reason }, address);
  }

  #checkAdmitting(): void {
    if (!this.#draining) return;
    throw new Refusal("unavailable", "The server is stopping: retry", RETRY_AFTER_S);
  }
}
