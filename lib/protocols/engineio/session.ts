import {
  type Bytes,
  type Decoded,
  type EngineCodec,
  failure,
  type Packet,
  type Part,
} from "./codec.ts";
import { type Disconnect, DISCONNECTS, invitesBack, Refusal } from "../../core/errors.ts";
import { TokenBucket } from "../../core/rate_limiter.ts";
import type { Goodbye } from "./goodbyes.ts";
import { type FirstRequest, missesCloses } from "./first_request.ts";
import type { HeartbeatLimits, Heartbeats } from "./heartbeats.ts";
import { type PollingStyle, pollingStyle, Polls, postAnswer } from "./polling.ts";
import { decodePost, type Post, type PostLimits } from "./posts.ts";
import { Upgrade, type UpgradeLimits } from "./upgrade.ts";
import type { Message, Socket, SocketHandler } from "../websocket/socket.ts";

/** The bounds of an Engine.IO session. */
export interface EngineLimits extends HeartbeatLimits, UpgradeLimits, PostLimits {
  /** Unsent bytes. */
  readonly outboundBytesMax: number;
}

/** The events of an Engine.IO session. */
export interface EngineEvents {
  onMessage(data: string | Bytes): void;
  /** The session is over; called exactly once. */
  onClose(why: string): void;
}

/** The parts of a new session. */
export interface EngineSessionParts {
  readonly id: string;
  readonly codec: EngineCodec;
  readonly firstRequest: FirstRequest;
  readonly limits: EngineLimits;
  readonly heartbeats: Heartbeats;
  /** Carries the session until an upgrade. */
  readonly carrier: Polls | Socket;
  /** The session is over. Its next polls get `goodbye`, if there is one. */
  readonly onEnd: (session: EngineSession, goodbye: Goodbye | undefined) => void;
}

const OPEN = "0";
const PING = "2";
const NOOP = "6";
const CLOSE = "1";
/** No packet: to a client that gets it, the connection is broken. */
const UNREADABLE = "9";
const NO_EVENTS: EngineEvents = { onMessage: () => {}, onClose: () => {} };
const NORMAL = { code: 1000, reason: "" };

/** One Engine.IO session: on polling, on WebSocket, or on its way from one to the other. */
export class EngineSession implements SocketHandler {
  readonly id: string;
  readonly codec: EngineCodec;
  readonly firstRequest: FirstRequest;
  /** True if the client takes text only. */
  readonly base64: boolean;
  /** MUST be set in `onConnection()`. */
  events: EngineEvents = NO_EVENTS;
  readonly #limits: EngineLimits;
  readonly #heartbeats: Heartbeats;
  readonly #onEnd: EngineSessionParts["onEnd"];
  /** Carries the session, or else polls do. */
  #socket: Socket | undefined;
  #polls: Polls | undefined;
  #upgrade: Upgrade | undefined;
  #isPosting = false;
  /** Counts posted packets; the WebSocket counts frames. */
  #rate: TokenBucket | undefined;
  /** Why the session ends as soon as its upgrade is over. */
  #closing: Disconnect | undefined;
  #closed = false;

  constructor({ id, codec, firstRequest, limits, heartbeats, carrier, onEnd }: EngineSessionParts) {
    this.id = id;
    this.codec = codec;
    this.firstRequest = firstRequest;
    this.base64 = firstRequest.query.get("b64") === "1";
    this.#limits = limits;
    this.#heartbeats = heartbeats;
    this.#onEnd = onEnd;
    if (carrier instanceof Polls) this.#polls = carrier;
    else this.#socket = carrier;
    heartbeats.start(this);
    const open = {
      sid: id,
      upgrades: carrier instanceof Polls ? ["websocket"] : [],
      pingInterval: limits.pingIntervalMs,
      pingTimeout: limits.pingTimeoutMs,
      maxPayload: limits.pollingBytesMax,
    };
    this.write(OPEN + JSON.stringify(open));
  }

