import { hark, HARK_V1, joinEvents } from "../hark/codec.ts";
import { plain } from "../plain/codec.ts";
import type { Disconnect } from "../../core/errors.ts";
import type { Grant } from "../../core/grant.ts";
import { peerOf } from "../../hub/peer.ts";
import type { Session } from "../../hub/session.ts";
import type { Transport } from "../../hub/transport.ts";
import { type Batching, BatchingTransport } from "../../hub/batching.ts";
import { Commands, type CommandsOptions } from "../hark/commands.ts";
import type { Connections } from "../../hub/connections.ts";
import { offeredProtocols, refuseHandshake } from "../../http/upgrade.ts";
import {
  acceptSocket,
  type Message,
  type Socket,
  type SocketHandler,
  type SocketOptions,
} from "./socket.ts";
import { WebSocketTransport } from "./transport.ts";
import type { Access } from "../../http/access.ts";
import type { OperationDoc } from "../../http/operation.ts";
import { AT_CHANNELS, AT_SINCE, inQuery, TEXT } from "../../http/parameters.ts";
import { CORS } from "../../http/cors.ts";
import type { Exchange, Route } from "../../http/router.ts";
import type { Protocol } from "../protocol.ts";
import { readSubscription, type Subscription } from "../../http/subscription.ts";

/** What the WebSocket endpoint needs. */
export interface SocketEndpointOptions
  extends Omit<SocketOptions, "idleTimeoutS">, Omit<CommandsOptions, "waitingMax"> {
  readonly access: Access;
  readonly connections: Connections;
  readonly batching: Batching;
  /** Seconds of silence before a ping. */
  readonly heartbeatS: number;
}

/** Heartbeats that a client may be silent for: one until the ping, and one to answer it. */
export const SILENT_BEATS_MAX = 2;

/** The path of WebSockets; those that ask for `/` get it too. */
export const WS_PATH = "/ws";

/** The answer to the handshake of a WebSocket. */
export const SOCKET_ANSWERS: OperationDoc["answers"] = {
  101: { description: "The connection is a WebSocket from here on" },
};

const SOCKET_DOC: OperationDoc = {
  id: "socket",
  summary: "A WebSocket, plain or with the subprotocol hark.v1",
  need: "receive",
  parameters: [
    AT_CHANNELS,
    AT_SINCE,
    inQuery("presence", "1 for the joins and leaves of these channels, over hark.v1", TEXT, "1"),
  ],
  answers: SOCKET_ANSWERS,
  problems: [426, 429],
};

/** Answers `/ws`: plain WebSocket, or `hark.v1` for a client that offers it. */
export class SocketEndpoint implements Protocol {
  readonly routes: readonly Route[] = [{
    path: WS_PATH,
    methods: { GET: { handle: (exchange) => this.#accept(exchange), doc: SOCKET_DOC } },
    cors: CORS.readable,
  }];
  readonly #options: SocketEndpointOptions;
  readonly #socketOptions: SocketOptions;
  readonly #commandsOptions: CommandsOptions;

  constructor(options: SocketEndpointOptions) {
    this.#options = options;
    this.#socketOptions = { ...options, idleTimeoutS: SILENT_BEATS_MAX * options.heartbeatS };
    this.#commandsOptions = { ...options, waitingMax: options.inboundPerSecondMax };
  }

  /** Accepts a WebSocket. Rejects with a `Refusal` before anything is accepted. */
  async #accept(exchange: Exchange): Promise<Response> {
    const { hub, connections, access, clock } = this.#options;
    const { request, query, address } = exchange;
    const subscription = readSubscription(query, clock.now());
    const grant = await access.identify(exchange);
    // After the wait: a client that has left meanwhile has no headers any more.
    const refused = refuseHandshake(request);
    if (refused !== undefined) return refused;
    grant.checkReceive(subscription.channels);
    hub.subscribers.check(subscription.channels, address);
    const protocol = offeredProtocols(request.headers).includes(HARK_V1) ? HARK_V1 : undefined;
    const connection = await connections.admit(address);
    const open = (socket: Socket) => this.#open(socket, subscription, grant, protocol);
    return acceptSocket(request, { connection, protocol, open }, this.#socketOptions);
  }

  /** Opens a session on a socket after its handshake; `protocol` is undefined for plain WebSocket. */
  #open(
    socket: Socket,
    { channels, since, presence }: Subscription,
    grant: Grant,
    protocol: string | undefined,
  ): SocketHandler {
    const { hub, batching } = this.#options;
    const isHark = protocol === HARK_V1;
    let transport: Transport = new WebSocketTransport(socket, isHark ? hark : plain);
    if (isHark) transport = new BatchingTransport(transport, joinEvents, batching);
    const session = hub.open(transport, peerOf(socket.connection.address, grant), channels, {
      since,
      presence: presence ? channels.filter((channel) => grant.mayWatch(channel)) : [],
    });
    const commands = isHark ? new Commands(this.#commandsOptions, session, grant) : undefined;
    return new SocketSession(session, commands);
  }
}

/** The session of one WebSocket; without `commands` it ignores what the client sends. */
class SocketSession implements SocketHandler {
  readonly #session: Session;
  readonly #commands: Commands | undefined;

  constructor(session: Session, commands: Commands | undefined) {
    this.#session = session;
    this.#commands = commands;
  }

  receiveFrame(_socket: Socket, frame: Message): void {
    this.#commands?.receive(frame);
  }

  socketFault(_socket: Socket, reason: Disconnect): void {
    this.#session.end(reason);
  }

  socketClosed(_socket: Socket, why: string): void {
    this.#session.lost(why);
  }
}
