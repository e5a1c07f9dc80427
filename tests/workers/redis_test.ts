import { assertEquals, assertMatch } from "@std/assert";
import { drillAt } from "../drills/drill.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { Polling } from "../support/polling.ts";
import { assertRecovers, subscriber } from "../support/recovery.ts";
import { NO_REDIS, RedisServer } from "../support/redis.ts";
import { command } from "../support/child.ts";
import type { Reachable } from "../support/reachable.ts";
import { Client, HarkClient } from "../support/socket.ts";
import { Scattered, startWorkers, type WorkersServer } from "../support/workers.ts";

const WORKERS = 2;
const CLIENTS = 8;
const QUIET = ["--welcome", ""];
const ADVERTISED = ["--advertise", "http://127.0.0.1:0"];
const SECRET = { HARK_CLUSTER_SECRET: "only-for-tests-but-32-bytes-long" };

/** Two machines of two workers each, on one Redis. */
class TwoMachines implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly redis: RedisServer;
  readonly a: WorkersServer;
  readonly b: WorkersServer;

  static async start(names: boolean, args: readonly string[] = []): Promise<TwoMachines> {
    await using stack = new AsyncDisposableStack();
    const redis = stack.use(await RedisServer.start());
    const start = async (name: string) => {
      const node = names ? ["--node", name] : [];
      const all = ["--redis", redis.url, "--drain-s", "0", ...node, ...args];
      return stack.use(await startWorkers(WORKERS, all, SECRET));
    };
    const [a, b] = [await start("a"), await start("b")];
    for (const server of [a, b]) await untilNodes(server, 2 * WORKERS);
    return new TwoMachines(stack.move(), redis, a, b);
  }

  private constructor(
    stack: AsyncDisposableStack,
    redis: RedisServer,
    a: WorkersServer,
    b: WorkersServer,
  ) {
    this.#stack = stack;
    this.redis = redis;
    this.a = a;
    this.b = b;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

function machinesTest(
  name: string,
  run: (machines: TwoMachines) => Promise<void>,
  { names = true, args = QUIET } = {},
): void {
  Deno.test({
    name: name + (NO_REDIS ? " (skipped: no Redis is installed)" : ""),
    ignore: NO_REDIS,
    async fn() {
      await using machines = await TwoMachines.start(names, args);
      await run(machines);
    },
  });
}

async function read(server: Reachable, path: string): Promise<Record<string, unknown>> {
  const { status, body } = await server.fetch(path);
  assertEquals(status, 200, body);
  return JSON.parse(body);
}

async function namesOf(server: Reachable): Promise<string[]> {
  const { nodes } = await read(server, "/nodes");
  return (nodes as { name: string }[]).map(({ name }) => name).sort();
}

/** Waits until each worker of a server knows of so many nodes. */
async function untilNodes(server: WorkersServer, count: number): Promise<void> {
  const scattered = new Scattered(server.port);
  for (let right = 0; right < 4 * WORKERS;) {
    right = (await namesOf(scattered)).length === count ? right + 1 : 0;
  }
}

machinesTest(
  "workers of two machines on one Redis are one cluster, with two connections a machine",
  async ({ redis, a, b }) => {
    assertEquals(await namesOf(a), ["a.1", "a.2", "b.1", "b.2"]);
    assertEquals(await namesOf(b), ["a.1", "a.2", "b.1", "b.2"]);
    const clients = (await redis.cli("CLIENT", "LIST")).split("\n");
    assertEquals(clients.filter((line) => !line.includes("cmd=client")).length, 4);

    await using watcher = await HarkClient.open(a.socketUrl("/ws?channel=room&presence=1"));
    const guests = await Promise.all(
      Array.from({ length: CLIENTS }, (_, at) => {
        return HarkClient.open([a, b][at % 2]!.socketUrl("/ws?channel=room"));
      }),
    );
    const joined: unknown[] = [];
    while (joined.length < CLIENTS + 1) {
      const { joined: more } = await watcher.events.find(({ type }) => type === "presence");
      joined.push(...more as unknown[]);
    }
    for (const server of [a, b]) {
      assertEquals(await read(server, "/count"), { count: CLIENTS + 1 });
      const { sessions } = await read(server, "/sessions?channel=room");
      assertEquals((sessions as []).length, CLIENTS + 1);
      assertEquals((await read(server, "/channels/room/presence")).count, CLIENTS + 1);
    }
    for (let n = 0; n < 5; n++) {
      await a.publish("room", "x");
      await b.publish("room", "x");
    }
    // Each machine is scraped by itself.
    const [ofA, ofB] = [await a.metrics(), await b.metrics()];
    const count = (metrics: typeof ofA) => metrics.get('hark_sessions{transport="websocket"}');
    assertEquals([count(ofA), count(ofB)], [CLIENTS / 2 + 1, CLIENTS / 2]);
    assertEquals(ofA.get("hark_publications_total"), 5);
    assertEquals([ofA.get("hark_nodes"), ofA.get("hark_journal_up")], [4, 1]);
    for (const guest of guests) await guest[Symbol.asyncDispose]();
    for (let left = 0; left < CLIENTS;) {
      const { left: more } = await watcher.events.find(({ type }) => type === "presence");
      left += (more as []).length;
    }
  },
);

machinesTest("clients of two machines get everything once and in one order", async ({ a, b }) => {
  await drillAt({ ports: [a.port, b.port] }, {
    followers: { hark: 8, sse: 8, plain: 4, socketio4: 4, socketio2: 4 },
    publishers: 8,
    pauseMs: 0,
    isCalm: true,
    meanwhile: ({ flood }) => flood.count(500),
  });
}, { args: ["--publish-per-second-max", "100000", "--history-count", "100000"] });

machinesTest(
  "machines without a name get random ones, and recover each other's clients",
  async ({ a, b }) => {
    const names = await namesOf(a);
    names.forEach((name) => assertMatch(name, /^[\w-]{8}\.[12]$/));
    assertEquals(new Set(names).size, 4);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => subscriber(a)));
    await a.publish("any", "thing");
    a.kill("SIGKILL");
    await Promise.all(clients.map((client) => client.closed()));
    for (const client of clients) await assertRecovers(b, client);
  },
  { names: false },
);

