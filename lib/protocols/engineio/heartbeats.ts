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

/** A session whose client has to say now and then that it is there. */
export interface Beating {
  readonly codec: { readonly version: 3 | 4 };
  /** Asks the client whether it is there. */
  ping(): void;
  /** Ends the session, as its client has not said in time that it is there. */
  timeOut(): void;
}

/**
 * When each session is to be asked whether its client is there, and to be given up. In version 3 the
 * client pings, in version 4 the server.
 */
export class Heartbeats {
  readonly #pings: Deadlines<Beating>;
  readonly #silences: Deadlines<Beating>;

  constructor({ clock, pingIntervalMs, pingTimeoutMs }: HeartbeatLimits) {
    this.#pings = new Deadlines(clock, pingIntervalMs, (socket) => socket.ping());
    // A late ping makes it no longer: by then the client has given up too.
    this.#silences = new Deadlines(
      clock,
      pingIntervalMs + pingTimeoutMs,
      (socket) => socket.timeOut(),
    );
  }

  /** Begins, or begins anew because the client has said that it is there. */
  start(socket: Beating): void {
    this.#silences.start(socket);
    if (socket.codec.version === 4) this.#pings.start(socket);
  }

  stop(socket: Beating): void {
    this.#silences.cancel(socket);
    this.#pings.cancel(socket);
  }
}
