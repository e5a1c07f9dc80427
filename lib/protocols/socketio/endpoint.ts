import type { Cluster } from "../../cluster/cluster.ts";
import type { StoredRecords } from "../../broker/journal.ts";
import { isShared } from "../../core/address.ts";
import { checkSubscription, isChannel } from "../../core/channel.ts";
import type { Clock } from "../../core/clock.ts";
import { readInput, Refusal } from "../../core/errors.ts";
import { Grant } from "../../core/grant.ts";
import type { Hub } from "../../hub/hub.ts";
import { peerOf } from "../../hub/peer.ts";
import type { Session } from "../../hub/session.ts";
import { WaitingCommands } from "../../hub/waiting.ts";
import { type Ack, ConnectError, type ServerSocket, SocketServer } from "./server.ts";
import type { Connections } from "../../hub/connections.ts";
import { EngineServer, type EngineServerOptions } from "../engineio/server.ts";
import type { Access } from "../../http/access.ts";
import { BodyReader } from "../../http/body.ts";
import { UNREAD } from "./decoder.ts";
import { HandshakeGrants } from "./handshakes.ts";
import { PeerCopies, StoredCopies } from "./copies.ts";
import { newPid, Recoveries } from "./recoveries.ts";
import { recovers } from "./recovers.ts";
import { Encoders, SocketIoTransport } from "./transport.ts";
import type { Handler, Route } from "../../http/router.ts";
import type { Protocol, ProtocolUse } from "../protocol.ts";
import { routesOf } from "./routes.ts";
import { readSubscription } from "../../http/subscription.ts";

type EngineLimits = Omit<
  EngineServerOptions,
  `on${string}` | "admit" | "readBody" | "isShared" | "pingIntervalMs"
>;

/** What the Socket.IO endpoint needs, and the bounds it keeps. */
export interface SocketIoOptions extends EngineLimits {
  /** Whether it is served. */
  readonly socketio: boolean;
  /** Where, with a slash at its end. */
  readonly socketioPath: string;
  readonly hub: Hub;
  readonly connections: Connections;
  readonly access: Access;
  readonly cluster: Cluster;
  /** Outlives this process; undefined where nothing does. */
  readonly records: StoredRecords | undefined;
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
  /** Characters of the JSON of an event that is read. */
  readonly inboundBytesMax: number;
  /** Also how many subscriptions are remembered of clients that may come back. */
  readonly channelsMax: number;
}

/** Posts of the largest size that can be read at a time. */
export const LARGEST_POSTS = 64;

/** Answers Socket.IO: namespace `/` is everybody's, `/news` is the channel `news`. */
export class SocketIoEndpoint implements Protocol {
  readonly routes: readonly Route[];
  readonly #hub: Hub;
  readonly #connections: Connections;
  readonly #engine: EngineServer;
  readonly #bodies: BodyReader;
  readonly #encoders = new Encoders();
  readonly #recoveries: Recoveries;
  readonly #copies: readonly (PeerCopies | StoredCopies)[];
  readonly #clock: Clock;
  readonly #grants: HandshakeGrants;
  /** Commands of one client that wait at a time. */
  readonly #waitingMax: number;
  /** Channels that one client is on. */
  readonly #channelsMax: number;

  constructor(options: SocketIoOptions) {
    const { hub, connections, clock, pollingBytesMax, bodyTimeoutMs: timeoutMs } = options;
    this.routes = options.socketio ? routesOf(options.socketioPath, this.#handle) : [];
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
    const { channelsMax: subscriptionsMax, cluster, records } = options;
    const stored = records === undefined ? [] : [new StoredCopies(records)];
    const copies = this.#copies = [new PeerCopies(cluster), ...stored];
    this.#recoveries = new Recoveries({ clock, subscriptionsMax, copies });
    const io = new SocketServer({
      clock,
      connectTimeoutMs: options.connectTimeoutMs,
      namespacesMax: options.namespacesMax,
      attachmentBytesMax: pollingBytesMax,
      jsonCharsMax: options.inboundBytesMax,
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

  /** Remembers the clients of an earlier run, and of other nodes. Called once the log is open. */
  start(): void {
    for (const copies of this.#copies) copies.start(this.#recoveries);
  }

  get use(): ProtocolUse {
    const { size: engineSessions, handshakes } = this.#engine;
    return { engineSessions, handshakes, bodyBytes: this.#bodies.heldBytes };
  }

  /** Answers one request, whatever its method. */
  readonly #handle: Handler = async (exchange) => {
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
    const recovery = withIds ? this.#recoveries.read(handshake, grant.user) : undefined;
    const asked = namespace === "/"
      ? readSubscription(handshake.query, this.#clock.now())
      : { channels: [namespace.slice(1)], since: undefined };
    grant.checkReceive(asked.channels);
    const recovered = recovery?.record?.channels.filter((channel) => grant.mayReceive(channel)) ??
      [];
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
        const record = recovered === true ? recovery?.record : undefined;
        if (record !== undefined) socket.id = record.id;
        pid = record?.pid ?? newPid(position);
        const { id } = socket;
        if (withIds) this.#recoveries.remember({ pid, id, user: grant.user, subscriptions });
        socket.connect(withIds ? { pid } : {});
        resolve();
      },
    });
    socket.onDisconnect((why) => {
      session.lost(why);
      this.#recoveries.left(pid, session.subscriptions);
      this.#encoders.giveBack(socket, withIds);
    });
    this.#serveCommands(socket, session, grant, () => this.#recoveries.changed(pid));
    return since === undefined ? undefined : promise;
  }

  #serveCommands(
    socket: ServerSocket,
    session: Session,
    grant: Grant,
    onChanged: () => Promise<void> | undefined,
  ): void {
    const waiting = new WaitingCommands(this.#waitingMax);
    const serve = (event: string, carryOut: (channels: string[]) => Promise<unknown>) => {
      socket.on(event, async (channels: unknown, ack: unknown) => {
        const reply = typeof ack === "function" ? ack as Ack : () => {};
        try {
          await waiting.run(async () => {
            if (channels === UNREAD) throw TOO_LARGE;
            await carryOut(readChannels(channels, this.#channelsMax));
            await onChanged();
          });
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

const TOO_LARGE = new Refusal(
  "too-large",
  "Cannot take more characters of channels than inbound-bytes-max: name fewer at a time",
);

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
