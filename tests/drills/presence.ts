import { assertEquals } from "@std/assert";
import { Cluster } from "../support/cluster.ts";
import { Proxy } from "../support/proxy.ts";
import type { Drill, Size } from "./drill.ts";
import { Member } from "./members.ts";
import { pause } from "./publishers.ts";

const ARGS = ["--publish-key", "drill"];
/** Who is gone leaves within this time, and whoever is there is known. */
const KNOWN_MS = 15_000;
const ASK_MS = 100;

/** Nodes that hear each other, and whose clients are to be known on each of them. */
type Group = readonly number[];

/** One node of four is killed, one is restarted, and one is cut off from Redis for a while. */
export const presence: Drill = {
  name: "presence",
  what: "a node is killed, one restarted, one cut off: who is there is known on each",
  async run(size) {
    await using cluster = await Cluster.start({ nodes: 3, args: ARGS });
    await using way = new Proxy(cluster.redis.port);
    await cluster.addNode(`redis://127.0.0.1:${way.port}`);
    const members = await gather(cluster.ports, size === "full" ? 50 : 5);
    try {
      return await disturb(size, cluster, way, members);
    } finally {
      await Promise.all(members.map((member) => member.leave()));
    }
  },
};

async function disturb(size: Size, cluster: Cluster, way: Proxy, members: readonly Member[]) {
  const [killed = 0, restarted = 0, there = 0, cutOff = 0] = cluster.ports;
  await untilKnown(members, [cluster.ports]);
  const lostMs: number[] = [];
  const backMs: number[] = [];
  let isKilled = false;
  for (let round = 0; round < (size === "full" ? 3 : 1); round++) {
    const startedAt = performance.now();
    way.isRefusing = true;
    way.cut();
    if (!isKilled) cluster.nodes[0]!.kill("SIGKILL");
    isKilled = true;
    await cluster.restart(1);
    lostMs.push(await untilKnown(members, [[restarted, there], [cutOff]], startedAt));
    way.isRefusing = false;
    backMs.push(await untilKnown(members, [[restarted, there, cutOff]]));
  }
  assertEquals(members.some(({ port }) => port === killed), false);
  return {
    clients: members.length,
    lostMs: Math.max(...lostMs),
    backMs: Math.max(...backMs),
    ghosts: 0,
    missing: 0,
  };
}

/** So many members for each node, of which one watches, and stays at its node. */
async function gather(ports: readonly number[], each: number): Promise<Member[]> {
  const members = ports.flatMap((port) =>
    Array.from({ length: each }, (_, at) => new Member(port, ports, at === 0))
  );
  await Promise.all(members.map((member) => member.welcomed));
  return members;
}

/**
 * Resolves to how long it took since `startedAt` until all nodes of each group list the clients of their group and no others,
 * and all that watch there have been told of the same.
 */
async function untilKnown(
  members: readonly Member[],
  groups: readonly Group[],
  startedAt: number = performance.now(),
): Promise<number> {
  for (;;) {
    const elapsedMs = performance.now() - startedAt;
    const wrong = await whatIsWrong(members, groups);
    if (wrong === undefined) return Math.round(elapsedMs);
    if (elapsedMs > KNOWN_MS) throw new Error(`After ${KNOWN_MS} ms ${wrong}`);
    await pause(ASK_MS);
  }
}

async function whatIsWrong(
  members: readonly Member[],
  groups: readonly Group[],
): Promise<string | undefined> {
  for (const ports of groups) {
    const there = members.filter(({ port }) => ports.includes(port));
    const expected = there.map(({ client }) => client).sort().join();
    for (const port of ports) {
      const listed = await list(port);
      if (listed !== expected) return `${port} lists ${listed}: expected ${expected}`;
    }
    for (const { port, seen } of there) {
      const told = seen && [...seen].sort().join();
      if (told !== undefined && told !== expected) {
        return `a client at ${port} was told of ${told}: expected ${expected}`;
      }
    }
  }
  const away = members.filter(({ port }) => !groups.flat().includes(port)).length;
  return away === 0 ? undefined : `${away} clients have found no node`;
}

/** The clients that a node lists. */
async function list(port: number): Promise<string> {
  const url = `http://127.0.0.1:${port}/channels/room/presence`;
  const response = await fetch(url, { headers: { authorization: "Bearer drill" } });
  const { entries } = await response.json();
  return entries.map(({ client }: { client: string }) => client).sort().join();
}
