import { BOUNDS, type Bounds } from "./bounds.ts";
import type { Tokens } from "./auth/tokens.ts";
import { isShared } from "./core/address.ts";
import type { Config } from "./config/config.ts";
import { openLog } from "./config/configure.ts";
import { pusherAppsOf } from "./config/pusher_app.ts";
import { guardOf } from "./core/channel.ts";
import { type Clock, every, systemClock, type Timer, wait, within } from "./core/clock.ts";
import type { Broker } from "./broker/broker.ts";
import { journalOf } from "./broker/journals.ts";
import { LogBroker } from "./broker/log_broker.ts";
import { Cluster, noPeers } from "./cluster/cluster.ts";
import type { NodeState } from "./cluster/membership.ts";
import { ClusterView } from "./cluster/view.ts";
import { randomId } from "./core/random.ts";
import { formatPosition } from "./core/publication.ts";
import { makeGate, startTokens } from "./gate.ts";
import { Hub } from "./hub/hub.ts";
import { HubSink } from "./hub/sink.ts";
import { Publisher } from "./broker/publisher.ts";
import { Batching } from "./hub/batching.ts";
import { ChannelsEndpoint } from "./api/channels.ts";
import { EventsEndpoint } from "./protocols/sse/endpoint.ts";
import { NodesEndpoint } from "./api/nodes.ts";
import { StatusEndpoint, type Use } from "./api/status.ts";
import { PublishEndpoint } from "./api/publish.ts";
import { Pipeline } from "./http/pipeline.ts";
import { SessionsEndpoint } from "./api/sessions.ts";
import type { Protocol, ProtocolUse } from "./protocols/protocol.ts";
import { SocketEndpoint, WS_PATH } from "./protocols/websocket/endpoint.ts";
import { Pusher } from "./protocols/pusher/pusher.ts";
import { SocketIoEndpoint } from "./protocols/socketio/endpoint.ts";
import { listen, type Listener } from "./net/listener.ts";
import type { Log } from "./observe/log.ts";
import { probeLoop, readMemory } from "./observe/process.ts";
import { HarkMetrics } from "./observe/hark_metrics.ts";
import { type Renewable, renewAll } from "./net/renewal.ts";
import { routerOf } from "./routes.ts";
import { makeForwarding } from "./forwarding.ts";
import type { Forwarding } from "./net/forwarding.ts";
import type { Shared } from "./shared.ts";
import { VERSION } from "./version.ts";
import { Admission } from "./hub/admission.ts";
import { Connections } from "./hub/connections.ts";
import { isUpgrade } from "./http/upgrade.ts";
import { Handshakes } from "./protocols/websocket/socket.ts";

/** What a server is made of; everything it needs from outside is passed in. */
export interface ServerOptions {
  readonly config: Config;
  /** By default the console, as the options say. */
  readonly log?: Log;
  readonly version?: string;
  readonly clock?: Clock;
  /** By default `BOUNDS`; for tests. */
  readonly bounds?: Partial<Bounds>;
  /** What it has in common with other processes; by default it is alone on its port. */
  readonly shared?: Shared;
}

const EXPIRY_CHECK_MS = 1000;
/** How long a client may take to answer that it leaves, or to read its last answer. */
const LEAVE_MS = 2000;

/** One node: the broker, the hub, and every endpoint. */
export class Server {
  readonly #config: Config & Bounds;
  /** As lists of nodes have it. */
  readonly #name: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics: HarkMetrics;
  readonly #broker: Broker;
  readonly #hub: Hub;
  readonly #sink: HubSink;
  readonly #cluster: Cluster;
  readonly #connections: Connections;
  /** Undefined if the server takes none. */
  readonly #tokens: Tokens | undefined;
  readonly #publish: PublishEndpoint;
  readonly #protocols: readonly Protocol[];
  readonly #pipeline: Pipeline;
  readonly #shared: Shared | undefined;
  readonly #forwarding: Forwarding | undefined;
  readonly #loopProbe: Timer;
  readonly #expiryCheck: Timer | undefined;
  #listener: Listener | undefined;
  #draining = false;

