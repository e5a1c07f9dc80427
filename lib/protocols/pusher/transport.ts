import type { Disconnect } from "../../core/errors.ts";
import type { Encoder } from "../../core/encoder.ts";
import type { Socket } from "../websocket/socket.ts";
import { WebSocketTransport } from "../websocket/transport.ts";

/**
 * Pusher's close codes in place of Hark's: after 4001 to 4099 a Pusher client stays away, after 4100 to 4199 it
 * comes back in a second. Codes below 4000 mean the same to both.
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
export class PusherTransport extends WebSocketTransport {
  override readonly name = "pusher";
  /** pusher-js comes back after one second, and if that fails after fifteen. */
  readonly leavesLast = true;
  readonly #client: { leave(): void };

  /** `client` leaves as soon as the server ends the connection: the peer may take its time to close. */
  constructor(socket: Socket, encoder: Encoder, client: { leave(): void }) {
    super(socket, encoder);
    this.#client = client;
  }

  override close(reason: Disconnect): void {
    super.close({ ...reason, code: CODES.get(reason.code) ?? reason.code });
    this.#client.leave();
  }
}
