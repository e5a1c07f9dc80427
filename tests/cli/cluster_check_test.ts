import { assertEquals, assertMatch } from "@std/assert";
import { RedisKeys } from "../../lib/broker/redis/scripts.ts";
import { freePort } from "../support/free_port.ts";
import { type RedisServer, redisTest as test } from "../support/redis.ts";
import { startChild } from "../support/child.ts";
import { run } from "../support/shell.ts";
import { untilNodes } from "../support/two_nodes.ts";

const keys = new RedisKeys("hark");
const SECRET = "a secret that all nodes have, of 32 characters or more";

/** Resolves to the unwise things that `hark check` finds, or why a node would not start. */
async function check({ url }: RedisServer, args = ""): Promise<string[]> {
  const all = ["--redis", url, ...args.split(" ").filter((arg) => arg !== "")];
  const { code, out, said } = await run("check", all, { env: { HARK_CLUSTER_SECRET: SECRET } });
  if (code === 2) return [said.join("\n").replace(/^hark check: /, "")];
  assertEquals(out[0], "Unwise:");
  return out.slice(1, out.indexOf("")).map((line) => line.replace(/^ *(- )?/, ""))
    .filter((line) => line !== "nothing");
}

/** Says something as a node does. */
async function say(
  redis: RedisServer,
  node: string,
  message: Readonly<Record<string, unknown>>,
  id = "*",
): Promise<void> {
  const text = JSON.stringify([message]);
  await redis.cli("XADD", keys.peers, id, "n", node, "a", "1", "m", text);
}

const alive = (name: string, aheadMs: number, address = "") => ({
  type: "alive",
  name,
  address,
  time: Date.now() + aheadMs,
});

test("hark check compares the clocks of all nodes with that of Redis", async (redis) => {
  assertEquals(await check(redis), []);
  await say(redis, "1", alive("right", 0));
  await say(redis, "2", alive("late", -61_000));
  await say(redis, "3", alive("early", 60_000));
  await say(redis, "4", { type: "alive", name: "older", address: "" });
  await say(redis, "5", alive("gone", 60_000));
  await say(redis, "5", { type: "bye" });
  await say(redis, "6", { ...alive("set", 60_000), type: "hello" });
  await say(redis, "6", alive("set", 0));
  await redis.cli("XADD", keys.peers, "*", "foo", "bar");
  const synchronize = "that of Redis: synchronize both (NTP)";
  assertEquals((await check(redis)).sort(), [
    `the clock of node early is 60 s ahead of ${synchronize}`,
    `the clock of node late is 61 s behind ${synchronize}`,
  ]);
});

test("hark check hears only nodes that are there now", async (redis) => {
  await say(redis, "1", alive("old", 60_000), `${Date.now() - 60_000}-1`);
  assertEquals(await check(redis), []);
});

test("hark check finds out what answers at the addresses of --advertise", async (redis) => {
  const [publicPort, nodePort, nobodyPort] = [freePort(), freePort(), freePort()];
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const env = { HARK_CLUSTER_SECRET: SECRET };
  const args = ["--redis", redis.url, "--node", "b", "--advertise", at(nodePort)];
  await using node = await startChild(["--port", String(publicPort), ...args], env);
  await untilNodes(node, 1);
  assertEquals(await check(redis, `--advertise ${at(nobodyPort)}`), []);
  assertEquals(await check(redis, `--advertise ${at(publicPort)}`), [
    `clients are served at --advertise ${at(publicPort)}: give other nodes a port of their own`,
  ]);
  await say(redis, "c", alive("c", 0, at(nobodyPort)));
  await say(redis, "d", alive("d", 0, at(publicPort)));
  assertEquals((await check(redis, `--advertise ${at(freePort())}`)).sort(), [
    `node c cannot be reached at ${at(nobodyPort)}: open the way, or correct its --advertise`,
    `node d advertises ${at(publicPort)}, where clients are served: correct its --advertise`,
  ]);
});

test("hark check refuses an address for nodes that a node could not listen on", async (redis) => {
  const [none] = await check(redis, "--advertise http://192.0.2.1:3001");
  const start = "Cannot listen on http://192.0.2.1:3001: ";
  assertMatch(none ?? "", new RegExp(`^${start}.*: expected an address of this machine$`, "m"));
  for (const host of ["localhost", "127.0.0.1", "0.0.0.0"]) {
    const args = `--host ${host} --port 3001 --advertise http://127.0.0.1:3001`;
    const [same] = await check(redis, args);
    const why = "--advertise is where clients come: give other nodes a port of their own";
    assertEquals(same?.includes(why), true, same);
  }
});
