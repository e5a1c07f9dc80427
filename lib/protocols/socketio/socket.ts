import {
  encodeSocketPacket,
  escapeNonAscii,
  type EventPacket,
  type JsonObject,
  type SocketPacket,
} from "./codec.ts";
import { MESSAGE_DIGIT } from "./encoder.ts";
import type { Disconnect } from "../../core/errors.ts";
import type { Part } from "../engineio/codec.ts";

/** What is known of a socket's client when it joins. */
export interface Handshake {
  /** What the client gave as `auth`; empty in protocol 4, which has none. */
  readonly auth: JsonObject;
  /** The query of the connection's first request, and in protocol 4 that of the namespace. */
  readonly query: URLSearchParams;
  /** The client's address. */
  readonly address: string;
  /** The headers of the connection's first request. */
  readonly headers: Headers;
}

/** Answers an event; only the first call counts. */
export type Ack = (...args: unknown[]) => void;

/**
 * Takes an event's arguments; if the client wants an answer, the last one is an `Ack`. What it throws
 * is reported and harms nobody.
 */
// deno-lint-ignore no-explicit-any -- what a client sends can be anything: handlers must look
export type EventHandler = (...args: any[]) => void | Promise<void>;

/** What a socket needs of its connection. */
export interface SocketLink {
  /** 4 for Engine.IO 3, 5 for Engine.IO 4. */
  readonly protocol: 4 | 5;
  readonly bufferedBytes: number;
  write(part: Part): void;
  /** The socket has left its namespace. */
  left(socket: ServerSocket): void;
  /** Closes the whole connection. */
  close(reason: Disconnect): void;
  onError(error: unknown): void;
}

/** One client in one namespace. */
export class ServerSocket {
  /** The client gets it when it joins; until then it can be changed. */
  id: string;
  readonly namespace: string;
  readonly handshake: Handshake;
  readonly #link: SocketLink;
  readonly #handlers = new Map<string, EventHandler>();
  #connected = false;
  /** Why it has ended; undefined if it has not. */
  #endedBy: string | undefined;
  #onDisconnect: ((why: string) => void) | undefined;

  constructor(id: string, namespace: string, handshake: Handshake, link: SocketLink) {
    this.id = id;
    this.namespace = namespace;
    this.handshake = handshake;
    this.#link = link;
  }

  /** 4 or 5: what the client speaks. */
  get protocol(): 4 | 5 {
    return this.#link.protocol;
  }

  /** Bytes accepted but not yet on the network. */
  get bufferedBytes(): number {
    return this.#link.bufferedBytes;
  }

  get connected(): boolean {
    return this.#connected && !this.ended;
  }

  /** True once the socket has left, or its connection is gone. */
  get ended(): boolean {
    return this.#endedBy !== undefined;
  }

  /**
   * Confirms the client's join, with `data` beside its `sid` (protocol 5). Called by itself once
   * the socket is admitted; called earlier, it lets what is sent next follow. Idempotent.
   */
  connect(data: JsonObject = {}): void {
    if (this.#connected || this.ended) return;
    this.#connected = true;
    const { namespace, id } = this;
    if (this.protocol === 5) this.#send({ type: "connect", namespace, data: { sid: id, ...data } });
    else this.#send({ type: "connect", namespace });
  }

  /** Handles an event; a second handler takes the place of the first. */
  on(event: string, handler: EventHandler): this {
    this.#handlers.set(event, handler);
    return this;
  }

  /** Called once, when the socket has left or its connection is gone; at once if it has already. */
  onDisconnect(handler: (why: string) => void): this {
    this.#onDisconnect = handler;
    if (this.#endedBy !== undefined) handler(this.#endedBy);
    return this;
  }

  /** Writes what is encoded already: text packets of Engine.IO, and the bytes that belong to them. */
  write(part: Part): void {
    if (!this.ended) this.#link.write(part);
  }

  /** Sends the client out of the namespace, which it takes for good. Idempotent. */
  disconnect(): void {
    if (this.ended) return;
    if (this.#connected) this.#send({ type: "disconnect", namespace: this.namespace });
    this.end("server disconnect");
  }

  /** Closes the whole connection without a word, after which the client comes back by itself. */
  drop(reason: Disconnect): void {
    this.#link.close(reason);
  }

  /** Takes a packet of the client; its acks are ignored, as it is asked for none. For the connection alone. */
  receive(packet: SocketPacket): void {
    switch (packet.type) {
      case "event":
        return this.#receiveEvent(packet);
      case "disconnect":
        return this.end("client disconnect");
    }
  }

  /** Ends the socket without a word to the client. For the connection alone. Idempotent. */
  end(why: string): void {
    if (this.ended) return;
    this.#endedBy = why;
    this.#link.left(this);
    this.#onDisconnect?.(why);
  }

  #receiveEvent({ id, data }: EventPacket): void {
    const [event, ...args] = data;
    const handler = this.#handlers.get(event);
    if (handler === undefined) return;
    if (id !== undefined) args.push(this.#ack(id));
    const run = async () => await handler(...args);
    run().catch((error) => this.#link.onError(error));
  }

  #ack(id: number): Ack {
    let answered = false;
    return (...args) => {
      if (answered || this.ended) return;
      answered = true;
      this.#send({ type: "ack", namespace: this.namespace, id, data: args });
    };
  }

  #send(packet: SocketPacket): void {
    if (this.ended) return;
    for (const part of encodeParts(packet, this.protocol)) this.#link.write(part);
  }
}

/** A packet as parts of Engine.IO: the text packet, and the bytes that belong to it. */
export function encodeParts(packet: SocketPacket, protocol: 4 | 5): Part[] {
  const { text, attachments } = encodeSocketPacket(packet);
  // Clients of protocol 4 cannot all read anything but ASCII.
  return [MESSAGE_DIGIT + (protocol === 4 ? escapeNonAscii(text) : text), ...attachments];
}
