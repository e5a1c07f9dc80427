import { ChannelsEndpoint } from "./api/channels.ts";
import { PublishEndpoint } from "./api/publish.ts";
import { SessionsEndpoint } from "./api/sessions.ts";
import { StatusEndpoint } from "./api/status.ts";
import { Tokens } from "./auth/tokens.ts";
import type { Bounds } from "./bounds.ts";
import type { Broker } from "./broker/broker.ts";
import { journalOf } from "./broker/journals.ts";
import { LogBroker } from "./broker/log_broker.ts";
import { Publisher } from "./broker/publisher.ts";
import { Cluster, noPeers } from "./cluster/cluster.ts";
import { Occupancy } from "./cluster/occupancy.ts";
import type { SharedPort } from "./cluster/shared_port.ts";
import { ClusterView } from "./cluster/view.ts";
import type { Config } from "./config/config.ts";
import { isOpenServer, takesTokens } from "./config/values.ts";
import { pusherAppsOf } from "./config/pusher_app.ts";
import { isShared } from "./core/address.ts";
import { type Guard, guardOf } from "./core/channel.ts";
import type { Clock } from "./core/clock.ts";
import { randomId } from "./core/random.ts";
import { Forwarding } from "./forwarding.ts";
import { Access } from "./http/access.ts";
import { Origins } from "./http/origin.ts";
import { Pipeline } from "./http/pipeline.ts";
import { Admission } from "./hub/admission.ts";
import { Batching } from "./hub/batching.ts";
import { Connections } from "./hub/connections.ts";
import { Hub } from "./hub/hub.ts";
import { HubSink } from "./hub/sink.ts";
import { HarkMetrics } from "./observe/hark_metrics.ts";
import type { Log } from "./observe/log.ts";
import { readMemory } from "./observe/process.ts";
import type { Protocol } from "./protocols/protocol.ts";
import { SocketIoEndpoint } from "./protocols/socketio/endpoint.ts";
import { EventsEndpoint } from "./protocols/sse/endpoint.ts";
import { SocketEndpoint, WS_PATH } from "./protocols/websocket/endpoint.ts";
import { Handshakes } from "./protocols/websocket/socket.ts";
import { routerOf } from "./routes.ts";

/** What a node is wired from. */
export interface WiringOptions {
  readonly config: Config & Bounds;
  readonly log: Log;
  readonly clock: Clock;
  readonly version: string;
  readonly shared: SharedPort | undefined;
  /** Reports whether the node accepts clients. */
  readonly isReady: () => boolean;
  /** Answers a request that another node has forwarded. */
  readonly handle: (request: Request, address: string) => Promise<Response>;
}

/** The parts of a node that its server opens, uses and closes. */
export interface Parts {
  readonly metrics: HarkMetrics;
  readonly broker: Broker;
  readonly sink: HubSink;
  readonly hub: Hub;
  readonly connections: Connections;
  readonly cluster: Cluster;
  /** Undefined if nodes do not forward requests to each other. */
  readonly forwarding: Forwarding | undefined;
  /** Undefined if the server accepts no tokens. */
  readonly tokens: Tokens | undefined;
  readonly protocols: readonly Protocol[];
  readonly publish: PublishEndpoint;
  readonly pipeline: Pipeline;
}

/**
 * Makes the parts of a node and connects them: first what every protocol and endpoint needs, then these.
 * Code that an option asks for is loaded only then. Nothing listens, and the log is not opened yet; a timer
 * runs and an HTTP client waits until the protocols and the forwarding are closed.
 */
export async function wire(options: WiringOptions): Promise<Parts> {
  const services = await wireServices(options);
  return { ...services, ...await wireEndpoints(options, services) };
}

/** Makes the log, and the one way into it. */
async function wireLog({ config, clock, log, version, shared }: WiringOptions) {
  const metrics = new HarkMetrics({ version, memory: readMemory });
  const journal = shared?.journal ?? await journalOf(config, clock, log, metrics);
  const broker = new LogBroker({ ...config, clock, journal, metrics });
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
  return { metrics, journal, broker, publisher };
}