  constructor(options: ServerOptions) {
    const { log = openLog(options.config), version = VERSION, clock = systemClock } = options;
    const shared = this.#shared = options.shared;
    const config = this.#config = { ...options.config, ...BOUNDS, ...options.bounds };
    this.#log = log;
    this.#clock = clock;
    this.#name = config.node || randomId().slice(0, 8);
    const metrics = this.#metrics = new HarkMetrics({ version, memory: readMemory });
    const journal = shared?.journal ?? journalOf(config, clock, log, metrics);
    const broker = this.#broker = new LogBroker({ ...config, clock, journal, metrics });
    const admit = shared?.admit ?? new Admission(clock, config).admit;
    const apps = pusherAppsOf(config.pusherApp);
    const isGuarded = guardOf(apps.map(({ prefix }) => prefix));
    const connections = this.#connections = new Connections(clock, admit, log, metrics);
    const hub = this.#hub = new Hub({
      ...config,
      broker,
      clock,
      greeting: config.welcome,
      isGuarded,
      isShared: (address) => isShared(address, config.trustProxy),
      deliveries: metrics.deliveries,
      deliveredBytes: metrics.deliveredBytes,
      onWatch: (channel, isWatched) => this.#cluster.watched(channel, isWatched),
      onOpen: (session) => connections.opened(session),
      onLeave: (session, why) => connections.left(session, why),
      onError: (error) => log.error("history failed", { error: String(error) }),
    });
    const { fanoutSeconds } = metrics;
    const sink = this.#sink = new HubSink({ hub, clock, log, fanoutSeconds });
    const cluster = this.#cluster = new Cluster({
      clock,
      peers: journal.peers ?? noPeers(),
      state: () => this.#state(version),
      presence: hub,
      onError: (error) => log.error("message of another node failed", { error: String(error) }),
    });
    const view = new ClusterView(cluster, hub);
    const { tokens, origins, access } = makeGate(config, clock, log, isGuarded);
    this.#tokens = tokens;
    const publisher = new Publisher({
      ...config,
      broker,
      clock,
      log,
      onPublished(seconds, count) {
        metrics.publishSeconds.observe(seconds);
        metrics.publications.add(count);
      },
    });
    this.#publish = new PublishEndpoint({ ...config, clock, publisher, access });
    const late = metrics.rejected.with("handshake-timeout");
    const handshakes = new Handshakes(clock, config.handshakeTimeoutMs, () => late.inc());
    const batching = new Batching(clock);
    const forwarding = this.#forwarding = makeForwarding(config, {
      ...{ clock, cluster, log, metrics },
      shared,
      handle: (request, address) => this.handle(request, address, true),
    });
    const sidPrefix = (shared?.sidPrefix ?? "") + (forwarding?.sidPrefix ?? "");
    const { records } = journal;
    const services = {
      ...{ ...config, clock, log, broker, publisher, records, hub, view, cluster, connections },
      ...{ access, handshakes, batching, sidPrefix, apps, metrics },
    };
    const protocols: readonly Protocol[] = this.#protocols = [
      new SocketEndpoint(services),
      new EventsEndpoint(services),
      new SocketIoEndpoint(services),
      new Pusher(services),
    ];
    const endpoints = {
      publish: this.#publish,
      channels: new ChannelsEndpoint({ ...config, broker, clock, view, access }),
      sessions: new SessionsEndpoint({ view, access }),
      nodes: new NodesEndpoint({
        cluster,
        access,
        idOf: (offset) => formatPosition({ ...broker.position, offset }),
      }),
      status: new StatusEndpoint({
        broker,
        hub,
        view,
        metrics,
        cluster,
        shared: shared?.metrics,
        access,
        isReady: () => this.isReady,
        obstacle: () => sink.obstacle,
        use: () => this.#use(),
      }),
    };
    this.#pipeline = new Pipeline({
      router: routerOf(endpoints, protocols, { version, access }),
      origins,
      connections,
      log,
      forwarding: config,
      pathOf: (path, request) => path === "/" && isUpgrade(request) ? WS_PATH : path,
    });
    this.#loopProbe = probeLoop(clock, (delayS) => metrics.eventLoopDelaySeconds.set(delayS));
    this.#expiryCheck = tokens && every(clock, EXPIRY_CHECK_MS, () => this.#hub.endExpired());
  }

  /**
   * Starts to listen, and returns where. Throws a `ListenError` if the address cannot be had, a
   * `StoreError` if the store cannot be used, and a `ConfigError` if another file that an option names
   * is not as it should be.
   */
  async listen(): Promise<Pick<Listener, "url" | "port">> {
    await startTokens(this.#tokens);
    await this.#broker.start(this.#sink);
    for (const protocol of this.#protocols) protocol.start?.();
    this.#forwarding?.listen();
    this.#cluster.start();
    return this.#listener = await listen({
      config: this.#config,
      clock: this.#clock,
      reusePort: this.#shared !== undefined,
      handle: (...came) =>
        this.#forwarding?.relay(...came) ?? this.#shared?.relay(...came) ?? this.handle(...came),
      onError: ({ message }, address) => {
        this.#metrics.rejected.with("connection-failed").inc();
        this.#log.debug("connection failed", { address, error: message }, address);
      },
      onRefused: (address) => {
        this.#connections.refused("over-limit", "too many connections", address);
      },
      onFailure: (error) => this.#cannotListen(error),
      onMissing: (address, why) => this.#log.info("localhost lacks one", { address, why }),
    });
  }

  /** Answers a request that has come by another way than the port; `isSentOn` if by another node. */
  handle(request: Request, address: string, isSentOn = false): Promise<Response> {
    return this.#pipeline.handle(request, address, isSentOn);
  }

  /**
   * Reads again what may have changed in files: the certificate with its key, and the keys of tokens.
   * Sessions stay. What cannot be used is logged, and stays what it was.
   */
  async renew(): Promise<void> {
    const listener = this.#listener;
    const tokens = this.#tokens;
    const renewables: Renewable[] = [];
    if (listener?.renewCertificate !== undefined) {
      renewables.push({ what: "certificate", renew: () => listener.renewCertificate?.() });
    }
    if (tokens?.areInFile) renewables.push({ what: "token keys", renew: () => tokens.renew() });
    await renewAll(renewables, this.#log);
  }

  /** Ready for more clients: listening, and not stopping. */
  get isReady(): boolean {
    return this.#listener !== undefined && !this.#draining;
  }

  /**
   * Stops: takes no new connection, sends the clients away spread over `drainS` seconds, delivers
   * what was accepted, and releases everything. Resolves when all is done.
   */
  async stop(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    this.#connections.stopAdmitting();
    await this.#hub.drain(this.#config.drainS * 1000, !this.#cluster.isAlone);
    for (const protocol of this.#protocols) protocol.endAll?.();
    await this.#connections.gone(LEAVE_MS, () => this.#hub.size);
    for (const timer of [this.#loopProbe, this.#expiryCheck]) timer?.cancel();
    const ends = [this.#hub, ...this.#protocols, this.#tokens, this.#publish];
    for (const each of ends) each?.close?.();
    await this.#shutdown();
    await Promise.all(this.#protocols.map((protocol) => protocol.flush?.()));
    this.#cluster.stop(); // Only now: until here the others count its sessions.
    await this.#broker.close();
  }

  /** The process has no descriptor left: every client that is there stays, and others have to wait. */
  #cannotListen({ message }: Error): void {
    this.#metrics.rejected.with("cannot-listen").inc();
    this.#log.warn("cannot listen for a moment", { error: message }, this.#config.host);
  }

  /** Stops listening. A client that does not read its answer is not waited for long. */
  async #shutdown(): Promise<void> {
    await wait(this.#clock, 1); // Shutting down overtakes what was written in this turn.
    const closed = Promise.all([this.#listener?.close(), this.#forwarding?.close()]);
    await within(this.#clock, LEAVE_MS, closed);
  }

  #state(version: string): NodeState {
    const { offset } = this.#broker.position;
    const address = this.#forwarding?.address ?? "";
    return { name: this.#name, version, address, sessions: this.#hub.size, offset };
  }

  #use(): Use {
    const sumOf = (what: keyof ProtocolUse) =>
      this.#protocols.reduce((sum, { use }) => sum + (use?.[what] ?? 0), 0);
    return {
      connections: this.#connections.taken,
      handshakes: sumOf("handshakes"),
      engineSessions: sumOf("engineSessions"),
      bodyBytes: this.#publish.bodyBytes + sumOf("bodyBytes"),
    };
  }
}
