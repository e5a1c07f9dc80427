import type { Packet } from "./codec.ts";
import { type Clock, every, type Timer } from "../../core/clock.ts";
import type { Socket } from "../websocket/socket.ts";

/** How long a client may take to change over from polling. */
export const UPGRADE_TIMEOUT_MS = 10_000;

/** How long an upgrade may take. */
export interface UpgradeLimits {
  readonly clock: Clock;
  readonly upgradeTimeoutMs: number;
}

/** What an upgrade needs of its session. */
export interface UpgradeOptions extends UpgradeLimits {
  /** The client waits for its open poll to end. */
  readonly endPoll: () => void;
  /** The client has changed over. */
  readonly onDone: () => void;
  /** The client has not changed over, and goes on polling. */
  readonly onFailed: () => void;
}

const NOOP_INTERVAL_MS = 100;
const TIMEOUT = { name: "upgrade-timeout", code: 1000, reason: "upgrade took too long" };

/**
 * A WebSocket that is to take over a session from polling: the client sends `2probe`, gets
 * `3probe`, waits for its polls to end, and sends `5`. Anything else, or too long a wait, ends this WebSocket
 * and nothing more.
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

  /** True once the client has its answer, after which it polls no more. */
  get isProbed(): boolean {
    return this.#noops !== undefined;
  }

  /** Takes a packet of the client. */
  receive({ type, data }: Packet): void {
    if (type === "ping" && data === "probe" && !this.isProbed) this.#answerProbe();
    else if (type === "upgrade" && this.isProbed) this.#finish();
    else this.fail();
  }

  /** Ends the WebSocket. */
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