/** Makes what protocols and endpoints need. */
async function wireServices(options: WiringOptions) {
  const { config, clock, log, version, shared, handle } = options;
  const { metrics, journal, broker, publisher } = await wireLog(options);
  const apps = pusherAppsOf(config.pusherApp);
  const isGuarded = guardOf(apps.map(({ prefix }) => prefix));
  const admit = shared?.admit ?? new Admission(clock, config).admit;
  const connections = new Connections(clock, admit, log, metrics);
  const hub: Hub = new Hub({
    ...config,
    broker,
    clock,
    greeting: config.welcome,
    isGuarded,
    isShared: (address) => isShared(address, config.trustProxy),
    deliveries: metrics.deliveries,
    deliveredBytes: metrics.deliveredBytes,
    onWatch: (channel, isWatched) => cluster.watched(channel, isWatched),
    onOpen: (session) => connections.opened(session),
    onLeave: (session, why) => connections.left(session, why),
    onError: (error) => log.error("history failed", { error: String(error) }),
  });
  const sink = new HubSink({ hub, clock, log, fanoutSeconds: metrics.fanoutSeconds });
  const name = config.node || randomId().slice(0, 8);
  const cluster: Cluster = new Cluster({
    clock,
    peers: journal.peers ?? noPeers(),
    state: () => ({
      name,
      version,
      address: forwarding?.address ?? "",
      sessions: hub.size,
      offset: broker.position.offset,
    }),
    presence: hub,
    onError: (error) => log.error("message of another node failed", { error: String(error) }),
  });
  const forwarding = config.advertise === ""
    ? undefined
    : new Forwarding({ config, clock, cluster, log, metrics, shared, handle });
  return {
    ...config,
    ...wireAccess(config, clock, log, isGuarded),
    clock,
    log,
    metrics,
    broker,
    records: journal.records,
    publisher,
    hub,
    sink,
    connections,
    cluster,
    view: new ClusterView(cluster, hub),
    occupancy: new Occupancy(hub, cluster),
    forwarding,
    apps,
  };
}

/** Makes the parts that decide who may do what. */
function wireAccess(config: Config, clock: Clock, log: Log, isGuarded: Guard) {
  const isOpen = isOpenServer(config);
  const onFailure = (why: string) => log.warn("keys failed", { why });
  const tokens = takesTokens(config) ? new Tokens({ ...config, clock, onFailure }) : undefined;
  const originPolicy = new Origins({ ...config, isOpen });
  const access = new Access({ ...config, tokens, originPolicy, isOpen, isGuarded });
  return { tokens, originPolicy, access };
}

/** Makes protocols and endpoints, and what leads requests to them. */
async function wireEndpoints(
  options: WiringOptions,
  services: Awaited<ReturnType<typeof wireServices>>,
) {
  const { config, clock, log, version, shared, isReady } = options;
  const { metrics, forwarding, access, originPolicy, connections } = services;
  const late = metrics.rejected.with("handshake-timeout");
  const socketServices = {
    ...services,
    handshakes: new Handshakes(clock, config.handshakeTimeoutMs, () => late.inc()),
    batching: new Batching(clock),
    sidPrefix: (shared?.sidPrefix ?? "") + (forwarding?.sidPrefix ?? ""),
  };
  const protocols: Protocol[] = [
    new SocketEndpoint(socketServices),
    new EventsEndpoint(socketServices),
    new SocketIoEndpoint(socketServices),
  ];
  if (services.apps.length > 0) {
    const { Pusher } = await import("./protocols/pusher/pusher.ts");
    protocols.push(new Pusher(socketServices));
  }
  const publish = new PublishEndpoint(services);
  const endpoints = {
    publish,
    channels: new ChannelsEndpoint(services),
    sessions: new SessionsEndpoint(services),
    status: new StatusEndpoint({
      ...services,
      shared: shared?.metrics,
      isReady,
      users: [publish, ...protocols],
    }),
  };
  const pipeline = new Pipeline({
    originPolicy,
    connections,
    log,
    router: routerOf(endpoints, protocols, { version, access }),
    proxies: config,
    socketPath: WS_PATH,
  });
  return { protocols, publish, pipeline };
}
