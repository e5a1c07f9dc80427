import { assertEquals } from "@std/assert";
import { Cluster } from "../support/cluster.ts";
import type { RedisServer } from "../support/redis.ts";
import { reconnectStorm } from "../support/storm.ts";
import type { Drill } from "./drill.ts";

/** What nodes send anyway: they wait for entries, and say that they are there. */
const USUAL = ["xread", "xadd", "evalsha", "expire", "zrange", "info"];

/** Clients are cut at once and resume on another node, which answers all of them from memory. */
export const herd: Drill = {
  name: "herd",
  what: "clients are cut at once, and resume on another node",
  async run(size) {
    const [clients, messages] = size === "full" ? [5000, 10] : [500, 100];
    await using cluster = await Cluster.start({ nodes: 2 });
    const [port = 0, resumePort = 0] = cluster.ports;
    let before = new Map<string, number>();
    const onCut = async () => void (before = await callsOf(cluster.redis));
    const { got, ms } = await reconnectStorm({ port, clients, messages, resumePort, onCut });
    const expected = [true, ...Array.from({ length: messages }, (_, index) => index)];
    for (const each of got) assertEquals(each, expected);
    const after = await callsOf(cluster.redis);
    const more = [...after].map(([name, calls]) => [name, calls - (before.get(name) ?? 0)] as const)
      .filter(([, calls]) => calls > 0);
    assertEquals(more.filter(([name]) => !USUAL.includes(name)), []);
    const commands = more.reduce((sum, [, calls]) => sum + calls, 0);
    // A node says that it is there, and asks for entries, now and then: that does not grow with clients.
    const seconds = Math.ceil(ms / 1000) + 1;
    assertEquals(commands < 20 * seconds, true, `${commands} commands in ${ms} ms`);
    return { clients, messages, ms: Math.round(ms), commands };
  },
};

/** How often each command was called. */
async function callsOf(redis: RedisServer): Promise<Map<string, number>> {
  const text = await redis.cli("INFO", "commandstats");
  const found = text.matchAll(/^cmdstat_([^:|]+)\S*:calls=(\d+)/gm);
  return new Map(Array.from(found, ([, name, calls]) => [name!, Number(calls)] as const));
}
