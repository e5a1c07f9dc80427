import type { EngineCodec, Packet } from "../codec/engineio.ts";
import { engineio3 } from "../codec/engineio3.ts";
import { engineio4 } from "../codec/engineio4.ts";
import type { Timer } from "../core/clock.ts";
import { type Disconnect, DISCONNECTS, Refusal } from "../core/errors.ts";
import { type EngineLimits, type EngineOwner, EngineSocket } from "./engine_socket.ts";
import { pollAnswer, pollingStyle } from "./polling.ts";
import {
  acceptSocket,
  handshakeFault,
  isUpgrade,
  type Message,
  type Socket,
  type SocketEvents,
  type SocketOptions,
} from "./websocket.ts";

/** What an Engine.IO server needs, and the bounds it keeps. */
export interface EngineServerOptions extends EngineLimits {
  /** Polling sessions whose client has not come back yet, and ended ones that are remembered. */
  readonly handshakesMax: number;
  /** Takes a slot for a connection; returns what gives it back, or throws a `Refusal`. */
  readonly admit: (address: string) => () => void;
  /** A session has begun; MUST set its `events` before it returns. */
  readonly onConnection: (socket: EngineSocket) => void;
  /** A client broke a bound or the protocol, or a handler threw `error`. */
  readonly onFault: (reason: Disconnect, address: string, error?: unknown) => void;
  /** A WebSocket was told to close and is not gone yet. */
  readonly onClosing: () => void;
  /** A WebSocket that was told to close is gone. */
  readonly onClosed: () => void;
}

/** One HTTP request to the server. */
export interface EngineRequest {
  readonly request: Request;
  readonly query: URLSearchParams;
  readonly address: string;
}

/** The errors of the protocol: their codes and texts are what clients know them by. */
const ERRORS = {
  transport: { code: 0, message: "Transport unknown" },
  sid: { code: 1, message: "Session ID unknown" },
  method: { code: 2, message: "Bad handshake method" },
  request: { code: 3, message: "Bad request" },
  version: { code: 5, message: "Unsupported protocol version" },
} as const;

type EngineError = (typeof ERRORS)[keyof typeof ERRORS];

const CODECS: ReadonlyMap<string | null, EngineCodec> = new Map([
  ["3", engineio3],
  ["4", engineio4],
]);
const GOODBYE_MS = 30_000;
const RETRY_AFTER_S = 5;

/** An Engine.IO server, versions 3 and 4: polling, WebSocket and the way from one to the other. */
export class EngineServer implements EngineOwner {
  readonly #options: EngineServerOptions;
  readonly #socketOptions: SocketOptions;
  readonly #sockets = new Map<string, EngineSocket>();
  readonly #unconfirmed = new Set<EngineSocket>();
  readonly #releases = new Map<EngineSocket, () => void>();
  /** What the next poll of an ended session is told. */
  readonly #goodbyes = new Map<string, { packets: readonly Packet[]; timer: Timer }>();

