import type { Disconnect } from "../../core/errors.ts";
import type { Encoder, Frame } from "../../core/encoder.ts";
import type { Transport } from "../../hub/transport.ts";
import type { Socket } from "../websocket/socket.ts";
import { WebSocketTransport } from "../websocket/transport.ts";

/**
 * Hark's close codes as Pusher's clients read them: 4001 to 4099 end it for good, 4100 to 4199 let them
 * come back after a second. Those below 4000 mean the same to both.
 */
const CODES: ReadonlyMap<number, number> = new Map([
  [4001, 4100],
  [4002, 4009],
  [4003, 4009],
  [4500, 4007],
  [4501, 4009],
  [4502, 4004],
]);

/** A session's frames on the WebSocket of a Pusher client. */
export class PusherTransport implements Transport {
  readonly name = "pusher";
  readonly encoder: Encoder;
  /** pusher-js tries after one second, and then after fifteen. */
  readonly leavesLast = true;
  readonly #transport: WebSocketTransport;
  readonly #onClose: () => void;

  /** `onClose` is called when this side ends the connection. */
  constructor(socket: Socket, encoder: Encoder, onClose: () => void) {
    this.#transport = new WebSocketTransport(socket, encoder);
    this.encoder = encoder;
    this.#onClose = onClose;
  }

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  write(frame: Frame): void {
    this.#transport.write(frame);
  }

  close(reason: Disconnect): void {
    this.#transport.close({ ...reason, code: CODES.get(reason.code) ?? reason.code });
    this.#onClose();
  }
}
