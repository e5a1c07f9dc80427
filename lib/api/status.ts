import type { Broker } from "../broker/broker.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { SharedMetrics } from "../cluster/shared_port.ts";
import type { ClusterView } from "../cluster/view.ts";
import { formatPosition } from "../core/publication.ts";
import type { Connections } from "../hub/connections.ts";
import type { Hub } from "../hub/hub.ts";
import type { HubSink } from "../hub/sink.ts";
import type { Access } from "../http/access.ts";
import { json, problem } from "../http/problem.ts";
import type { Handler } from "../http/router.ts";
import type { HarkMetrics, Use } from "../observe/hark_metrics.ts";

/** What reporting the state of a server and its cluster needs. */
export interface StatusOptions {
  readonly broker: Pick<Broker, "stats" | "position">;
  readonly hub: Hub;
  readonly connections: Pick<Connections, "taken">;
  readonly view: ClusterView;
  readonly metrics: HarkMetrics;
  readonly cluster: Cluster;
  /** Undefined where this process is alone on its port. */
  readonly shared: SharedMetrics | undefined;
  readonly access: Access;
  readonly isReady: () => boolean;
  readonly sink: Pick<HubSink, "obstacle">;
  /** What holds bodies, handshakes and sessions of Engine.IO. */
  readonly users: readonly { readonly use?: Use }[];
}

/** Answers about the state of a server and its cluster. */
export class StatusEndpoint {
  readonly #options: StatusOptions;

  constructor(options: StatusOptions) {
    this.#options = options;
    options.shared?.answer(() => this.#render());
  }

  /** `GET /count`: how many sessions there are. */
  readonly count: Handler = async () => {
    return Response.json({ count: await this.#options.view.count() });
  };

  /** `GET /healthz`: the process answers. */
  readonly health: Handler = () => json('{"status":"alive"}');

  /** `GET /readyz`: the server takes clients; with `?publish=1`, publications too. */
  readonly readiness: Handler = ({ query }) => {
    const { isReady, sink } = this.#options;
    if (!isReady()) return problem(503, "unavailable", "The server is stopping: use another");
    const why = query.get("publish") === "1" ? sink.obstacle : undefined;
    if (why !== undefined) return problem(503, "unavailable", `Publishing does not work: ${why}`);
    return json('{"status":"ready"}');
  };

  /** `GET /metrics`: in the text format of Prometheus. */
  readonly metrics: Handler = async (exchange) => {
    const { metrics, shared, access } = this.#options;
    await access.checkMetrics(exchange);
    const text = shared === undefined ? this.#render() : await shared.ofAll();
    return new Response(text, { headers: { "content-type": metrics.contentType } });
  };

  /**
   * `GET /nodes`: all nodes, the one that answers first; for holders of a key. `lag` is how many
   * publications a node is behind the one that has come furthest; of the others it is some seconds old.
   */
  readonly nodes: Handler = async (exchange) => {
    const { cluster, access, broker } = this.#options;
    (await access.identify(exchange)).checkManage();
    const end = Math.max(...cluster.nodes.map(({ offset }) => offset));
    const nodes = cluster.nodes.map(({ id, name, version, address, sessions, offset }) => {
      const position = formatPosition({ ...broker.position, offset });
      const lag = end - offset;
      return { id, name, version, address: address || undefined, sessions, position, lag };
    });
    return Response.json({ nodes });
  };

  #render(): string {
    this.#measure();
    return this.#options.metrics.render();
  }

  #measure(): void {
    const { broker, hub, connections, metrics, cluster, users, sink } = this.#options;
    const sumOf = (what: keyof Use) => users.reduce((sum, { use }) => sum + (use?.[what] ?? 0), 0);
    const { channels, publications, bytes, idempotencyKeys } = broker.stats();
    metrics.channels.set(Math.max(channels, hub.subscribers.channels));
    metrics.historyPublications.set(publications);
    metrics.historyBytes.set(bytes);
    metrics.watchedChannels.set(hub.presence.watched);
    metrics.journalUp.set(sink.obstacle === undefined ? 1 : 0);
    metrics.nodes.set(cluster.nodes.length);
    metrics.feedLag.set(cluster.lag);
    metrics.feedLagSeconds.set(cluster.lagMs / 1000);
    metrics.inUse.with("connections_max").set(connections.taken);
    metrics.inUse.with("handshakes_max").set(sumOf("newcomers"));
    metrics.inUse.with("idempotency_keys_max").set(idempotencyKeys);
    metrics.engineioSessions.set(sumOf("engineSessions"));
    metrics.bodyBytes.set(sumOf("bodyBytes"));
  }
}