  constructor(options: EngineServerOptions) {
    this.#options = options;
    this.#socketOptions = {
      clock: options.clock,
      idleTimeoutS: 0, // the protocol has pings of its own
      inboundBytesMax: options.pollingBytesMax,
      inboundPerSecondMax: options.inboundPerSecondMax,
    };
  }

  /** Sessions that are not over. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Answers one request of whatever method. Throws a `Refusal` where there is no room. */
  async handle(exchange: EngineRequest): Promise<Response> {
    const { request } = exchange;
    if (request.method === "OPTIONS") return withCors(request, new Response(null, { status: 204 }));
    if (isUpgrade(request)) return this.#upgrade(exchange);
    return withCors(request, await this.#answer(exchange));
  }

  /** Ends every session. */
  close(): void {
    for (const socket of this.#sockets.values()) socket.close(DISCONNECTS.shutdown);
    for (const { timer } of this.#goodbyes.values()) timer.cancel();
    this.#goodbyes.clear();
  }

  confirmed(socket: EngineSocket): void {
    this.#unconfirmed.delete(socket);
  }

  ended(socket: EngineSocket, goodbye: readonly Packet[] | undefined): void {
    const { clock, handshakesMax } = this.#options;
    this.#sockets.delete(socket.id);
    this.#unconfirmed.delete(socket);
    if (goodbye === undefined || this.#goodbyes.size >= handshakesMax) return;
    const timer = clock.after(GOODBYE_MS, () => this.#goodbyes.delete(socket.id));
    this.#goodbyes.set(socket.id, { packets: goodbye, timer });
  }

  gone(socket: EngineSocket): void {
    this.#releases.get(socket)?.();
    this.#releases.delete(socket);
  }

  fault(reason: Disconnect, socket: EngineSocket): void {
    this.#options.onFault(reason, socket.handshake.address);
  }

  async #answer(exchange: EngineRequest): Promise<Response> {
    const { request, query } = exchange;
    const transport = query.get("transport");
    if (transport !== "polling" && transport !== "websocket") return refuse(ERRORS.transport);
    const sid = query.get("sid");
    if (sid !== null) return await this.#answerSession(sid, exchange) ?? refuse(ERRORS.request);
    if (request.method !== "GET") return refuse(ERRORS.method);
    if (transport === "websocket") return refuse(ERRORS.request);
    const codec = CODECS.get(query.get("EIO"));
    return codec === undefined ? refuse(ERRORS.version) : this.#openPolling(codec, exchange);
  }

  async #answerSession(sid: string, exchange: EngineRequest): Promise<Response | undefined> {
    const { request, query } = exchange;
    const socket = this.#sockets.get(sid);
    if (socket === undefined) return this.#sayGoodbye(sid, exchange) ?? refuse(ERRORS.sid);
    if (query.get("transport") !== "polling") return undefined;
    const style = pollingStyle(socket.codec, query);
    if (request.method === "GET") return await socket.poll(style, request.signal);
    if (request.method === "POST") return await socket.post(request, style);
    return undefined;
  }

  #sayGoodbye(sid: string, { request, query }: EngineRequest): Response | undefined {
    const goodbye = this.#goodbyes.get(sid);
    const codec = CODECS.get(query.get("EIO"));
    if (goodbye === undefined || codec === undefined || request.method !== "GET") return undefined;
    goodbye.timer.cancel();
    this.#goodbyes.delete(sid);
    return pollAnswer(pollingStyle(codec, query), goodbye.packets);
  }

  #openPolling(codec: EngineCodec, { request, query, address }: EngineRequest): Response {
    this.#checkRoom();
    const release = this.#options.admit(address);
    const handshake = { address, query, headers: new Headers(request.headers) };
    const socket = new EngineSocket(codec, handshake, this.#options, this);
    this.#begin(socket, release);
    return pollAnswer(pollingStyle(codec, query), socket.takePackets());
  }

  #upgrade(exchange: EngineRequest): Response {
    const { request, query, address } = exchange;
    const sid = query.get("sid");
    const transport = query.get("transport");
    const codec = CODECS.get(query.get("EIO"));
    if (transport !== "polling" && transport !== "websocket") return refuseText(ERRORS.transport);
    if (transport === "polling" || handshakeFault(request) !== undefined) {
      return refuseText(ERRORS.request);
    }
    if (sid !== null) {
      const session = this.#sockets.get(sid);
      if (session === undefined) return refuseText(ERRORS.sid);
      return this.#acceptSocket(request, address, (socket) => {
        session.probe(socket);
        return session;
      });
    }
    if (codec === undefined) return refuseText(ERRORS.version);
    this.#checkRoom();
    const release = this.#options.admit(address);
    const handshake = { address, query, headers: new Headers(request.headers) };
    return this.#acceptSocket(request, address, (socket) => {
      const session = new EngineSocket(codec, handshake, this.#options, this, socket);
      this.#begin(session, release);
      return session;
    }, release);
  }

  #begin(socket: EngineSocket, release: () => void): void {
    this.#sockets.set(socket.id, socket);
    if (socket.isPolling) this.#unconfirmed.add(socket);
    this.#releases.set(socket, release);
    this.#options.onConnection(socket);
  }

  #checkRoom(): void {
    if (this.#unconfirmed.size < this.#options.handshakesMax) return;
    throw new Refusal("over-limit", "Cannot connect: too many handshakes wait", RETRY_AFTER_S);
  }

  #acceptSocket(
    request: Request,
    address: string,
    begin: (socket: Socket) => EngineSocket,
    release: () => void = () => {},
  ): Response {
    const { onFault, onClosing, onClosed } = this.#options;
    let socket: Socket | undefined;
    let session: EngineSocket | undefined;
    const events: SocketEvents = {
      open(opened) {
        socket = opened;
        session = begin(opened);
      },
      message(message: Message) {
        session?.receiveFrame(socket!, message);
      },
      closing: onClosing,
      close(why, told) {
        if (told) onClosed();
        session?.socketClosed(socket!, why);
        release();
      },
      fault(reason, error) {
        onFault(reason, address, error);
        session?.socketFault(socket!, reason);
      },
    };
    return acceptSocket(request, undefined, this.#socketOptions, events);
  }
}

function refuse(error: EngineError): Response {
  return Response.json(error, { status: 400 });
}

/** How a WebSocket request is refused. */
function refuseText({ message }: EngineError): Response {
  return new Response(message, { status: 400, headers: { "content-type": "text/html" } });
}

/** Lets the asking page read the answer. The oldest browser clients send credentials: never `*`. */
function withCors(request: Request, response: Response): Response {
  const origin = request.headers.get("origin");
  const { headers } = response;
  headers.append("vary", "Origin");
  if (origin === null) return response;
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-allow-credentials", "true");
  if (request.method !== "OPTIONS") return response;
  headers.set("access-control-allow-methods", "GET, POST");
  const asked = request.headers.get("access-control-request-headers");
  if (asked !== null) headers.set("access-control-allow-headers", asked);
  return response;
}
