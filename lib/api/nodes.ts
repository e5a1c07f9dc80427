import type { Cluster } from "../cluster/cluster.ts";
import { type Access, callerOf } from "../http/access.ts";
import { json } from "../http/problem.ts";
import type { Handler } from "../http/router.ts";

/** What listing nodes needs. */
export interface NodesOptions {
  readonly cluster: Cluster;
  readonly access: Access;
  /** The id of a position in this node's log. */
  readonly idOf: (offset: number) => string;
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
    const { cluster, access, idOf } = this.#options;
    (await access.identify(callerOf(exchange))).checkManage();
    const end = Math.max(...cluster.nodes.map(({ offset }) => offset));
    const nodes = cluster.nodes.map(({ id, name, version, address, sessions, offset }) => {
      const place = address === "" ? {} : { address };
      return { id, name, version, ...place, sessions, position: idOf(offset), lag: end - offset };
    });
    return json(JSON.stringify({ nodes }));
  };
}
