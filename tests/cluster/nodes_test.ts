import { assertEquals } from "@std/assert";
import { eventually } from "../support/deadline.ts";
import { RunningClock } from "../support/running_clock.ts";
import { startChild } from "../support/child.ts";
import type { Reachable } from "../support/reachable.ts";
import { Client, HarkClient } from "../support/socket.ts";
import { type TwoNodes, twoNodesTest } from "../support/two_nodes.ts";

const KEY = "only-for-tests";
/** Less than Redis may take for a command that is on its way. */
const STEP_MS = 500;
const AUTH = { headers: { authorization: `Bearer ${KEY}` } };

type Event = Record<string, unknown>;

interface Entry {
  readonly client: string;
}

/** A client's id, from its welcome. */
async function idOf(client: HarkClient): Promise<string> {
  const welcome = await client.event();
  assertEquals(welcome.type, "welcome");
  return String(welcome.client);
}

function clientsOf(entries: unknown): string[] {
  return (entries as readonly Entry[]).map(({ client }) => client).sort();
}

async function read(server: Reachable, path: string): Promise<Record<string, unknown>> {
  const { status, body } = await server.fetch(path, AUTH);
  assertEquals(status, 200, body);
  return JSON.parse(body);
}

/** Waits until a node knows of so many nodes, itself included. */
async function untilNodes(server: Reachable, count: number): Promise<void> {
  await eventually(() => read(server, "/nodes"), ({ nodes }) => (nodes as []).length === count);
}

function isOfRoom({ type, channel }: Event): boolean {
  return type === "presence" && channel === "room";
}

/** The first `count` clients of `room` in the joins, or in the leaves, that a watcher gets. */
async function changes(watcher: HarkClient, kind: "joined" | "left", count: number) {
  const found: string[] = [];
  while (found.length < count) {
    const event = await watcher.events.find(isOfRoom);
    found.push(...clientsOf(event[kind]));
  }
  return found.sort();
}

interface Nodes extends TwoNodes {
  /** Lets time pass for a and b, which hear of each other as they do when it passes by itself. */
  pass(ms: number): Promise<void>;
}

function clusterTest(name: string, run: (nodes: Nodes) => Promise<void>): void {
  const clock = new RunningClock();
  twoNodesTest(name, (nodes) => {
    const pass = async (ms: number) => {
      for (let left = ms; left > 0; left -= STEP_MS) {
        clock.pass(Math.min(left, STEP_MS));
        // Their messages have come to Redis by then, and come to the other soon.
        await nodes.redis.cli("PING");
      }
    };
    return run({ ...nodes, pass });
  }, { publishKey: [KEY], clock });
}

clusterTest("GET /count and GET /channels add up the sessions of all nodes", async ({ a, b }) => {
  await using one = await Client.open(a.socketUrl("/ws?channel=room"));
  await using two = await Client.open(b.socketUrl("/ws?channel=room&channel=hall"));
  await Promise.all([one.text(), two.text()]);
  for (const server of [a, b]) {
    assertEquals(await read(server, "/count"), { count: 2 });
    const { channels } = await read(server, "/channels") as { channels: Record<string, unknown>[] };
    const counts = channels.map(({ channel, sessions }) => [channel, sessions]);
    assertEquals(counts.filter(([channel]) => channel !== "broadcast"), [["hall", 1], ["room", 2]]);
  }
});

clusterTest("presence is listed, and its changes are sent, across nodes", async ({ a, b }) => {
  const query = "/ws?channel=room&presence=1";
  await using watcher = await HarkClient.open(a.socketUrl(query), AUTH.headers);
  const watcherId = await idOf(watcher);
  const guest = await HarkClient.open(b.socketUrl("/ws?channel=room"));
  const guestId = await idOf(guest);
  assertEquals(await changes(watcher, "joined", 2), [watcherId, guestId].sort());
  const listed = await watcher.command({ type: "presence", channel: "room" });
  assertEquals([listed.count, clientsOf(listed.entries)], [2, [watcherId, guestId].sort()]);
  for (const server of [a, b]) {
    const { count, entries } = await read(server, "/channels/room/presence");
    assertEquals([count, clientsOf(entries)], [2, [watcherId, guestId].sort()]);
  }
  await guest[Symbol.asyncDispose]();
  assertEquals(await changes(watcher, "left", 1), [guestId]);
});

clusterTest("sessions of all nodes are listed, and ended from any", async ({ a, b }) => {
  await using one = await HarkClient.open(a.socketUrl("/ws?channel=room"));
  await using two = await HarkClient.open(b.socketUrl("/ws?channel=room"));
  const ids = [await idOf(one), await idOf(two)];
  for (const server of [a, b]) {
    const { sessions } = await read(server, "/sessions?channel=room");
    assertEquals(clientsOf(sessions), [...ids].sort());
  }
  for (const id of ids) {
    const answer = await b.fetch(`/sessions?client=${id}`, { ...AUTH, method: "DELETE" });
    assertEquals([answer.status, JSON.parse(answer.body)], [200, { ended: 1 }]);
  }
  assertEquals((await one.client.closed()).code, (await two.client.closed()).code);
  assertEquals(await read(a, "/count"), { count: 0 });
});

clusterTest(
  "a node that stops is counted until its clients have left, and then is gone",
  async (nodes) => {
    const { a, b } = nodes;
    const query = "/ws?channel=room&presence=1";
    await using watcher = await HarkClient.open(a.socketUrl(query), AUTH.headers);
    await idOf(watcher);
    await using guest = await HarkClient.open(b.socketUrl("/ws?channel=room"));
    const guestId = await idOf(guest);
    await changes(watcher, "joined", 2);
    await b.stop();
    assertEquals(await changes(watcher, "left", 1), [guestId]);
    await untilNodes(a, 1);
  },
);

clusterTest(
  "a killed node's clients leave within 15 s; until then a list names the node as silent",
  async (nodes) => {
    const { redis, a } = nodes;
    await using doomed = await startChild(["--redis", redis.url, "--node", "doomed"]);
    await untilNodes(a, 3);
    const query = "/ws?channel=room&presence=1";
    await using watcher = await HarkClient.open(a.socketUrl(query), AUTH.headers);
    await idOf(watcher);
    const guests = await Promise.all(["", "", ""].map(async () => {
      const guest = await HarkClient.open(doomed.socketUrl("/ws?channel=room"));
      return { guest, id: await idOf(guest) };
    }));
    await changes(watcher, "joined", 4);
    await doomed.stdout.find((line) => line.includes(" node=doomed "));
    doomed.kill("SIGKILL");
    for (const { guest } of guests) await guest.client.closed();
    const { silent } = await read(a, "/sessions?channel=room");
    assertEquals(silent, ["doomed"]);
    const isLeave = (event: Event) => isOfRoom(event) && (event.left as []).length > 0;
    await nodes.pass(15_000);
    const event = await watcher.events.find(isLeave);
    assertEquals(clientsOf(event.left), guests.map(({ id }) => id).sort());
    await untilNodes(a, 2);
  },
);