  /** Bytes accepted but not yet on the network. */
  get bufferedBytes(): number {
    return this.#socket?.bufferedBytes ?? this.#polls?.queuedBytes ?? 0;
  }

  get #isOver(): boolean {
    return this.#closed || this.#closing !== undefined;
  }

  /** Sends a part; ends the session if too much is unsent. After `close()` it does nothing. */
  write(part: Part): void {
    if (this.#isOver) return;
    if (this.bufferedBytes > this.#limits.outboundBytesMax) this.close(DISCONNECTS.slow);
    else if (this.#socket !== undefined) this.#socket.send(this.#frame(part));
    else this.#polls?.write(part);
  }

  /**
   * Ends the session from this side. The queue is sent first, unless the client is slow. The poll of a
   * client that may come back fails: for some clients a close packet is final. A probed upgrade goes on
   * first: between its last poll and `5` a client listens to nothing else. Idempotent.
   */
  close(reason: Disconnect): void {
    if (this.#isOver) return;
    if (reason.name === DISCONNECTS.slow.name) this.#polls?.take();
    if (!this.#upgrade?.isProbed) return this.cut(reason);
    this.#closing = reason;
    this.#over(reason.name);
    this.#polls?.end(NOOP);
  }

  /** Ends the session like `close()`, but waits for no upgrade. Idempotent. */
  cut(reason: Disconnect): void {
    if (this.#closed) return;
    this.#leave(reason, this.#polls?.finish(invitesBack(reason) ? undefined : CLOSE));
  }

  /** Ends the session at once because the client broke a bound or the protocol. Idempotent. */
  fail(reason: Disconnect): void {
    if (this.#closed) return;
    (this.#socket ?? this.#polls)!.connection.fault(reason);
    this.#polls?.endWith(CLOSE);
    this.#leave(reason);
  }

  /** Answers a poll once there is something to send. Undefined if the poll is not allowed, or fails. */
  async poll(query: URLSearchParams, signal: AbortSignal): Promise<Response | undefined> {
    if (this.#polls?.isOpen) this.fail(DISCONNECTS.protocol);
    const style = pollingStyle(this, query);
    return await this.#polls?.open(style, signal, () => this.#end("connection lost"));
  }

  /** Takes a post. Undefined if it is not allowed, is malformed, or has too many packets. */
  async post(query: URLSearchParams, request: Request): Promise<Response | undefined> {
    if (this.#isPosting) this.fail(DISCONNECTS.protocol);
    if (this.#polls === undefined) return undefined;
    this.#isPosting = true;
    const post = await this.#readPost(request, pollingStyle(this, query));
    this.#isPosting = false;
    if (post instanceof Response) return post;
    if (this.#closed) return undefined;
    if (!post.ok) return void this.fail(DISCONNECTS.protocol);
    for (const packet of post.value.packets) this.#receive(packet);
    return post.value.isWhole ? postAnswer() : void this.fail(DISCONNECTS.limit);
  }

  /** A WebSocket has opened for an upgrade. It is closed unless the session can use it. */
  probe(socket: Socket): void {
    if (this.#polls === undefined || this.#upgrade !== undefined) return socket.close(NORMAL);
    const { clock, upgradeTimeoutMs } = this.#limits;
    this.#upgrade = new Upgrade(socket, {
      clock,
      upgradeTimeoutMs,
      endPoll: () => this.#polls?.end(NOOP),
      onDone: () => this.#upgradeOver(socket),
      onFailed: () => this.#upgradeOver(undefined),
    });
  }

  /** A frame has come on a WebSocket of this session. */
  receiveFrame(socket: Socket, frame: Message): void {
    const packet = this.codec.decodeFrame(frame);
    if (socket === this.#socket) {
      if (packet.ok) this.#receive(packet.value);
      else this.fail(DISCONNECTS.protocol);
    } else if (socket === this.#upgrade?.socket) {
      if (packet.ok) this.#upgrade.receive(packet.value);
      else this.#upgrade.fail();
    }
  }

  /** The client broke a bound on a WebSocket of this session, which is about to be closed. */
  socketFault(socket: Socket, reason: Disconnect): void {
    if (socket === this.#socket) this.close(reason);
    else if (socket === this.#upgrade?.socket) this.#upgrade.fail();
  }

  /** A WebSocket of this session is over. */
  socketClosed(socket: Socket, why: string): void {
    if (socket === this.#socket) this.#end(why);
    else if (socket === this.#upgrade?.socket) this.#upgrade.ended();
  }

  /** Pings the client. */
  ping(): void {
    this.write(PING);
  }

  /** Ends the session: its client was silent for too long. */
  timeOut(): void {
    this.#leave({ name: "ping timeout", code: 1000, reason: "ping timeout" });
  }

  async #readPost(request: Request, style: PollingStyle): Promise<Decoded<Post> | Response> {
    const type = request.headers.get("content-type");
    try {
      const body = await this.#limits.readBody(request);
      return decodePost(style, type, body, () => this.#mayReceive());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.type !== "too-large") return failure(error.message);
      this.fail(DISCONNECTS.limit);
      return new Response(null, { status: 413 });
    }
  }

  #mayReceive(): boolean {
    const { clock, inboundPerSecondMax } = this.#limits;
    this.#rate ??= new TokenBucket(inboundPerSecondMax, clock.monotonic());
    return this.#rate.take(clock.monotonic());
  }

  #receive({ type, data }: Packet): void {
    if (this.#isOver) return;
    switch (type) {
      case "message":
        return this.events.onMessage(data);
      case "close":
        this.#polls?.endWith(NOOP);
        return this.#leave({ name: "client closed", code: 1000, reason: "" });
      case "ping":
        if (this.codec.version === 4) return this.fail(DISCONNECTS.protocol);
        this.#heartbeats.start(this);
        return this.write(`3${data}`);
      case "pong":
        if (this.codec.version === 3) return this.fail(DISCONNECTS.protocol);
        return this.#heartbeats.start(this);
    }
  }

  /** Goes on by `socket`, or else by polling. */
  #upgradeOver(socket: Socket | undefined): void {
    this.#upgrade = undefined;
    if (socket !== undefined) this.#switchTo(socket);
    if (this.#closing !== undefined) this.cut(this.#closing);
  }

  #switchTo(socket: Socket): void {
    const parts = this.#polls!.take();
    this.#polls!.close();
    this.#polls = undefined;
    this.#socket = socket;
    for (const part of parts) socket.send(this.#frame(part));
  }

  #frame(part: Part): Message {
    // Each delivery would feel a call of one of several codecs.
    return typeof part === "string" ? part : this.codec.encodeFrame(part, this.base64);
  }

  /** Ends the session. `answers` are for the next polls of its client. */
  #leave(reason: Disconnect, answers?: Goodbye["answers"]): void {
    const socket = this.#socket;
    this.#end(reason.name, answers);
    if (socket === undefined) return;
    if (invitesBack(reason) && missesCloses(this.firstRequest)) socket.send(UNREADABLE);
    socket.close(reason);
  }

  /** Ends the session; an open poll fails. */
  #end(why: string, answers: Goodbye["answers"] = []): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#upgrade?.fail();
    const polls = this.#polls;
    this.#polls = undefined;
    if (polls === undefined || answers.length === 0) {
      polls?.close();
      this.#onEnd(this, undefined);
    } else {
      const { codec, base64 } = this;
      this.#onEnd(this, { codec, base64, answers, connection: polls.connection });
    }
    this.#over(why);
  }

  /** From now on, all that the client sends is ignored. */
  #over(why: string): void {
    this.#heartbeats.stop(this);
    this.events.onClose(why);
    this.events = NO_EVENTS;
  }
}
