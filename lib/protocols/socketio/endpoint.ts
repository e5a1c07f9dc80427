import type { Cluster } from "../../cluster/cluster.ts";
import type { StoredRecords } from "../../broker/journal.ts";
import { isShared } from "../../core/address.ts";
import { isChannel } from "../../core/channel.ts";
import { Grant } from "../../core/grant.ts";
import type { Hub } from "../../hub/hub.ts";
import { peerOf } from "../../hub/peer.ts";
import { Commands } from "./commands.ts";
import { SocketServer } from "./server.ts";
import type { ServerSocket } from "./socket.ts";
import type { Connections } from "../../hub/connections.ts";
import { EngineServer, type EngineServerOptions } from "../engineio/server.ts";
import type { Access } from "../../http/access.ts";
import { BodyReader } from "../../http/body.ts";
import { JoinGrants } from "./grants.ts";
import { PeerCopies, StoredCopies } from "./copies.ts";
import { newPid, Recoveries, type Recovery } from "./recoveries.ts";
import { canRecover } from "./can_recover.ts";
import { Encoders, SocketIoTransport } from "./transport.ts";
import type { Handler, Route } from "../../http/router.ts";
import type { Use } from "../../observe/hark_metrics.ts";
import type { Protocol } from "../protocol.ts";
import { routesOf } from "./routes.ts";
import { readSubscription, type Subscription } from "../../http/subscription.ts";

type EngineLimits = Omit<
  EngineServerOptions,
  `on${string}` | "admit" | "readBody" | "isShared" | "pingIntervalMs"
>;

/** The needs and bounds of the Socket.IO endpoint. */
export interface SocketIoOptions extends EngineLimits {
  /** Whether Socket.IO is served. */
  readonly socketio: boolean;
  /** The path where it is served, with a slash at its end. */
  readonly socketioPath: string;
  readonly hub: Hub;
  readonly connections: Connections;
  readonly access: Access;
  readonly cluster: Cluster;
  /** The store of records that outlives this process; undefined if there is none. */
  readonly records: StoredRecords | undefined;
  /** Proxies that pass on the clients' addresses. */
  readonly trustProxy: number;
  /** Seconds from ping to ping. */
  readonly heartbeatS: number;
  readonly connectTimeoutMs: number;
  /** The beginning of every sid. */
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

/** How many posts of the largest size can be read at a time. */
export const LARGEST_POSTS = 64;

/** Answers Socket.IO: every client can join the namespace `/`, and `/news` is the channel `news`. */
export class SocketIoEndpoint implements Protocol {
  readonly routes: readonly Route[];
  readonly #options: SocketIoOptions;
  readonly #engine: EngineServer;
  readonly #bodies: BodyReader;
  readonly #encoders = new Encoders();
  readonly #recoveries: Recoveries;
  readonly #copies: readonly (PeerCopies | StoredCopies)[];
  readonly #grants: JoinGrants;

  constructor(options: SocketIoOptions) {
    const { connections, cluster, clock, pollingBytesMax, bodyTimeoutMs: timeoutMs } = options;
    this.#options = options;
    this.routes = options.socketio ? routesOf(options.socketioPath, this.#handle) : [];
    const bytesMax = LARGEST_POSTS * pollingBytesMax;
    this.#bodies = new BodyReader({ clock, timeoutMs, bytesMax });
    this.#grants = new JoinGrants(options.access, clock);
    const stored = options.records === undefined ? [] : [new StoredCopies(options.records)];
    const copies = this.#copies = [new PeerCopies(cluster), ...stored];
    this.#recoveries = new Recoveries({ clock, subscriptionsMax: options.channelsMax, copies });
    const io = new SocketServer({
      ...options,
      attachmentBytesMax: pollingBytesMax,
      jsonCharsMax: options.inboundBytesMax,
      accepts: (namespace) => namespace === "/" || isChannel(namespace.slice(1)),
      admit: (socket) => this.#admit(socket),
      onError: (error, address) => connections.failed(error, address),
      onRefused: (...refusal) => connections.refused(...refusal),
    });
    this.#engine = new EngineServer({
      ...options,
      pingIntervalMs: options.heartbeatS * 1000,
      readBody: (request) => this.#bodies.read(request, pollingBytesMax),
      isShared: (address) => isShared(address, options.trustProxy),
      admit: (address) => connections.admit(address),
      onConnection: (session) => io.attach(session),
    });
  }

  /** Loads the records of an earlier run, and begins to take those of other nodes. */
  start(): void {
    for (const copies of this.#copies) copies.start(this.#recoveries);
  }

  get use(): Use {
    const { size: engineSessions, newcomers } = this.#engine;
    return { engineSessions, newcomers, bodyBytes: this.#bodies.heldBytes };
  }

  /** Answers one request of any method. */
  readonly #handle: Handler = async (exchange) => {
    if (!exchange.query.has("sid")) await this.#grants.read(exchange);
    return await this.#engine.handle(exchange);
  };

  /** Sends each client what is left for it, and ends its connection in a way that lets it come back. */
  endAll(): void {
    this.#engine.endAll();
  }

  /** Ends every connection at once. */
  close(): void {
    this.#engine.close();
    this.#bodies.close();
  }

  /** Admits a socket, at once if the grant of its client is known. */
  #admit(socket: ServerSocket): void | Promise<void> {
    const grant = this.#grants.find(socket.request);
    if (grant instanceof Grant) return this.#open(socket, grant);
    return grant.then((grant) => socket.ended ? undefined : this.#open(socket, grant));
  }

  /** Makes a session of a socket. What it returns resolves once the client has joined. */
  #open(socket: ServerSocket, grant: Grant): void | Promise<void> {
    const { hub, connections, clock, inboundPerSecondMax, channelsPerSessionMax } = this.#options;
    const { protocol, request } = socket;
    const withIds = protocol === 5 && canRecover(request);
    const recovery = withIds ? this.#recoveries.read(request.auth, grant.user) : undefined;
    const { channels, since } = this.#readSubscription(socket, grant, recovery);
    hub.subscribers.check(channels, request.address);
    // A client of protocol 4 expects this in its first answer, and gets no data with it.
    if (protocol === 4) socket.connect();

    const { promise, resolve } = Promise.withResolvers<void>();
    let pid = "";
    const transport = new SocketIoTransport(socket, this.#encoders.take(socket, withIds));
    const session = hub.open(transport, peerOf(request.address, grant), channels, {
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
    const commands = new Commands({
      clock,
      hub,
      socket,
      session,
      grant,
      channelsPerSessionMax,
      waitingMax: inboundPerSecondMax,
      onChanged: () => this.#recoveries.changed(pid),
      onRefused: ({ type, message }) => connections.refused(type, message, request.address),
    });
    socket.onEvent((event) => commands.receive(event));
    return since === undefined ? undefined : promise;
  }

  /** The channels that a socket asks for, and those that its client had before and may still receive. */
  #readSubscription(
    { namespace, request }: ServerSocket,
    grant: Grant,
    recovery: Recovery | undefined,
  ): Pick<Subscription, "channels" | "since"> {
    const { channels, since } = namespace === "/"
      ? readSubscription(request.query, this.#options.clock.now())
      : { channels: [namespace.slice(1)], since: undefined };
    grant.checkReceive(channels);
    const before = recovery?.record?.channels ?? [];
    const recovered = before.filter((channel) => grant.mayReceive(channel));
    return {
      channels: [...new Set([...channels, ...recovered])],
      since: recovery?.since ?? since,
    };
  }
}
