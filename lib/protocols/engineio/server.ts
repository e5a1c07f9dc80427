import type { EngineCodec } from "./codec.ts";
import { randomId } from "../../core/random.ts";
import { engineio2, engineio3 } from "./codec3.ts";
import { engineio4 } from "./codec4.ts";
import { because, DISCONNECTS } from "../../core/errors.ts";
import type { Connection } from "../../hub/connections.ts";
import { type EngineLimits, EngineSession } from "./session.ts";
import { type Goodbye, Goodbyes } from "./goodbyes.ts";
import { type EngineRequest, type FirstRequest, readFirstRequest } from "./first_request.ts";
import { Heartbeats } from "./heartbeats.ts";
import { type NewcomerLimits, Newcomers } from "./newcomers.ts";
import { Polls } from "./polling.ts";
import { handshakeFault, isUpgrade } from "../../http/upgrade.ts";
import {
  acceptSocket,
  type Handshakes,
  type Socket,
  type SocketOptions,
} from "../websocket/socket.ts";

/** The needs and bounds of an Engine.IO server. */
export interface EngineServerOptions extends EngineLimits, NewcomerLimits {
  readonly handshakes: Handshakes;
  /** The beginning of every sid. */
  readonly sidPrefix: string;
  /** Admits a connection, or throws a `Refusal`. */
  readonly admit: (address: string) => Promise<Connection>;
  /** A session has begun; MUST set its `events` before it returns. */
  readonly onConnection: (session: EngineSession) => void;
}

/** The errors of the protocol. Clients know them by their codes and texts. */
const ERRORS = {
  transport: { code: 0, message: "Transport unknown" },
  sid: { code: 1, message: "Session ID unknown" },
  method: { code: 2, message: "Bad handshake method" },
  request: { code: 3, message: "Bad request" },
  version: { code: 5, message: "Unsupported protocol version" },
} as const;

type EngineError = (typeof ERRORS)[keyof typeof ERRORS];

const CODECS: ReadonlyMap<string | null, EngineCodec> = new Map([
  ["2", engineio2],
  ["3", engineio3],
  ["4", engineio4],
]);

/** An Engine.IO server, versions 3 and 4: polling, WebSocket, and upgrades from one to the other. */
export class EngineServer {
  readonly #options: EngineServerOptions;
  readonly #socketOptions: SocketOptions;
  readonly #heartbeats: Heartbeats;
  readonly #sessions = new Map<string, EngineSession>();
  readonly #newcomers: Newcomers;
  readonly #goodbyes: Goodbyes;

