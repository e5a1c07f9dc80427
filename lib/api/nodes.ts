import type { Broker } from "../broker/broker.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { formatPosition } from "../core/publication.ts";
import type { Access } from "../http/access.ts";
import { json } from "../http/problem.ts";
import type { Handler } from "../http/router.ts";

/** What listing nodes needs. */
export interface NodesOptions {
  readonly cluster: Cluster;
  readonly access: Access;
  readonly broker: Pick<Broker, "position">;
}

/** Lists the nodes of the cluster; for holders of a key. */
export class NodesEndpoint {
  readonly #options: NodesOptions;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  /**
   * `GET /nodes`: all nodes, the one that answers first. `lag` is how many publications a node is
   * behind the one that has come furthest; of the others it is some seconds old.
   */
  readonly list: Handler = async (exchange) => {
    const { cluster, access, broker } = this.#options;
    (await access.identify(exchange)).checkManage();
    const end = Math.max(...cluster.nodes.map(({ offset }) => offset));
    const nodes = cluster.nodes.map(({ id, name, version, address, sessions, offset }) => {
      const place = address === "" ? {} : { address };
      const position = formatPosition({ ...broker.position, offset });
      return { id, name, version, ...place, sessions, position, lag: end - offset };
    });
    return json(JSON.stringify({ nodes }));
  };
}
