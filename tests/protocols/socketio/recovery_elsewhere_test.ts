import { assertEquals, assertNotEquals } from "@std/assert";
import { assertRecovers, type Connected, subscriber } from "../../support/recovery.ts";
import type { RedisServer } from "../../support/redis.ts";
import { type ChildServer, startChild } from "../../support/child.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { connect, parse } from "../../support/socketio_client.ts";
import { nodesTest, untilNodes } from "../../support/two_nodes.ts";

async function withStore(run: (store: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "hark-" });
  try {
    await run(`${folder}/hark.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("with a store a client is recovered after a restart, connected or gone before", async () => {
  await withStore(async (store) => {
    const options = { store, welcome: "" };
    const server = await startServer(options);
    const [gone, present] = [await subscriber(server), await subscriber(server)];
    await gone.close();
    await server.stop();
    await present.closed();
    await using again = await startServer(options);
    await assertRecovers(again, present);
    await assertRecovers(again, gone);
  });
});

Deno.test("with a store a client is recovered after its server was killed", async () => {
  await withStore(async (store) => {
    const args = ["--store", store, "--welcome", ""];
    let client: Connected;
    {
      await using server = await startChild(args);
      client = await subscriber(server);
      server.kill("SIGKILL");
      await client.closed();
    }
    await using again = await startChild(args);
    await assertRecovers(again, client);
  });
});

Deno.test("with a store no more clients are remembered after a restart than there is room for", async () => {
  await withStore(async (store) => {
    const server = await startServer({ store, welcome: "", channelsMax: 2 });
    const clients: Connected[] = [];
    for (let count = 0; count < 3; count++) clients.push(await connect(server));
    await server.stop();
    for (const client of clients) await client.closed();
    await using again = await startServer({ store, welcome: "", channelsMax: 2 });
    const back: Connected[] = [];
    for (const { pid } of clients) back.push(await connect(again, { pid }));
    const kept = back.filter(({ pid }, at) => pid === clients[at]!.pid);
    assertEquals(kept.length, 2);
    for (const client of back) await client.close();
  });
});

function startNode({ url }: RedisServer): Promise<TestServer> {
  return startServer({ redis: url, welcome: "" });
}

/** Starts a node that can be killed. */
function startChildNode({ url }: RedisServer): Promise<ChildServer> {
  return startChild(["--redis", url, "--welcome", ""]);
}

nodesTest(
  "a client of a node that was killed is recovered on another",
  startChildNode,
  async ({ a, b }) => {
    const client = await subscriber(a);
    // What the other node has heard of before a publication that comes after it.
    await a.publish("any", "thing");
    a.kill("SIGKILL");
    await client.closed();
    await assertRecovers(b, client);
  },
);

nodesTest(
  "a client is recovered wherever it comes next, as often as it moves",
  startNode,
  async ({ redis, a, b }) => {
    const client = await subscriber(a);
    await client.close();
    await a.publish("any", "thing");
    await assertRecovers(b, client);
    // A node that comes later gets the records of clients that are here, and of those that have left.
    await using c = await startNode(redis);
    await untilNodes(c, 3);
    const present = await subscriber(b);
    await b.publish("any", "thing");
    await assertRecovers(c, client);
    const stopped = b.stop();
    await present.closed();
    await assertRecovers(c, present);
    await assertRecovers(a, present);
    await stopped;
  },
);

nodesTest(
  "a pid that no node gave out recovers nothing, whatever it says",
  startNode,
  async ({ a, b }) => {
    const client = await subscriber(a);
    const [, position] = client.pid.split("~");
    await a.publish("later", "not yours");
    await a.broadcast("everybody's");
    for (const pid of [`${"A".repeat(22)}~${position}`, `${client.pid}~${client.sid}`]) {
      await using forger = await connect(b, { pid });
      assertNotEquals(forger.pid, pid);
      assertNotEquals(forger.sid, client.sid);
      assertEquals(parse(await forger.text())[1], { message: "everybody's" });
    }
    await client.close();
  },
);