machinesTest(
  "polls and upgrades that come to any worker of any machine are answered",
  async ({ a, b }) => {
    const [atA, atB] = [new Scattered(a.port), new Scattered(b.port)];
    const sessions = await Promise.all(Array.from({ length: CLIENTS }, async () => {
      const session = await Polling.open(atA);
      assertMatch(session.sid, /^[12]~[\w-]{22}~[\w-]{22}$/);
      await session.at(atB).post("40");
      assertMatch(await session.at(atB).packet(), /^40\{"sid":/);
      return session;
    }));
    assertEquals(new Set(sessions.map(({ sid }) => sid.slice(0, 24))).size, WORKERS);
    const polls = sessions.map((session) => session.at(atB).packet());
    await b.publish("broadcast", "hello");
    for (const packet of await deadline(Promise.all(polls))) assertMatch(packet, /hello/);

    for (const session of sessions) {
      await using socket = await Client.open(b.socketUrl(session.path("websocket")));
      socket.send("2probe");
      assertEquals(await socket.text(), "3probe");
      socket.send("5");
      await b.publish("broadcast", "upgraded");
      assertMatch(await socket.text(), /upgraded/);
    }
    await eventually(() => a.fetch("/count"), ({ body }) => body === '{"count":0}');
    const unknown = session(sessions[0]!.sid.replace("~", "~~"));
    assertEquals((await atB.fetch(unknown)).status, 400);
  },
  { args: [...QUIET, ...ADVERTISED] },
);

Deno.test({
  name: "an address for other nodes that is in use is an error, with workers and without",
  ignore: NO_REDIS,
  async fn() {
    await using redis = await RedisServer.start();
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const advertised = `http://127.0.0.1:${taken.addr.port}`;
    for (const workers of ["1", "2"]) {
      const args = ["--workers", workers, "--redis", redis.url, "--advertise", advertised];
      const { code, stderr } = await deadline(
        command(["--port", "0", ...args], SECRET).output(),
        30_000,
      );
      const said = new TextDecoder().decode(stderr).split("\n").filter((line) =>
        /^Cannot/.test(line)
      );
      assertMatch(said.join(), new RegExp(`^Cannot listen on ${advertised}: [^,]+$`));
      assertEquals(code, 1);
    }
  },
});

function session(sid: string): string {
  return `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
}
