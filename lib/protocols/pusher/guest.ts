import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import type { Disconnect } from "../../core/errors.ts";
import type { Message, Socket, SocketHandler } from "../websocket/socket.ts";
import { ACTIVITY_TIMEOUT_S, type ClientContext, type ClientPeer, PusherClient } from "./client.ts";
import { PING } from "./codec.ts";
import { PusherTransport } from "./transport.ts";

/** How long a client may take to answer a ping. */
export const PONG_TIMEOUT_MS = 30_000;

const NO_PONG = { name: "idle", code: 4201, reason: "no answer to a ping" };

/** Asks clients that are silent whether they are there, and ends those that do not answer. */
export class Silence {
  readonly #silent: Deadlines<PusherClient>;
  readonly #asked: Deadlines<PusherClient>;

  constructor(clock: Clock) {
    this.#silent = new Deadlines(clock, ACTIVITY_TIMEOUT_S * 1000, (client) => {
      this.#asked.start(client);
      client.session.write(PING);
    });
    this.#asked = new Deadlines(clock, PONG_TIMEOUT_MS, (client) => client.session.end(NO_PONG));
  }

  /** A client has said something. */
  heard(client: PusherClient): void {
    this.#asked.cancel(client);
    this.#silent.start(client);
  }

  /** A client is over. */
  left(client: PusherClient): void {
    this.#asked.cancel(client);
    this.#silent.cancel(client);
  }
}

/** A client and its WebSocket. */
export class Guest implements SocketHandler {
  readonly #client: PusherClient;
  readonly #silence: Silence;

  constructor(socket: Socket, context: ClientContext, peer: ClientPeer, silence: Silence) {
    this.#silence = silence;
    const transport = new PusherTransport(socket, context.app.encoder, this);
    this.#client = new PusherClient(context, peer, transport);
    silence.heard(this.#client);
  }

  receiveFrame(_socket: Socket, frame: Message): void {
    this.#silence.heard(this.#client);
    this.#client.receive(frame);
  }

  socketFault(_socket: Socket, reason: Disconnect): void {
    this.#client.session.end(reason);
  }

  socketClosed(_socket: Socket, why: string): void {
    this.#client.session.lost(why);
    this.left();
  }

  /** The client is over; called once or twice. */
  left(): void {
    this.#silence.left(this.#client);
    this.#client.leave();
  }
}
