import { eventually } from "./deadline.ts";
import { NO_REDIS, RedisServer } from "./redis.ts";
import { type ServerOptions, startServer, type TestServer } from "./server.ts";

/** Two nodes that share the log of a Redis, and know of each other. */
export interface TwoNodes {
  readonly redis: RedisServer;
  readonly a: TestServer;
  readonly b: TestServer;
}

/** A test with two nodes in this process; skipped where no Redis is installed. */
export function twoNodesTest(
  name: string,
  run: (nodes: TwoNodes) => Promise<void>,
  options: ServerOptions,
  optionsOfB: ServerOptions = {},
): void {
  Deno.test({
    name,
    ignore: NO_REDIS,
    async fn() {
      await using redis = await RedisServer.start();
      const all = { redis: redis.url, ...options };
      await using a = await startServer({ ...all, node: "a" });
      await using b = await startServer({ ...all, node: "b", ...optionsOfB });
      for (const server of [a, b]) {
        await eventually(() => server.metrics(), (metrics) => metrics.get("hark_nodes") === 2);
      }
      await run({ redis, a, b });
    },
  });
}
