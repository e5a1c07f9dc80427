import { eventually } from "./deadline.ts";
import type { Reachable } from "./reachable.ts";
import { NO_REDIS, RedisServer } from "./redis.ts";
import { type ServerOptions, startServer, type TestServer } from "./server.ts";

/** Two nodes that share the log of a Redis, and know of each other. */
export interface TwoNodes<Node = TestServer> {
  readonly redis: RedisServer;
  readonly a: Node;
  readonly b: Node;
}

/** A test with two nodes that `start` starts; skipped where no Redis is installed. */
export function nodesTest<Node extends Reachable & AsyncDisposable>(
  name: string,
  start: (redis: RedisServer, node: "a" | "b") => Promise<Node>,
  run: (nodes: TwoNodes<Node>) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: NO_REDIS,
    async fn() {
      await using redis = await RedisServer.start();
      await using a = await start(redis, "a");
      await using b = await start(redis, "b");
      for (const node of [a, b]) await untilNodes(node, 2);
      await run({ redis, a, b });
    },
  });
}

/** A test with two nodes in this process, which have these options. */
export function twoNodesTest(
  name: string,
  run: (nodes: TwoNodes) => Promise<void>,
  options: ServerOptions,
  optionsOfB: ServerOptions = {},
): void {
  const start = ({ url }: RedisServer, node: "a" | "b") =>
    startServer({ redis: url, ...options, node, ...(node === "b" ? optionsOfB : {}) });
  nodesTest(name, start, run);
}

/** Waits until a node knows of so many nodes, itself included. */
export async function untilNodes(node: Reachable, count: number): Promise<void> {
  await eventually(() => node.metrics(), (metrics) => metrics.get("hark_nodes") === count);
}
