import { socketioEncoder } from "./encoder.ts";
import { isShared } from "../../core/address.ts";
import { checkSubscription, isChannel } from "../../core/channel.ts";
import type { Clock } from "../../core/clock.ts";
import { type Disconnect, invitesBack, readInput, Refusal } from "../../core/errors.ts";
import { Grant } from "../../core/grant.ts";
import type { Hub } from "../../hub/hub.ts";
import { peerOf } from "../../hub/peer.ts";
import type { Session } from "../../hub/session.ts";
import { WaitingCommands } from "../../hub/waiting.ts";
import type { Encoder, Frame } from "../../core/encoder.ts";
import type { Transport } from "../../hub/transport.ts";
import { type Ack, ConnectError, type ServerSocket, SocketServer } from "./server.ts";
import type { Connections } from "../../hub/connections.ts";
import { EngineServer, type EngineServerOptions } from "../engineio/server.ts";
import type { Access } from "../../http/access.ts";
import { BodyReader } from "../../http/body.ts";
import { HandshakeGrants } from "./handshakes.ts";
import { newPid, Recoveries } from "./recoveries.ts";
import { recovers } from "./recovers.ts";
import type { Handler } from "../../http/router.ts";
import { readSubscription } from "../../http/subscription.ts";

type EngineLimits = Omit<
  EngineServerOptions,
  `on${string}` | "admit" | "readBody" | "isShared" | "pingIntervalMs"
>;

/** What the Socket.IO endpoint needs, and the bounds it keeps. */
export interface SocketIoOptions extends EngineLimits {
  readonly hub: Hub;
  readonly connections: Connections;
  readonly access: Access;
  /** Proxies that pass on the clients' addresses. */
  readonly trustProxy: number;
  /** Seconds from ping to ping. */
  readonly heartbeatS: number;
  readonly connectTimeoutMs: number;
  /** What every sid begins with. */
  readonly sidPrefix: string;
  /** Milliseconds that the body of a post may take. */
  readonly bodyTimeoutMs: number;
  readonly namespacesMax: number;
  readonly channelsPerSessionMax: number;
  /** Also how many subscriptions are remembered of clients that may come back. */
  readonly channelsMax: number;
}

/** Posts of the largest size that can be read at a time. */
export const LARGEST_POSTS = 64;

/** Answers Socket.IO: namespace `/` is everybody's, `/news` is the channel `news`. */
export class SocketIoEndpoint {
  readonly #hub: Hub;
  readonly #connections: Connections;
  readonly #engine: EngineServer;
  readonly #bodies: BodyReader;
  readonly #encoders = new Encoders();
  readonly #recoveries: Recoveries;
  readonly #clock: Clock;
  readonly #grants: HandshakeGrants;
  /** Commands of one client that wait at a time. */
  readonly #waitingMax: number;
  /** Channels that one client is on. */
  readonly #channelsMax: number;

