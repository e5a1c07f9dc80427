import { assertEquals } from "@std/assert";
import { Proxy } from "../support/proxy.ts";
import type { RedisServer } from "../support/redis.ts";
import { presence } from "./presence.ts";
import { behindNginx } from "./balancer.ts";
import { herd } from "./herd.ts";
import { machinesDrill } from "./machines.ts";
import { failover } from "./failover.ts";
import { type Drill, drill, EVERYBODY, type Scene, type Size, untilUp } from "./drill.ts";
import { pause } from "./publishers.ts";

const WARM_UP_MS = 300;

/** Something happens to one of three nodes. */
function nodeDrill(
  name: string,
  what: string,
  happen: (
    size: Size,
    scene: Scene,
  ) => Promise<void>,
): Drill {
  return {
    name,
    what,
    run: (size) =>
      drill({
        cluster: { nodes: 3 },
        followers: EVERYBODY,
        answerMs: 3000,
        isWhole: true,
        async meanwhile(scene) {
          await pause(WARM_UP_MS);
          await happen(size, scene);
          await pause(WARM_UP_MS);
        },
      }),
  };
}

/** The same, where every node has known for long which clients there are. */
function replicated(drill: Drill): Drill {
  return {
    ...drill,
    async run(size) {
      const figures = await drill.run(size);
      assertEquals(figures.unrecovered, 0, "clients of Socket.IO that were not recovered");
      return figures;
    },
  };
}

/** Something happens to Redis. */
function redisDrill(
  name: string,
  what: string,
  happen: (redis: RedisServer, size: Size) => Promise<void>,
  config: Record<string, string> = { appendonly: "yes" },
): Drill {
  return {
    name,
    what,
    run: (size) =>
      drill({
        cluster: { nodes: 2, redis: { config } },
        followers: EVERYBODY,
        async meanwhile({ cluster }) {
          await pause(WARM_UP_MS);
          for (let round = 0; round < (size === "full" ? 3 : 1); round++) {
            await happen(cluster.redis, size);
            await untilUp(cluster.ports);
          }
          await pause(WARM_UP_MS);
        },
      }),
  };
}

/** Something happens on the way to Redis. */
function wayDrill(
  name: string,
  what: string,
  happen: (proxy: Proxy, size: Size) => Promise<void>,
): Drill {
  return {
    name,
    what,
    async run(size) {
      const proxies: Proxy[] = [];
      try {
        return await drill({
          cluster: {
            nodes: 2,
            urlOf({ port }) {
              const proxy = new Proxy(port);
              proxies.push(proxy);
              return `redis://127.0.0.1:${proxy.port}`;
            },
          },
          followers: EVERYBODY,
          async meanwhile({ cluster }) {
            await pause(WARM_UP_MS);
            await happen(proxies[0]!, size);
            await untilUp(cluster.ports);
            await pause(WARM_UP_MS);
          },
        });
      } finally {
        for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
      }
    },
  };
}

export const DRILLS: readonly Drill[] = [
  {
    name: "flood",
    what: "3 nodes, and publications over all of them at once",
    run(size) {
      const [each, count] = size === "full" ? [60, 10_000] : [4, 1000];
      return drill({
        cluster: { nodes: 3 },
        followers: { hark: each, sse: each, plain: each, socketio4: each, socketio2: each },
        publishers: 24,
        pauseMs: 0,
        isCalm: true,
        meanwhile: ({ flood }) => flood.count(count),
      });
    },
  },
  replicated(nodeDrill("kill-node", "kill -9 of a node in a flood", async (size, { cluster }) => {
    cluster.nodes[0]!.kill("SIGKILL");
    await pause(size === "full" ? 5000 : 500);
  })),
  nodeDrill("freeze-node", "SIGSTOP of a node, then SIGCONT", async (size, { cluster }) => {
    cluster.nodes[0]!.kill("SIGSTOP");
    await pause(size === "full" ? 30_000 : 2500);
    cluster.nodes[0]!.kill("SIGCONT");
  }),
  redisDrill("redis-term", "SIGTERM of Redis, which starts again", async (redis) => {
    await redis.stop("SIGTERM");
    // Longer than a publication waits.
    await pause(1500);
    await redis.start();
  }),
  redisDrill("redis-kill", "kill -9 of Redis with an append-only file", async (redis) => {
    await redis.stop("SIGKILL");
    await redis.start();
  }),
  redisDrill("redis-freeze", "SIGSTOP of Redis, then SIGCONT", async (redis, size) => {
    redis.signal("SIGSTOP");
    await pause(size === "full" ? 10_000 : 1500);
    redis.signal("SIGCONT");
  }),
  redisDrill(
    "redis-refuses",
    "Redis refuses to write, as it lacks replicas",
    async (redis, size) => {
      await redis.cli("CONFIG", "SET", "min-replicas-to-write", "1");
      // Longer than from heartbeat to heartbeat.
      await pause(size === "full" ? 15_000 : 4000);
      await redis.cli("CONFIG", "SET", "min-replicas-to-write", "0");
    },
  ),
  wayDrill("cut", "connections to Redis are cut again and again", async (proxy, size) => {
    for (let round = 0; round < (size === "full" ? 40 : 10); round++) {
      proxy.cut();
      await pause(50 + Math.random() * 200);
    }
  }),
  wayDrill("mute", "what Redis answers is lost", async (proxy, size) => {
    for (let round = 0; round < (size === "full" ? 10 : 1); round++) {
      proxy.isMute = true;
      await pause(100);
      proxy.cut();
      proxy.isMute = false;
      await pause(500);
    }
  }),
  wayDrill("latency", "200 ms to Redis and 200 ms back", async (proxy, size) => {
    proxy.delayMs = 200;
    await pause(size === "full" ? 20_000 : 3000);
    proxy.delayMs = 0;
  }),
  wayDrill("slow-link", "20 KB a second to and from Redis", async (proxy, size) => {
    proxy.bytesPerSecondMax = 20_000;
    await pause(size === "full" ? 20_000 : 4000);
    proxy.bytesPerSecondMax = Infinity;
  }),
  redisDrill(
    "redis-empty",
    "Redis starts again with nothing",
    async (redis) => {
      await redis.stop("SIGKILL");
      await redis.start();
    },
    {},
  ),
  redisDrill(
    "redis-older",
    "Redis comes back from an older backup",
    async (redis) => {
      await redis.cli("SAVE");
      await pause(500);
      await redis.stop("SIGKILL");
      await redis.start();
    },
    {},
  ),
  {
    name: "keys",
    what: "each Idempotency-Key on two nodes at once",
    run: (size) =>
      drill({
        cluster: { nodes: 2 },
        followers: EVERYBODY,
        publishers: 0,
        isCalm: true,
        async meanwhile({ flood }) {
          for (let round = 0; round < (size === "full" ? 2000 : 100); round++) {
            await flood.insistEverywhere(`key:${round}`);
          }
        },
      }),
  },
  nodeDrill("rolling", "nodes are restarted in turn", async (size, { cluster }) => {
    for (let round = 0; round < (size === "full" ? 3 : 1); round++) {
      for (const at of cluster.nodes.keys()) await cluster.restart(at);
    }
  }),
  behindNginx,
  failover,
  herd,
  machinesDrill,
  presence,
];
