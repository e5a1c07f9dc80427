import { networkOf } from "../../core/address.ts";
import { Refusal } from "../../core/errors.ts";
import { Quota } from "../../core/quota.ts";
import type { Access } from "../../http/access.ts";
import type { Exchange, Handler } from "../../http/router.ts";
import { Connection, type ConnectionReports, type Connections } from "../../hub/connections.ts";
import type { Hub } from "../../hub/hub.ts";
import { SILENT_BEATS_MAX } from "../websocket/endpoint.ts";
import { refuseHandshake } from "../../http/upgrade.ts";
import {
  acceptSocket,
  type Socket,
  type SocketHandler,
  type SocketOptions,
} from "../websocket/socket.ts";
import type { App } from "./app.ts";
import { type ClientContext, PusherClient } from "./client.ts";
import { encodeError } from "./codec.ts";
import { Silence } from "./silence.ts";

/** What the Pusher endpoint needs. */
export interface PusherEndpointOptions extends Omit<SocketOptions, "idleTimeoutS"> {
  readonly hub: Hub;
  readonly connections: Connections;
  readonly access: Access;
  readonly heartbeatS: number;
  readonly channelsPerSessionMax: number;
}

/** Connections at a time that are accepted only to send the reason why they are refused. */
export const REFUSED_MAX = 1000;

/** Versions of the protocol. Hark does the same in all of them. */
const PROTOCOLS = ["5", "6", "7"];

/** Pusher's close code, and the reason. */
type Fault = readonly [code: number, refusal: Refusal];

const NO_APP = faultOf(4001, "There is no app with this key");
const NO_PROTOCOL = faultOf(4008, "No protocol is given: connect with ?protocol=7");
const OTHER_PROTOCOL = faultOf(4007, "This protocol is not served: use 5, 6 or 7");

/** Answers `/app/:key`: WebSocket for the clients of Pusher's protocol. */
export class PusherEndpoint {
  readonly #options: PusherEndpointOptions;
  readonly #socketOptions: SocketOptions;
  readonly #refused: Quota = new Quota(REFUSED_MAX);
  /** Clients that have connected while the server is stopping. */
  readonly #held = new Map<Socket, Fault>();
  /** What the clients of each app share, by its key. */
  readonly #contexts: ReadonlyMap<string, ClientContext>;

  constructor(apps: readonly App[], options: PusherEndpointOptions) {
    const { hub, clock, heartbeatS, inboundPerSecondMax, channelsPerSessionMax } = this.#options =
      options;
    // A client that comes back subscribes to all its channels at once, with a frame for each.
    const waitingMax = inboundPerSecondMax + channelsPerSessionMax;
    const idleTimeoutS = SILENT_BEATS_MAX * heartbeatS;
    this.#socketOptions = { ...options, idleTimeoutS, inboundPerSecondMax: waitingMax };
    const silence = new Silence(clock);
    const shared = { hub, clock, silence, waitingMax };
    this.#contexts = new Map(apps.map((app) => [app.settings.key, { ...shared, app }]));
  }

  /**
   * Makes a session of a request. A client that is refused gets a frame and a close code: after an HTTP error
   * it would retry for ever.
   */
  readonly accept: Handler = async (exchange) => {
    const { request, params, query, address } = exchange;
    const fault = refuseHandshake(request);
    if (fault !== undefined) return fault;
    const context = this.#contexts.get(params.key!);
    if (context === undefined) return this.#refuse(exchange, NO_APP);
    const protocol = query.get("protocol");
    if (protocol === null) return this.#refuse(exchange, NO_PROTOCOL);
    if (!PROTOCOLS.includes(protocol)) return this.#refuse(exchange, OTHER_PROTOCOL);
    const { connections, access } = this.#options;
    let connection: Connection;
    try {
      connection = await connections.admit(address);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return this.#refuse(exchange, [4100, error]);
    }
    const grant = access.anonymous(address);
    const open = (socket: Socket) => new PusherClient(socket, grant, context);
    return acceptSocket(request, { connection, open }, this.#socketOptions);
  };

  /** Closes the clients that have connected while the server is stopping: soon another one may listen. */
  close(): void {
    for (const [socket, fault] of this.#held) sendAway(socket, fault);
  }

  /** Accepts a connection to refuse it. */
  #refuse({ request, address }: Exchange, fault: Fault): Response {
    const [, refusal] = fault;
    const release = this.#refused.take(networkOf(address));
    if (typeof release !== "function") throw refusal;
    this.#options.connections.refused(refusal.type, refusal.message, address);
    const connection = new Connection(address, release, NO_REPORTS);
    const open = (socket: Socket): SocketHandler => {
      if (refusal.type === "unavailable") this.#held.set(socket, fault);
      else sendAway(socket, fault);
      return { ...REFUSED, socketClosed: () => void this.#held.delete(socket) };
    };
    return acceptSocket(request, { connection, open }, this.#socketOptions);
  }
}

/** Handles a WebSocket that was accepted only to be refused. */
const REFUSED: Omit<SocketHandler, "socketClosed"> = {
  receiveFrame: () => {},
  socketFault: () => {},
};
/** A refused connection is counted as refused, and nowhere else. */
const NO_REPORTS: ConnectionReports = {
  closing: { inc: () => {}, dec: () => {} },
  fault: () => {},
};

function faultOf(code: number, reason: string): Fault {
  return [code, new Refusal("forbidden", reason)];
}

function sendAway(socket: Socket, [code, { message: reason }]: Fault): void {
  socket.send(encodeError(code, reason));
  socket.close({ code, reason });
}
