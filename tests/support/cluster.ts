import { freePort } from "./free_port.ts";
import { type RedisOptions, RedisServer } from "./redis.ts";
import { type ChildServer, startChild } from "./child.ts";

/** What a cluster is made of. */
export interface ClusterOptions {
  readonly nodes: number;
  readonly redis?: RedisOptions;
  /** Where nodes find Redis, if not at the server itself. */
  readonly urlOf?: (redis: RedisServer) => string | Promise<string>;
  readonly args?: readonly string[];
}

/** More than a test publishes. */
const ROOMY = ["--history-count", "1000000", "--history-bytes-max", "1000000000"];
const FAST = ["--publish-per-second-max", "1000000", "--drain-s", "0"];

/** A Redis, and nodes in processes of their own that share its log. */
export class Cluster implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly nodes: ChildServer[] = [];
  readonly #url: string;
  readonly #args: readonly string[];

  static async start(options: ClusterOptions): Promise<Cluster> {
    const { nodes, redis: redisOptions, urlOf = ({ url }) => url, args = [] } = options;
    const redis = await RedisServer.start(redisOptions);
    const cluster = new Cluster(redis, await urlOf(redis), args);
    try {
      for (let count = 0; count < nodes; count++) await cluster.addNode();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(redis: RedisServer, url: string, args: readonly string[]) {
    this.redis = redis;
    this.#url = url;
    this.#args = [...ROOMY, ...FAST, ...args];
  }

  /** The ports of all nodes that were started, gone ones too. */
  get ports(): number[] {
    return this.nodes.map(({ port }) => port);
  }

  /** Starts one more node, which finds Redis at a URL of its own or at that of the others. */
  async addNode(url: string = this.#url): Promise<void> {
    // Nobody else takes this port while the node is restarted.
    this.nodes.push(await this.#startNode(freePort(), url));
  }

  /** Ends a node as a service manager does, and starts another on its port. */
  async restart(at: number): Promise<void> {
    const node = this.nodes[at]!;
    node.kill("SIGTERM");
    await node.status;
    await node[Symbol.asyncDispose]();
    this.nodes[at] = await this.#startNode(node.port, this.#url);
  }

  #startNode(port: number, url: string): Promise<ChildServer> {
    return startChild(["--port", String(port), "--redis", url, ...this.#args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
  }
}
