import type { Encoder } from "../../core/encoder.ts";
import { WebSocketTransport } from "../websocket/transport.ts";
import { socketioEncoder } from "./encoder.ts";
import type { ServerSocket } from "./socket.ts";

/** A session's frames as Socket.IO packets of one namespace. */
export class SocketIoTransport extends WebSocketTransport {
  override readonly name = "socketio";
}

/** One encoder for each namespace, protocol and use of ids: all its clients share the encoded bytes. */
export class Encoders {
  readonly #encoders = new Map<string, { readonly encoder: Encoder; users: number }>();

  /** Returns the encoder for a socket, which MUST be given back. */
  take(socket: ServerSocket, withIds: boolean): Encoder {
    const { namespace, protocol } = socket;
    let shared = this.#encoders.get(key(socket, withIds));
    if (shared === undefined) {
      shared = { encoder: socketioEncoder(namespace, protocol, withIds), users: 0 };
      this.#encoders.set(key(socket, withIds), shared);
    }
    shared.users++;
    return shared.encoder;
  }

  /** The socket does not need it any more. */
  giveBack(socket: ServerSocket, withIds: boolean): void {
    const shared = this.#encoders.get(key(socket, withIds));
    if (shared !== undefined && --shared.users === 0) this.#encoders.delete(key(socket, withIds));
  }
}

function key({ namespace, protocol }: ServerSocket, withIds: boolean): string {
  return `${protocol}${withIds}${namespace}`;
}
