import type { Encoder, Frame } from "../../core/encoder.ts";
import type { Disconnect } from "../../core/errors.ts";
import type { Transport } from "../../hub/transport.ts";
import type { Socket } from "./socket.ts";

/** What takes the frames of a session: a WebSocket, or what travels as one. */
export type FrameSocket = Pick<Socket, "bufferedBytes" | "send"> & {
  close(reason: Disconnect): void;
};

/** Writes the frames of a session to a WebSocket. */
export class WebSocketTransport implements Transport {
  readonly name: string = "websocket";
  readonly encoder: Encoder;
  readonly #socket: FrameSocket;

  constructor(socket: FrameSocket, encoder: Encoder) {
    this.#socket = socket;
    this.encoder = encoder;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes;
  }

  write(frame: Frame): void {
    if (typeof frame === "string" || frame instanceof Uint8Array) this.#socket.send(frame);
    else for (const part of frame) this.#socket.send(part);
  }

  close(reason: Disconnect): void {
    this.#socket.close(reason);
  }
}
