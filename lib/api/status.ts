import type { Broker } from "../broker/broker.ts";
import type { ClusterView } from "../cluster/view.ts";
import type { Hub } from "../hub/hub.ts";
import { json, problem } from "../http/problem.ts";
import type { Handler } from "../http/router.ts";
import type { HarkMetrics } from "../observe/hark_metrics.ts";

/** How much of its bounds a server uses, besides what broker and hub know. */
export interface Use {
  /** Nodes that share the log. */
  readonly nodes: number;
  readonly connections: number;
  readonly handshakes: number;
  /** Sessions of Engine.IO. */
  readonly engineSessions: number;
  /** Of bodies that are being read. */
  readonly bodyBytes: number;
}

/** What reporting a server's state needs. */
export interface StatusOptions {
  readonly broker: Pick<Broker, "stats">;
  readonly hub: Hub;
  readonly view: ClusterView;
  readonly metrics: HarkMetrics;
  readonly isReady: () => boolean;
  /** Why nothing can be published now; undefined if it can. */
  readonly obstacle: () => string | undefined;
  readonly use: () => Use;
}

/** Reports how a server is. */
export class StatusEndpoint {
  readonly #options: StatusOptions;

  constructor(options: StatusOptions) {
    this.#options = options;
  }

  /** `GET /count`: how many sessions there are. */
  readonly count: Handler = async () => {
    return json(JSON.stringify({ count: await this.#options.view.count() }));
  };

  /** `GET /healthz`: the process answers. */
  readonly health: Handler = () => json('{"status":"alive"}');

  /** `GET /readyz`: it takes clients; with `?publish=1`, publications too. */
  readonly readiness: Handler = ({ query }) => {
    const { isReady, obstacle } = this.#options;
    if (!isReady()) return problem(503, "unavailable", "The server is stopping: use another");
    const why = query.get("publish") === "1" ? obstacle() : undefined;
    if (why !== undefined) return problem(503, "unavailable", `Publishing does not work: ${why}`);
    return json('{"status":"ready"}');
  };

  /** `GET /metrics`: in the text format of Prometheus. */
  readonly metrics: Handler = () => {
    this.#measure();
    const { metrics } = this.#options;
    return new Response(metrics.render(), { headers: { "content-type": metrics.contentType } });
  };

  #measure(): void {
    const { broker, hub, metrics, use, obstacle } = this.#options;
    const { channels, publications, bytes, idempotencyKeys } = broker.stats();
    metrics.channels.set(Math.max(channels, hub.channels));
    metrics.historyPublications.set(publications);
    metrics.historyBytes.set(bytes);
    metrics.watchedChannels.set(hub.watched);
    metrics.journalUp.set(obstacle() === undefined ? 1 : 0);
    const { nodes, connections, handshakes, engineSessions, bodyBytes } = use();
    metrics.nodes.set(nodes);
    metrics.inUse.with("connections_max").set(connections);
    metrics.inUse.with("handshakes_max").set(handshakes);
    metrics.inUse.with("idempotency_keys_max").set(idempotencyKeys);
    metrics.engineSessions.set(engineSessions);
    metrics.bodyBytes.set(bodyBytes);
  }
}
