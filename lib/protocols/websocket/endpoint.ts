import { hark, HARK_V1, joinEvents } from "../hark/codec.ts";
import { plain } from "../plain/codec.ts";
import type { Grant } from "../../core/grant.ts";
import type { Publisher } from "../../broker/publisher.ts";
import type { Hub } from "../../hub/hub.ts";
import { peerOf } from "../../hub/peer.ts";
import type { Session } from "../../hub/session.ts";
import type { Transport } from "../../core/transport.ts";
import { BatchingTransport, type Turn } from "../../hub/batching.ts";
import { Commands } from "../hark/commands.ts";
import type { Connections } from "../../hub/connections.ts";
import {
  acceptSocket,
  handshakeFault,
  isUpgrade,
  offeredProtocols,
  type Socket,
  type SocketOptions,
  WebSocketTransport,
} from "./transport.ts";
import { type Access, callerOf } from "../../http/access.ts";
import { problem } from "../../http/problem.ts";
import type { Exchange } from "../../http/router.ts";
import { readSubscription, type Subscription } from "../../http/subscription.ts";

/** What the WebSocket endpoint needs. */
export interface SocketEndpointOptions extends Omit<SocketOptions, "idleTimeoutS"> {
  readonly hub: Hub;
  readonly connections: Connections;
  readonly publisher: Publisher;
  readonly turn: Turn;
  /** Seconds of silence before a client is asked whether it is there. */
  readonly heartbeatS: number;
  /** Entries in one answer about presence. */
  readonly presenceMax: number;
  readonly access: Access;
}

/** Beats that a client may be silent for: it is asked after one, and has the other to answer. */
export const SILENT_BEATS_MAX = 2;

/** Answers `/ws`: plain WebSocket, or `hark.v1` for a client that offers it. */
export class SocketEndpoint {
  readonly #options: SocketEndpointOptions;
  readonly #socketOptions: SocketOptions;

  constructor(options: SocketEndpointOptions) {
    this.#options = options;
    this.#socketOptions = { ...options, idleTimeoutS: SILENT_BEATS_MAX * options.heartbeatS };
  }

  /** Makes a session of the request. Throws a `Refusal` before anything is accepted. */
  async accept(exchange: Exchange): Promise<Response> {
    const { hub, connections, access, clock } = this.#options;
    const { request, query, address } = exchange;
    const subscription = readSubscription(query, clock.now());
    const grant = await access.identify(callerOf(exchange));
    // Only from here on: a client that has left meanwhile has no headers any more.
    const refused = refuseHandshake(request);
    if (refused !== undefined) return refused;
    grant.checkReceive(subscription.channels);
    hub.checkSubscriptions(subscription.channels, address);
    const protocol = offeredProtocols(request.headers).includes(HARK_V1) ? HARK_V1 : undefined;
    const release = connections.admit(address);
    const guest = { address, subscription, grant, protocol, release };
    const client = new SocketClient(this.#options, guest);
    return acceptSocket(request, protocol, this.#socketOptions, client);
  }
}

/** Who is let in, and for what. */
interface Guest {
  readonly address: string;
  readonly subscription: Subscription;
  readonly grant: Grant;
  /** Undefined for plain WebSocket. */
  readonly protocol: string | undefined;
  /** Gives the connection's slot back. */
  readonly release: () => void;
}

/** One WebSocket client, from its handshake to its end. */
class SocketClient {
  readonly #options: SocketEndpointOptions;
  readonly #guest: Guest;
  #session: Session | undefined;
  #commands: Commands | undefined;

  constructor(options: SocketEndpointOptions, guest: Guest) {
    this.#options = options;
    this.#guest = guest;
  }

  open(socket: Socket): void {
    const { hub, connections, turn, publisher, presenceMax, access } = this.#options;
    const { address, subscription, grant, protocol } = this.#guest;
    const { channels, since, presence } = subscription;
    const isHark = protocol === HARK_V1;
    let transport: Transport = new WebSocketTransport(socket, isHark ? hark : plain);
    if (isHark) transport = new BatchingTransport(transport, joinEvents, turn);
    this.#session = hub.open(transport, peerOf(address, grant), channels, {
      since,
      presence: presence ? channels.filter((channel) => grant.mayWatch(channel)) : [],
    });
    if (!isHark) return;
    this.#commands = new Commands({
      clock: this.#options.clock,
      hub,
      session: this.#session,
      publisher,
      presenceMax,
      waitingMax: this.#options.inboundPerSecondMax,
      grant,
      readToken: (token) => access.readToken(token, address),
      onRefused: (type, why) => connections.refused(type, why, address),
    });
  }

  message(message: string | Uint8Array): void {
    this.#commands?.receive(message);
  }

  closing(): void {
    this.#options.connections.closing();
  }

  close(why: string, told: boolean): void {
    this.#guest.release();
    if (told) this.#options.connections.closed();
    this.#session?.lost(why);
  }

  fault(reason: Parameters<Connections["fault"]>[0], error?: unknown): void {
    this.#options.connections.fault(reason, this.#guest.address, error);
    this.#session?.end(reason);
  }
}

function refuseHandshake(request: Request): Response | undefined {
  if (!isUpgrade(request)) {
    return problem(426, "upgrade-required", "This is a WebSocket endpoint: connect with one", {
      upgrade: "websocket",
      connection: "upgrade",
    });
  }
  switch (handshakeFault(request)) {
    case "version":
      return problem(426, "upgrade-required", "Use WebSocket version 13", {
        "sec-websocket-version": "13",
        upgrade: "websocket",
        connection: "upgrade",
      });
    case "key":
      return problem(400, "bad-request", "Expected Sec-WebSocket-Key to be 16 bytes in base64");
  }
  return undefined;
}