  constructor(options: SocketIoOptions) {
    const { hub, connections, clock, pollingBytesMax, bodyTimeoutMs: timeoutMs } = options;
    this.#waitingMax = options.inboundPerSecondMax;
    this.#channelsMax = options.channelsPerSessionMax;
    this.#bodies = new BodyReader({
      clock,
      timeoutMs,
      bytesMax: LARGEST_POSTS * pollingBytesMax,
    });
    this.#hub = hub;
    this.#connections = connections;
    this.#clock = clock;
    this.#grants = new HandshakeGrants(options.access, clock);
    this.#recoveries = new Recoveries(options.channelsMax);
    const io = new SocketServer({
      clock,
      connectTimeoutMs: options.connectTimeoutMs,
      namespacesMax: options.namespacesMax,
      attachmentBytesMax: pollingBytesMax,
      accepts: (namespace) => namespace === "/" || isChannel(namespace.slice(1)),
      admit: (socket) => this.#admit(socket),
      onError: (error) => connections.failed(error),
      onLimit: (why, address) => connections.refused("over-limit", why, address),
    });
    this.#engine = new EngineServer({
      ...options,
      pingIntervalMs: options.heartbeatS * 1000,
      readBody: (request, bytesMax) => this.#bodies.read(request, bytesMax),
      isShared: (address) => isShared(address, options.trustProxy),
      admit: (address) => connections.admit(address),
      onConnection: (session) => io.attach(session),
    });
  }

  /** What clients take up now. */
  get stats(): { sessions: number; handshakes: number; bodyBytes: number } {
    const { size: sessions, handshakes } = this.#engine;
    return { sessions, handshakes, bodyBytes: this.#bodies.heldBytes };
  }

  /** Answers one request, whatever its method. */
  readonly handle: Handler = async (exchange) => {
    if (!exchange.query.has("sid")) await this.#grants.read(exchange);
    return await this.#engine.handle(exchange);
  };

  /** Ends every connection so that its client comes back, once it has what was for it. */
  endAll(): void {
    this.#engine.endAll();
  }

  /** Ends every connection at once. */
  close(): void {
    this.#engine.close();
    this.#bodies.close();
  }

  #admit(socket: ServerSocket): void | Promise<void> {
    const refuse = (error: unknown): never => {
      if (!(error instanceof Refusal)) throw error;
      this.#refused(error, socket);
      throw new ConnectError(error.message, { code: error.type });
    };
    try {
      const grant = this.#grants.find(socket.handshake);
      if (grant instanceof Grant) return this.#open(socket, grant);
      return grant.then((grant) => socket.ended ? undefined : this.#open(socket, grant))
        .catch(refuse);
    } catch (error) {
      refuse(error);
    }
  }

  #refused({ type, message }: Refusal, { handshake }: ServerSocket): void {
    this.#connections.refused(type, message, handshake.address);
  }

  /** Makes a session of a socket; what it returns resolves when the client has been let in. */
  #open(socket: ServerSocket, grant: Grant): void | Promise<void> {
    const { namespace, handshake } = socket;
    const withIds = socket.protocol === 5 && recovers(handshake);
    const recovery = withIds ? this.#recoveries.read(handshake) : undefined;
    const asked = namespace === "/"
      ? readSubscription(handshake.query, this.#clock.now())
      : { channels: [namespace.slice(1)], since: undefined };
    grant.checkReceive(asked.channels);
    const recovered = recovery?.channels?.filter((channel) => grant.mayReceive(channel)) ?? [];
    const channels = [...new Set([...asked.channels, ...recovered])];
    const since = recovery?.since ?? asked.since;
    this.#hub.checkSubscriptions(channels, handshake.address);
    // A client of protocol 4 looks for this in its first answer, and gets no data with it.
    if (socket.protocol === 4) socket.connect();

    const { promise, resolve } = Promise.withResolvers<void>();
    let pid = "";
    const transport = new SocketIoTransport(socket, this.#encoders.take(socket, withIds));
    const session = this.#hub.open(transport, peerOf(handshake.address, grant), channels, {
      since,
      onWelcome: ({ position, recovered }, { subscriptions }) => {
        const isRecovered = recovered === true && recovery?.channels !== undefined;
        if (isRecovered) socket.id = recovery.id;
        pid = isRecovered ? recovery.pid : newPid(position, socket.id);
        if (withIds) this.#recoveries.remember(pid, subscriptions);
        socket.connect(withIds ? { pid } : {});
        resolve();
      },
    });
    socket.onDisconnect((why) => {
      session.lost(why);
      this.#recoveries.left(pid, session.subscriptions);
      this.#encoders.giveBack(socket, withIds);
    });
    this.#serveCommands(socket, session, grant);
    return since === undefined ? undefined : promise;
  }

  #serveCommands(socket: ServerSocket, session: Session, grant: Grant): void {
    const waiting = new WaitingCommands(this.#waitingMax);
    const serve = (event: string, carryOut: (channels: string[]) => Promise<unknown>) => {
      socket.on(event, async (channels: unknown, ack: unknown) => {
        const reply = typeof ack === "function" ? ack as Ack : () => {};
        try {
          await waiting.run(() => carryOut(readChannels(channels, this.#channelsMax)));
          reply({ ok: true });
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          this.#refused(error, socket);
          reply({ ok: false, error: { code: error.type, message: error.message } });
        }
      });
    };
    serve("subscribe", (channels) => {
      readInput(() => channels.forEach(checkSubscription));
      grant.checkExpiry(this.#clock.now());
      grant.checkReceive(channels);
      return session.subscribe(channels);
    });
    serve("unsubscribe", (channels) => {
      readInput(() => channels.forEach(checkSubscription));
      this.#hub.checkCount(channels);
      return session.unsubscribe(channels);
    });
  }
}

/** The channels that a client names, once each; of too many as many as it takes to refuse them. */
function readChannels(given: unknown, channelsMax: number): string[] {
  const names = new Set<string>();
  for (const name of Array.isArray(given) ? given : [given]) {
    if (typeof name !== "string") {
      throw new Refusal("bad-request", "Expected a channel or a list of channels");
    }
    names.add(name);
    // `broadcast` is one more than the others.
    if (names.size > channelsMax + 1) break;
  }
  return [...names];
}

/** A session's frames as Socket.IO packets of one namespace. */
class SocketIoTransport implements Transport {
  readonly name = "socketio";
  readonly encoder: Encoder;
  readonly #socket: ServerSocket;

  constructor(socket: ServerSocket, encoder: Encoder) {
    this.#socket = socket;
    this.encoder = encoder;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes;
  }

  write(frame: Frame): void {
    if (typeof frame === "string" || frame instanceof Uint8Array) this.#socket.write(frame);
    else for (const part of frame) this.#socket.write(part);
  }

  // A client that gets a disconnect packet stays away; one whose connection closes comes back.
  close(reason: Disconnect): void {
    if (!invitesBack(reason)) this.#socket.disconnect();
    this.#socket.drop(reason);
  }
}

/** One encoder for each namespace, protocol and use of ids, so that all its clients share the bytes. */
class Encoders {
  readonly #encoders = new Map<string, { readonly encoder: Encoder; users: number }>();

  take(socket: ServerSocket, withIds: boolean): Encoder {
    const { namespace, protocol } = socket;
    let shared = this.#encoders.get(key(socket, withIds));
    if (shared === undefined) {
      shared = { encoder: socketioEncoder(namespace, protocol, withIds), users: 0 };
      this.#encoders.set(key(socket, withIds), shared);
    }
    shared.users++;
    return shared.encoder;
  }

  giveBack(socket: ServerSocket, withIds: boolean): void {
    const shared = this.#encoders.get(key(socket, withIds));
    if (shared !== undefined && --shared.users === 0) this.#encoders.delete(key(socket, withIds));
  }
}

function key({ namespace, protocol }: ServerSocket, withIds: boolean): string {
  return `${protocol}${withIds}${namespace}`;
}