  constructor(options: EngineServerOptions) {
    const { clock, handshakes, pollingBytesMax, inboundPerSecondMax } = options;
    this.#options = options;
    this.#heartbeats = new Heartbeats(options);
    this.#newcomers = new Newcomers(options);
    this.#goodbyes = new Goodbyes(clock, options.newcomersMax);
    this.#socketOptions = {
      clock,
      handshakes,
      idleTimeoutS: 0, // the protocol has pings of its own
      inboundBytesMax: pollingBytesMax,
      inboundPerSecondMax,
    };
  }

  /** Open sessions. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Polling sessions that wait for the second request of their client. */
  get newcomers(): number {
    return this.#newcomers.size;
  }

  /** Answers one request of any method. Throws a `Refusal` if a bound is reached. */
  async handle(exchange: EngineRequest): Promise<Response> {
    const { request } = exchange;
    if (request.method === "OPTIONS") return new Response(null, { status: 204 });
    const isSocket = isUpgrade(request);
    const error = this.#check(exchange, isSocket);
    if (isSocket) return error === undefined ? this.#openSocket(exchange) : refuseText(error);
    const answer = error === undefined ? await this.#answer(exchange) : refuse(error);
    return answer ?? refuse(ERRORS.request);
  }

  /**
   * Ends every session in a way that lets its client come back. A session with answers left holds its
   * slot until they are taken.
   */
  endAll(): void {
    for (const session of this.#sessions.values()) session.close(DISCONNECTS.shutdown);
  }

  /** Ends every session at once, and forgets the answers that are left. */
  close(): void {
    for (const session of this.#sessions.values()) session.cut(DISCONNECTS.shutdown);
    this.#goodbyes.clear();
  }

  /** Why a request is refused before its session sees it; undefined if it is not. */
  #check(exchange: EngineRequest, isSocket: boolean): EngineError | undefined {
    const { request, query } = exchange;
    const transport = query.get("transport");
    const sid = query.get("sid");
    if (transport !== "polling" && transport !== "websocket") return ERRORS.transport;
    if (sid !== null && !this.#sessions.has(sid)) {
      const isPoll = transport === "polling" && request.method === "GET" && !isSocket;
      return isPoll && this.#goodbyes.has(sid) ? undefined : ERRORS.sid;
    }
    if (sid === null && request.method !== "GET") return ERRORS.method;
    if (isSocket !== (transport === "websocket")) return ERRORS.request;
    if (isSocket && handshakeFault(request) !== undefined) return ERRORS.request;
    if (sid !== null) return undefined;
    return CODECS.has(query.get("EIO")) ? undefined : ERRORS.version;
  }

  /** Answers a checked HTTP request. Undefined if its session does not take it. */
  async #answer(exchange: EngineRequest): Promise<Response | undefined> {
    const { request, query } = exchange;
    const sid = query.get("sid");
    if (sid === null) return await this.#openPolling(exchange);
    const session = this.#sessions.get(sid);
    if (session === undefined) return this.#goodbyes.answer(sid, query);
    this.#newcomers.delete(session.id);
    if (request.method === "GET") return await session.poll(query, request.signal);
    if (request.method === "POST") return await session.post(query, request);
    return undefined;
  }

  async #openPolling(exchange: EngineRequest): Promise<Response | undefined> {
    const { address } = exchange;
    const firstRequest = readFirstRequest(exchange);
    const connection = await this.#options.admit(address);
    const oldest = this.#newcomers.inTheWayOf(address);
    if (oldest !== undefined) {
      this.#sessions.get(oldest)?.fail(because(DISCONNECTS.limit, "too many handshakes wait"));
    }
    const session = this.#begin(firstRequest, new Polls(connection));
    if (this.#sessions.has(session.id)) this.#newcomers.add(session.id, address);
    // The first answer is one to a poll: the open packet is in the queue already.
    return await session.poll(exchange.query, exchange.request.signal);
  }

  #openSocket(exchange: EngineRequest): Promise<Response> {
    const session = this.#sessions.get(exchange.query.get("sid") ?? "");
    if (session === undefined) {
      const firstRequest = readFirstRequest(exchange);
      return this.#accept(exchange, (socket) => this.#begin(firstRequest, socket));
    }
    this.#newcomers.delete(session.id);
    return this.#accept(exchange, (socket) => {
      session.probe(socket);
      return session;
    });
  }

  async #accept(
    { request, address }: EngineRequest,
    open: (socket: Socket) => EngineSession,
  ): Promise<Response> {
    const connection = await this.#options.admit(address);
    return acceptSocket(request, { connection, open }, this.#socketOptions);
  }

  #begin(firstRequest: FirstRequest, carrier: Polls | Socket): EngineSession {
    const session = new EngineSession({
      id: this.#options.sidPrefix + randomId(),
      codec: CODECS.get(firstRequest.query.get("EIO"))!,
      firstRequest,
      limits: this.#options,
      heartbeats: this.#heartbeats,
      carrier,
      onEnd: this.#onEnd,
    });
    this.#sessions.set(session.id, session);
    this.#options.onConnection(session);
    return session;
  }

  readonly #onEnd = (session: EngineSession, goodbye: Goodbye | undefined): void => {
    this.#sessions.delete(session.id);
    this.#newcomers.delete(session.id);
    if (goodbye !== undefined) this.#goodbyes.add(session.id, goodbye);
  };
}

function refuse(error: EngineError): Response {
  return Response.json(error, { status: 400 });
}

/** The answer to a WebSocket request that is refused. */
function refuseText({ message }: EngineError): Response {
  return new Response(message, { status: 400, headers: { "content-type": "text/html" } });
}
