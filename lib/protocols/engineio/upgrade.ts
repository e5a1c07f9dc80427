import type { Packet } from "./codec.ts";
import { type Clock, every, type Timer } from "../../core/clock.ts";
import type { Socket } from "../websocket/socket.ts";

/** How long a client may take to upgrade. */
export const UPGRADE_TIMEOUT_MS = 10_000;

/** How long an upgrade may take. */
export interface UpgradeLimits {
  readonly clock: Clock;
  readonly upgradeTimeoutMs: number;
}

/** The session that is upgraded. */
export interface UpgradeOptions extends UpgradeLimits {
  /** Answers the open poll: the client waits for that. */
  readonly endPoll: () => void;
  /** The client has upgraded. */
  readonly onDone: () => void;
  /** The client has not upgraded, and goes on polling. */
  readonly onFailed: () => void;
}

const NOOP_INTERVAL_MS = 100;
const TIMEOUT = { name: "upgrade-timeout", code: 1000, reason: "upgrade took too long" };

/**
 * An upgrade from polling to a WebSocket: the client sends `2probe`, gets `3probe`, waits for its polls to
 * end, and sends `5`. Anything else, or a late `5`, closes the WebSocket and nothing more.
 */
export class Upgrade {
  readonly socket: Socket;
  readonly #options: UpgradeOptions;
  readonly #timeout: Timer;
  #noops: Timer | undefined;

  constructor(socket: Socket, options: UpgradeOptions) {
    this.socket = socket;
    this.#options = options;
    const { clock, upgradeTimeoutMs } = options;
    this.#timeout = clock.after(upgradeTimeoutMs, () => {
      socket.connection.fault(TIMEOUT);
      this.fail();
    });
  }

  /** True once `3probe` is sent: then the client polls no more. */
  get isProbed(): boolean {
    return this.#noops !== undefined;
  }

  /** Takes a packet of the client. */
  receive({ type, data }: Packet): void {
    if (type === "ping" && data === "probe" && !this.isProbed) this.#answerProbe();
    else if (type === "upgrade" && this.isProbed) this.#finish();
    else this.fail();
  }

  /** Closes the WebSocket. */
  fail(): void {
    this.ended();
    this.socket.close({ code: 1000, reason: "" });
  }

  /** The WebSocket is gone. */
  ended(): void {
    this.#stop();
    this.#options.onFailed();
  }

  #answerProbe(): void {
    const { clock, endPoll } = this.#options;
    this.socket.send("3probe");
    this.#noops = every(clock, NOOP_INTERVAL_MS, endPoll);
  }

  #finish(): void {
    this.#stop();
    this.#options.onDone();
  }

  #stop(): void {
    this.#timeout.cancel();
    this.#noops?.cancel();
  }
}
