import { encodePacket, type EventPacket, type ServerPacket, type SocketPacket } from "./codec.ts";
import { type Disconnect, invitesBack } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Part } from "../engineio/codec.ts";
import type { EngineSession } from "../engineio/session.ts";

/** A client's request to join a namespace. */
export interface JoinRequest {
  /** The client's `auth`; empty in protocol 4, which has none. */
  readonly auth: JsonObject;
  /** The query of the connection's first request, or in protocol 4 that of the namespace if it has one. */
  readonly query: URLSearchParams;
  /** The client's address. */
  readonly address: string;
  /** The headers of the connection's first request. */
  readonly headers: Headers;
}

/** Takes an event of the client. What it rejects with is reported, and the client stays. */
export type EventHandler = (event: EventPacket) => Promise<void>;

/** The connection of a socket. */
export interface SocketLink {
  readonly engine: EngineSession;
  /** 4 on Engine.IO 3, 5 on Engine.IO 4. */
  readonly protocol: 4 | 5;
  /** The socket has left its namespace. */
  left(socket: ServerSocket): void;
  onError(error: unknown): void;
}

/** One client in one namespace. */
export class ServerSocket {
  /** Sent to the client when it joins; until then it can be changed. */
  id: string;
  readonly namespace: string;
  readonly request: JoinRequest;
  readonly #link: SocketLink;
  #onEvent: EventHandler | undefined;
  #connected = false;
  /** Why it has ended; undefined if it has not. */
  #endedBy: string | undefined;
  #onDisconnect: ((why: string) => void) | undefined;

  constructor(id: string, namespace: string, request: JoinRequest, link: SocketLink) {
    this.id = id;
    this.namespace = namespace;
    this.request = request;
    this.#link = link;
  }

  /** The version that the client speaks. */
  get protocol(): 4 | 5 {
    return this.#link.protocol;
  }

  /** Bytes accepted but not yet on the network. */
  get bufferedBytes(): number {
    return this.#link.engine.bufferedBytes;
  }

  get connected(): boolean {
    return this.#connected && !this.ended;
  }

  /** True once the socket has left, or its connection is gone. */
  get ended(): boolean {
    return this.#endedBy !== undefined;
  }

  /**
   * Confirms that the client has joined, with `data` beside its `sid` (protocol 5). Called once the socket
   * is admitted; an admission that sends something calls it before. Idempotent.
   */
  connect(data: JsonObject = {}): void {
    if (this.#connected || this.ended) return;
    this.#connected = true;
    if (this.protocol === 4) this.#sendPacket({ type: "connect" });
    else this.#sendPacket({ type: "connect", data: { sid: this.id, ...data } });
  }

  /** Sets the handler of events. Without one, events are ignored. */
  onEvent(handler: EventHandler): void {
    this.#onEvent = handler;
  }

  /** Calls `handler` once the socket has left or its connection is gone; at once if that was before. */
  onDisconnect(handler: (why: string) => void): void {
    this.#onDisconnect = handler;
    if (this.#endedBy !== undefined) handler(this.#endedBy);
  }

  /** Answers the client's event with this id. */
  acknowledge(id: number, ...data: readonly unknown[]): void {
    this.#sendPacket({ type: "ack", id, data });
  }

  /** Sends a text packet of Engine.IO, or bytes that belong to the one before. */
  send(part: Part): void {
    if (!this.ended) this.#link.engine.write(part);
  }

  /**
   * Closes the whole connection. A client that must not come back gets a disconnect packet first: without
   * one, it comes back by itself. Idempotent.
   */
  close(reason: Disconnect): void {
    if (this.connected && !invitesBack(reason)) this.#sendPacket({ type: "disconnect" });
    this.#link.engine.close(reason);
  }

  /** Takes a packet of the client. Acks are ignored: no event asks for one. Only for the connection. */
  receive(packet: SocketPacket): void {
    if (packet.type === "disconnect") this.end("client disconnect");
    else if (packet.type === "event") {
      this.#onEvent?.(packet).catch((error) => this.#link.onError(error));
    }
  }

  /** Ends the socket, and sends the client nothing. Only for the connection. Idempotent. */
  end(why: string): void {
    if (this.ended) return;
    this.#endedBy = why;
    this.#link.left(this);
    this.#onDisconnect?.(why);
  }

  #sendPacket(packet: Omit<ServerPacket, "namespace">): void {
    this.send(encodePacket({ ...packet, namespace: this.namespace }, this.protocol));
  }
}
