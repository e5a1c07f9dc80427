import type { Disconnect } from "../../core/errors.ts";
import type { EngineSocket } from "./session.ts";
import type { Message, Socket, SocketEvents } from "../websocket/transport.ts";

/** Who is told of the WebSockets of Engine.IO sessions. */
export interface EngineWebSocketListener {
  /** A client broke a bound or the protocol, or a handler threw `error`. */
  readonly onFault: (reason: Disconnect, address: string, error?: unknown) => void;
  /** A WebSocket was told to close and is not gone yet. */
  readonly onClosing: () => void;
  /** A WebSocket that was told to close is gone. */
  readonly onClosed: () => void;
}

/** One WebSocket of a session, from its handshake to its end. */
export class EngineWebSocket implements SocketEvents {
  readonly #address: string;
  readonly #release: () => void;
  readonly #listener: EngineWebSocketListener;
  #begin: ((socket: Socket) => EngineSocket) | undefined;
  #socket!: Socket;
  #session: EngineSocket | undefined;

  /**
   * `begin` makes the session of a WebSocket that has opened, or finds the one that it belongs to;
   * `release` is called when the WebSocket is gone, whether it ever opened or not.
   */
  constructor(
    address: string,
    release: () => void,
    listener: EngineWebSocketListener,
    begin: (socket: Socket) => EngineSocket,
  ) {
    this.#address = address;
    this.#release = release;
    this.#listener = listener;
    this.#begin = begin;
  }

  open(socket: Socket): void {
    const begin = this.#begin;
    this.#begin = undefined; // lets go of the request
    this.#socket = socket;
    this.#session = begin?.(socket);
  }

  message(message: Message): void {
    this.#session?.receiveFrame(this.#socket, message);
  }

  closing(): void {
    this.#listener.onClosing();
  }

  close(why: string, told: boolean): void {
    if (told) this.#listener.onClosed();
    this.#release();
    this.#session?.socketClosed(this.#socket, why);
  }

  fault(reason: Disconnect, error?: unknown): void {
    this.#listener.onFault(reason, this.#address, error);
    this.#session?.socketFault(this.#socket, reason);
  }
}
