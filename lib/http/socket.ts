import { hark, HARK_V1, joinEvents } from "../codec/hark.ts";
import { plain } from "../codec/plain.ts";
import type { Publisher } from "../core/publisher.ts";
import type { Session } from "../core/session.ts";
import type { Transport } from "../core/transport.ts";
import { BatchingTransport, type Turn } from "../core/turn.ts";
import { Commands } from "../transport/commands.ts";
import type { Connections } from "../transport/connections.ts";
import {
  acceptSocket,
  handshakeFault,
  isUpgrade,
  offeredProtocols,
  type Socket,
  type SocketOptions,
  WebSocketTransport,
} from "../transport/websocket.ts";
import { problem } from "./problem.ts";
import type { Exchange } from "./router.ts";
import { readSubscription, type Subscription } from "./subscription.ts";

/** What the WebSocket endpoint needs. */
export interface SocketEndpointOptions extends SocketOptions {
  readonly connections: Connections;
  readonly publisher: Publisher;
  readonly turn: Turn;
  /** Entries in one answer about presence. */
  readonly presenceMax: number;
  /** Who a request publishes as; throws a `Refusal` if it may not. */
  readonly authorize: (exchange: Exchange) => string;
}

/** Answers `/ws`: plain WebSocket, or `hark.v1` for a client that offers it. */
export class SocketEndpoint {
  readonly #options: SocketEndpointOptions;

  constructor(options: SocketEndpointOptions) {
    this.#options = options;
  }

  /** Makes a session of the request. Throws a `Refusal` before anything is accepted. */
  accept(exchange: Exchange): Response {
    const { request, query, address } = exchange;
    const refused = refuseHandshake(request);
    if (refused !== undefined) return refused;
    const { connections } = this.#options;
    const subscription = readSubscription(query);
    connections.hub.checkSubscriptions(subscription.channels);
    const speaksHark = offeredProtocols(request.headers).includes(HARK_V1);
    const mayPublish = speaksHark ? permission(() => this.#options.authorize(exchange)) : undefined;
    const release = connections.admit(address);
    const protocol = speaksHark ? HARK_V1 : undefined;
    const client = new SocketClient(this.#options, address, subscription, mayPublish, release);
    return acceptSocket(request, protocol, this.#options, client);
  }
}

/** Who a client publishes as, or throws why it may not. */
type Permission = () => string;

// Asked before the handshake, as the request cannot be read after it; told when it is needed.
function permission(authorize: () => string): Permission {
  try {
    const caller = authorize();
    return () => caller;
  } catch (refusal) {
    return () => {
      throw refusal;
    };
  }
}

/** One WebSocket client, from its handshake to its end. */
class SocketClient {
  readonly #options: SocketEndpointOptions;
  readonly #address: string;
  readonly #subscription: Subscription;
  readonly #mayPublish: Permission | undefined;
  readonly #release: () => void;
  #session: Session | undefined;
  #commands: Commands | undefined;

  constructor(
    options: SocketEndpointOptions,
    address: string,
    subscription: Subscription,
    mayPublish: Permission | undefined,
    release: () => void,
  ) {
    this.#options = options;
    this.#address = address;
    this.#subscription = subscription;
    this.#mayPublish = mayPublish;
    this.#release = release;
  }

  open(socket: Socket): void {
    const { connections, turn, publisher, presenceMax } = this.#options;
    const { channels, since, presence } = this.#subscription;
    const isHark = this.#mayPublish !== undefined;
    let transport: Transport = new WebSocketTransport(socket, isHark ? hark : plain);
    if (isHark) transport = new BatchingTransport(transport, joinEvents, turn);
    const peer = { address: this.#address };
    this.#session = connections.open(transport, peer, channels, { since, presence });
    if (this.#mayPublish === undefined) return;
    this.#commands = new Commands({
      hub: connections.hub,
      session: this.#session,
      publisher,
      presenceMax,
      authorize: this.#mayPublish,
      onRefused: (type, why) => connections.refused(type, why, this.#address),
    });
  }

  message(message: string | Uint8Array): void {
    this.#commands?.receive(message);
  }

  closing(): void {
    this.#options.connections.closing();
  }

  close(why: string, told: boolean): void {
    this.#release();
    if (told) this.#options.connections.closed();
    this.#session?.lost(why);
  }

  fault(reason: Parameters<Connections["fault"]>[0], error?: unknown): void {
    this.#options.connections.fault(reason, this.#address, error);
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
