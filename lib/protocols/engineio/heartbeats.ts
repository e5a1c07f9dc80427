import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";

/** How long a client may take to answer a ping. */
export const PING_TIMEOUT_MS = 20_000;

/** How long clients may be silent. */
export interface HeartbeatLimits {
  readonly clock: Clock;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

/** A session whose client must send something from time to time. */
export interface Beating {
  readonly codec: { readonly version: 3 | 4 };
  /** Pings the client. */
  ping(): void;
  /** Ends the session: its client was silent for too long. */
  timeOut(): void;
}

/**
 * Pings clients, and ends the sessions of those that are silent for too long. In version 3 the client
 * pings, in version 4 the server.
 */
export class Heartbeats {
  readonly #pings: Deadlines<Beating>;
  readonly #silences: Deadlines<Beating>;

  constructor({ clock, pingIntervalMs, pingTimeoutMs }: HeartbeatLimits) {
    this.#pings = new Deadlines(clock, pingIntervalMs, (session) => session.ping());
    // A late ping does not extend this: by then the client has given up too.
    this.#silences = new Deadlines(
      clock,
      pingIntervalMs + pingTimeoutMs,
      (session) => session.timeOut(),
    );
  }

  /** Starts for a new session, or again because its client was heard. */
  start(session: Beating): void {
    this.#silences.start(session);
    if (session.codec.version === 4) this.#pings.start(session);
  }

  stop(session: Beating): void {
    this.#silences.cancel(session);
    this.#pings.cancel(session);
  }
}
