import {
  type Bytes,
  decodeText,
  type EngineCodec,
  type Packet,
  PACKET_TYPES,
} from "../codec/engineio.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { type Disconnect, DISCONNECTS } from "../core/errors.ts";
import { Rate } from "../core/limits.ts";
import { frameBytes } from "../core/publication.ts";
import { Poll, type PollingStyle, postAnswer, readPost, TOO_LARGE } from "./polling.ts";
import type { Message, Socket } from "./websocket.ts";

/** The bounds of an Engine.IO session. */
export interface EngineLimits {
  readonly clock: Clock;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  readonly upgradeTimeoutMs: number;
  /** Bytes of one polling body, or of one WebSocket frame. */
  readonly pollingBytesMax: number;
  /** Unsent bytes. */
  readonly outboundBytesMax: number;
  /** Packets a second from the client. */
  readonly inboundPerSecondMax: number;
}

/** What is known of the client's first request. */
export interface EngineHandshake {
  readonly address: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
}

/** What happens on an Engine.IO session. */
export interface EngineEvents {
  onMessage(data: string | Bytes): void;
  /** The session is over; called exactly once. */
  onClose(why: string): void;
}

/** What its server needs to know of a session. */
export interface EngineOwner {
  /** The client has shown that it has the sid. */
  confirmed(socket: EngineSocket): void;
  /** The session is over. A poll that still comes gets `goodbye`, if there is one. */
  ended(socket: EngineSocket, goodbye: readonly Packet[] | undefined): void;
  /** The session is over and so is its last connection. */
  gone(socket: EngineSocket): void;
  /** The client broke a bound or the protocol. */
  fault(reason: Disconnect, socket: EngineSocket): void;
}

/** What leaves: an encoded text packet, or the bytes of a message. */
export type Part = string | Bytes;

const NOOP_INTERVAL_MS = 100;
const NOOP: Packet = { type: "noop", data: "" };
const CLOSE: Packet = { type: "close", data: "" };
const PING = encodeType("ping");
const CLIENT_CLOSED = "client closed";

/** One Engine.IO session: on polling, on WebSocket, or on its way from one to the other. */
export class EngineSocket {
  readonly id: string = randomSid();
  readonly codec: EngineCodec;
  readonly handshake: EngineHandshake;
  /** To be set by whoever takes the connection, at once. */
  events!: EngineEvents;
  readonly #limits: EngineLimits;
  readonly #owner: EngineOwner;
  /** Of packets that are posted; frames are counted where they arrive. */
  #rate: Rate | undefined;
  /** The WebSocket that carries the session; undefined while it polls. */
  #socket: Socket | undefined;
  /** A WebSocket that wants to take over. */
  #probe: { readonly socket: Socket; isProbed: boolean; timers: Timer[] } | undefined;
  #poll: Poll | undefined;
  #posting: AbortController | undefined;
  #queue: Part[] = [];
  #queuedBytes = 0;
  #flushing = false;
  #heartbeat: Timer;
  #closed = false;

  constructor(
    codec: EngineCodec,
    handshake: EngineHandshake,
    limits: EngineLimits,
    owner: EngineOwner,
    socket?: Socket,
  ) {
    this.codec = codec;
    this.handshake = handshake;
    this.#limits = limits;
    this.#owner = owner;
    this.#socket = socket;
    this.#heartbeat = this.#nextHeartbeat();
    this.write(`${encodeType("open")}${this.#openJson()}`);
  }

  /** Bytes accepted but not yet on the network. */
  get bufferedBytes(): number {
    return this.#queuedBytes + (this.#socket?.bufferedBytes ?? 0);
  }

  get isPolling(): boolean {
    return this.#socket === undefined;
  }

