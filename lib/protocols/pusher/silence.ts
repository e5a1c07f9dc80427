import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import type { Disconnect } from "../../core/errors.ts";
import type { Session } from "../../hub/session.ts";
import { PING } from "./codec.ts";

/** After so many seconds of silence, either side pings the other. */
export const ACTIVITY_TIMEOUT_S = 120;
/** How long a client may take to answer a ping. */
export const PONG_TIMEOUT_MS = 30_000;

const NO_PONG: Disconnect = { name: "idle", code: 4201, reason: "no answer to a ping" };

/** Pings clients that are silent, and ends those that do not answer. */
export class Silence {
  readonly #silent: Deadlines<Session>;
  readonly #pinged: Deadlines<Session>;

  constructor(clock: Clock) {
    this.#silent = new Deadlines(clock, ACTIVITY_TIMEOUT_S * 1000, (session) => {
      this.#pinged.start(session);
      session.write(PING);
    });
    this.#pinged = new Deadlines(clock, PONG_TIMEOUT_MS, (session) => session.end(NO_PONG));
  }

  /** The client of a session has connected, or sent something. */
  heard(session: Session): void {
    this.#pinged.cancel(session);
    this.#silent.start(session);
  }

  /** A session is over. */
  left(session: Session): void {
    this.#pinged.cancel(session);
    this.#silent.cancel(session);
  }
}