  /** Sends a part; ends the session if too much is unsent. After `close()` it does nothing. */
  write(part: Part): void {
    if (this.#closed) return;
    if (this.bufferedBytes > this.#limits.outboundBytesMax) return this.close(DISCONNECTS.slow);
    if (this.#socket !== undefined) return this.#socket.send(this.#frame(part));
    this.#queue.push(part);
    this.#queuedBytes += frameBytes(part);
    this.#flushSoon();
  }

  /** Ends the session from this side, after what is queued unless the client is slow. Idempotent. */
  close(reason: Disconnect): void {
    if (this.#closed) return;
    if (reason.name === DISCONNECTS.slow.name) this.#queue = [];
    const goodbye = [...this.#queue.map(decodePart), CLOSE];
    const socket = this.#socket;
    const poll = this.#poll;
    this.#end(reason.name, poll === undefined && socket === undefined ? goodbye : undefined);
    poll?.answer(goodbye);
    socket?.close(reason);
  }

  /** A poll: answers when there is something to send. Undefined if it must not be made. */
  poll(style: PollingStyle, signal: AbortSignal): Promise<Response> | undefined {
    if (this.#closed || this.#socket !== undefined) return undefined;
    if (this.#poll !== undefined) {
      this.#owner.fault(DISCONNECTS.protocol, this);
      this.close(DISCONNECTS.protocol);
      return undefined;
    }
    this.#owner.confirmed(this);
    const poll = this.#poll = new Poll(style, signal, () => this.#end("connection lost"));
    this.#flush();
    return poll.answered;
  }

  /** A post of packets. Undefined if it must not be made or is malformed: the session is over then. */
  async post(request: Request, style: PollingStyle): Promise<Response | undefined> {
    if (this.#closed || this.#socket !== undefined) return undefined;
    if (this.#posting !== undefined) {
      this.#owner.fault(DISCONNECTS.protocol, this);
      this.close(DISCONNECTS.protocol);
      return undefined;
    }
    const posting = this.#posting = new AbortController();
    const { pollingBytesMax } = this.#limits;
    const packets = await readPost(request, style, pollingBytesMax, posting.signal);
    this.#posting = undefined;
    if (packets === TOO_LARGE) {
      this.#owner.fault(DISCONNECTS.limit, this);
      this.close(DISCONNECTS.limit);
      return new Response(null, { status: 413 });
    }
    if (this.#closed) return undefined;
    if (!packets.ok) {
      this.#protocolFault();
      return undefined;
    }
    for (const packet of packets.value) this.#receivePosted(packet);
    return postAnswer();
  }

  /** A WebSocket that wants to take over has opened; it is closed unless the session can use it. */
  probe(socket: Socket): void {
    if (this.#closed || this.#socket !== undefined || this.#probe !== undefined) {
      return socket.close({ code: 1000, reason: "" });
    }
    const { clock, upgradeTimeoutMs } = this.#limits;
    const timers = [clock.after(upgradeTimeoutMs, () => this.#dropProbe())];
    this.#probe = { socket, isProbed: false, timers };
  }

  /** A frame has come on a WebSocket of this session. */
  receiveFrame(socket: Socket, frame: Message): void {
    const packet = this.codec.decodeFrame(frame);
    if (socket === this.#probe?.socket) {
      if (packet.ok) this.#receiveProbe(packet.value);
      else this.#dropProbe();
    } else if (socket === this.#socket) {
      if (packet.ok) this.#receive(packet.value);
      else this.#protocolFault();
    }
  }

  /** The client broke a bound on a WebSocket of this session, which is about to be closed. */
  socketFault(socket: Socket, reason: Disconnect): void {
    if (socket === this.#socket) this.close(reason);
    else if (socket === this.#probe?.socket) this.#dropProbe();
  }

  /** A WebSocket of this session is over. */
  socketClosed(socket: Socket, why: string): void {
    if (socket === this.#probe?.socket) return this.#clearProbe();
    if (socket !== this.#socket) return;
    this.#end(why);
    this.#owner.gone(this);
  }

  #receivePosted(packet: Packet): void {
    const { clock, inboundPerSecondMax } = this.#limits;
    this.#owner.confirmed(this);
    this.#rate ??= new Rate(inboundPerSecondMax, clock.monotonic());
    if (this.#closed || this.#rate.take(clock.monotonic())) return this.#receive(packet);
    this.#owner.fault(DISCONNECTS.limit, this);
    this.close(DISCONNECTS.limit);
  }

  #receive(packet: Packet): void {
    if (this.#closed) return;
    const isVersion4 = this.codec.version === 4;
    if (!isVersion4) this.#restartHeartbeat();
    switch (packet.type) {
      case "message":
        return this.events.onMessage(packet.data);
      case "ping":
        if (isVersion4) return this.#protocolFault();
        return this.write(`${encodeType("pong")}${packet.data}`);
      case "pong":
        if (!isVersion4) return this.#protocolFault();
        return this.#restartHeartbeat();
      case "close":
        return this.#closedByClient();
    }
  }

  #receiveProbe(packet: Packet): void {
    const probe = this.#probe!;
    if (packet.type === "ping" && packet.data === "probe") {
      probe.isProbed = true;
      probe.socket.send(`${encodeType("pong")}probe`);
      this.#sendNoops();
    } else if (packet.type === "upgrade" && probe.isProbed) {
      this.#switchTo(probe.socket);
    } else {
      this.#dropProbe();
    }
  }

  /** Ends open polls, for which the client waits before it upgrades. */
  #sendNoops(): void {
    this.#answerPoll([NOOP]);
    const { clock } = this.#limits;
    this.#probe?.timers.push(clock.after(NOOP_INTERVAL_MS, () => this.#sendNoops()));
  }

  #switchTo(socket: Socket): void {
    this.#clearProbe();
    this.#answerPoll([NOOP]);
    this.#socket = socket;
    const queue = this.#takeQueue();
    for (const part of queue) socket.send(this.#frame(part));
  }

  #dropProbe(): void {
    const socket = this.#probe?.socket;
    this.#clearProbe();
    socket?.close({ code: 1000, reason: "" });
  }

  #clearProbe(): void {
    for (const timer of this.#probe?.timers ?? []) timer.cancel();
    this.#probe = undefined;
  }

  // What is written in one go leaves in one payload.
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#poll === undefined || this.#queue.length === 0) return;
    this.#answerPoll(this.#takeQueue().map(decodePart));
  }

  #answerPoll(packets: readonly Packet[]): void {
    const poll = this.#poll;
    this.#poll = undefined;
    poll?.answer(packets);
  }

  /** What waits to be sent, for the answer to a handshake. */
  takePackets(): Packet[] {
    return this.#takeQueue().map(decodePart);
  }

  #takeQueue(): Part[] {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return queue;
  }

  #frame(part: Part): Message {
    if (typeof part === "string") return part;
    const base64 = this.handshake.query.get("b64") === "1";
    return this.codec.encodeFrame({ type: "message", data: part }, { base64 });
  }

  #nextHeartbeat(): Timer {
    const { clock, pingIntervalMs, pingTimeoutMs } = this.#limits;
    if (this.codec.version === 3) {
      return clock.after(pingIntervalMs + pingTimeoutMs, () => this.#timeOut());
    }
    return clock.after(pingIntervalMs, () => {
      this.#heartbeat = clock.after(pingTimeoutMs, () => this.#timeOut());
      this.write(PING);
    });
  }

  #restartHeartbeat(): void {
    this.#heartbeat.cancel();
    this.#heartbeat = this.#nextHeartbeat();
  }

  #timeOut(): void {
    const why = "ping timeout";
    this.#poll?.answer([CLOSE]);
    this.#poll = undefined;
    const socket = this.#socket;
    this.#end(why);
    socket?.close({ code: 1000, reason: why });
  }

  #closedByClient(): void {
    const socket = this.#socket;
    this.#answerPoll([NOOP]);
    this.#end(CLIENT_CLOSED);
    socket?.close({ code: 1000, reason: "" });
  }

  #protocolFault(): void {
    this.#owner.fault(DISCONNECTS.protocol, this);
    this.close(DISCONNECTS.protocol);
  }

  #end(why: string, goodbye?: readonly Packet[]): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#heartbeat.cancel();
    this.#posting?.abort();
    this.#poll = undefined;
    this.#takeQueue();
    this.#dropProbe();
    this.#owner.ended(this, goodbye);
    if (this.#socket === undefined) this.#owner.gone(this);
    this.events.onClose(why);
  }

  #openJson(): string {
    const { pingIntervalMs, pingTimeoutMs, pollingBytesMax } = this.#limits;
    return JSON.stringify({
      sid: this.id,
      upgrades: this.#socket === undefined ? ["websocket"] : [],
      pingInterval: pingIntervalMs,
      pingTimeout: pingTimeoutMs,
      maxPayload: pollingBytesMax,
    });
  }
}

function encodeType(type: Packet["type"]): string {
  return String(PACKET_TYPES.indexOf(type));
}

function decodePart(part: Part): Packet {
  if (typeof part !== "string") return { type: "message", data: part };
  const packet = decodeText(part);
  if (!packet.ok) throw new TypeError(`Cannot send a part: ${packet.reason}`);
  return packet.value;
}

function randomSid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
