import { assertEquals, assertRejects } from "@std/assert";
import { Refusal } from "../../../lib/core/errors.ts";
import type { PeerMessage } from "../../../lib/broker/peers.ts";
import type { RedisJournal, RedisJournalOptions } from "../../../lib/broker/redis/journal.ts";
import { RedisKeys } from "../../../lib/broker/redis/scripts.ts";
import { eventually } from "../../support/deadline.ts";
import { Proxy } from "../../support/proxy.ts";
import { type RedisServer, redisTest as test } from "../../support/redis.ts";
import { brokerOn, Deliveries, draft, publish, publishOn, TurningClock } from "../helpers.ts";
import { newJournal } from "./test_journal.ts";

const NAME = "test";
const keys = new RedisKeys(NAME);
const LARGE = "x".repeat(60_000);
const LARGE_COUNT = 60;
const ROOMY = { historyBytesMax: 1e8, historyTotalBytesMax: 1e8 };

/** Of a node's time between two looks at it: much less than Redis may take for an answer. */
const STEP_MS = 10;

/** A node of a test, by a proxy, and all that it was given. Its time stands still: Redis may be slow. */
class Node implements AsyncDisposable {
  readonly #clock = new TurningClock(Date.now());
  readonly way: Proxy;
  readonly journal: RedisJournal;
  readonly deliveries = new Deliveries();
  readonly messages: PeerMessage[] = [];
  readonly warnings: string[] = [];
  foreign = 0;
  readonly broker;

  static async start(redis: RedisServer, options: Partial<RedisJournalOptions> = {}) {
    const node = new Node(redis, options);
    await node.broker.start(node.deliveries);
    node.journal.peers.listen({ onMessage: (_, message) => void node.messages.push(message) });
    return node;
  }

  private constructor({ port }: RedisServer, options: Partial<RedisJournalOptions>) {
    this.way = new Proxy(port);
    this.journal = newJournal(`redis://127.0.0.1:${this.way.port}`, {
      clock: this.#clock,
      name: NAME,
      warn: (why) => this.warnings.push(why),
      foreignEntries: { inc: () => void this.foreign++ },
      ...options,
    });
    this.broker = brokerOn(this.journal, this.#clock, ROOMY);
  }

  /** Cuts the way. */
  cut(): void {
    this.way.isRefusing = true;
    this.way.cut();
  }

  /** Mends the way, and lets time pass until the node has so many publications. */
  async mend(count: number): Promise<void> {
    this.way.isRefusing = false;
    const { publications } = this.deliveries;
    await eventually(() => {
      this.#clock.advance(STEP_MS);
      return publications.length;
    }, (found) => found >= count);
    assertEquals(publications.length, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
    await this.way[Symbol.asyncDispose]();
  }
}

test("entries of another program are skipped and counted, with one warning", async (redis) => {
  await using one = await Node.start(redis);
  await using other = await Node.start(redis);
  const add = (key: string, id: string, ...fields: string[]) => {
    return redis.cli("XADD", key, id, ...fields);
  };
  const messages = ["{no json", "[1]", "[null]", '[{"type":7}]', "{}"];
  for (const each of messages) await add(keys.peers, "*", "n", "x", "a", "1", "m", each);
  await add(keys.peers, "*", "foo", "bar");
  await add(keys.peers, "*", "n", one.journal.peers.node, "m", "[]");
  await publishOn(other.broker, "a");
  await add(keys.log, "1-5", "foo", "bar");
  await add(keys.log, "1-6", "c", "a", "e", "message", "d", "*", "b", "1", "t", "1");
  await add(keys.log, "1-7", "c", "a", "e", "message", "d", "1", "t", "1", "x", "{no json");
  await add(keys.log, "1-8", "g", "none", "s", "0");
  await publishOn(other.broker, "a");
  other.journal.peers.tell({ type: "any" });
  await eventually(() => one.messages.length, (count) => count === 1);
  assertEquals(await one.deliveries.offsets(2), [1, 2]);
  assertEquals(one.deliveries.events, ["reset to 0 after 0"]);
  assertEquals(one.foreign, 11);
  assertEquals(one.warnings.length, 1);
  assertEquals(one.warnings[0]?.endsWith("does another program write there?"), true);
});

test("publishing goes on after another program has added an entry with a higher id", async (redis) => {
  await using one = await Node.start(redis);
  await publishOn(one.broker, "a");
  await redis.cli("XADD", keys.log, "*", "foo", "bar");
  await eventually(() => one.foreign, (count) => count === 1);
  const [offset = 0] = await publishOn(one.broker, "a");
  assertEquals(await one.deliveries.offsets(2), [1, offset]);
});

test("loading a log skips entries that cannot be read, and counts them as lost", async (redis) => {
  await using one = await Node.start(redis);
  await publishOn(one.broker, "a", "a", "b");
  await redis.cli("XADD", `${keys.channelStart}a`, "2-2", "foo", "bar");
  await redis.cli("RPUSH", keys.gaps, "no gap");
  await using other = await Node.start(redis);
  const read = (since: number) => {
    const { epoch } = other.broker.position;
    const query = { channels: ["a"], since: { epoch, offset: since }, limit: 10 };
    return other.broker.history(query);
  };
  assertEquals((await read(0)).publications.map(({ offset }) => offset), [1, 2]);
  assertEquals([(await read(1)).complete, (await read(2)).complete], [false, true]);
  assertEquals(other.foreign, 1);
});

test("a node goes on while Redis refuses to write, and after that", async (redis) => {
  await using one = await Node.start(redis);
  await using other = await Node.start(redis);
  await redis.cli("CONFIG", "SET", "min-replicas-to-write", "1");
  one.journal.peers.tell({ type: "refused" });
  const refusal = await assertRejects(() => publishOn(one.broker, "a"), Refusal);
  assertEquals(refusal.type, "unavailable");
  await redis.cli("CONFIG", "SET", "min-replicas-to-write", "0");
  one.journal.peers.tell({ type: "taken" });
  await eventually(() => other.messages.length, (count) => count > 0);
  assertEquals(other.messages.map(({ type }) => type), ["taken"]);
  assertEquals(await publishOn(one.broker, "a"), [1]);
  assertEquals(await one.deliveries.offsets(1), [1]);
  const [down, up, ...more] = await one.deliveries.eventsAfterStart(2);
  assertEquals([down?.includes("Redis answers NOREPLICAS"), up, more], [true, "up", []], down);
});

test("a node follows and loads more publications than fit into one reply", async (redis) => {
  const replyBytesMax = 2 ** 20;
  await using one = await Node.start(redis);
  await using other = await Node.start(redis, { replyBytesMax });
  other.cut();
  for (let count = 0; count < LARGE_COUNT; count++) await publish(one.broker, [draft("a", LARGE)]);
  await other.mend(LARGE_COUNT);
  await using late = await Node.start(redis, { replyBytesMax });
  assertEquals(late.broker.stats().publications, LARGE_COUNT);
  const resets = [other, late].map(({ deliveries: { events } }) => {
    return events.filter((event) => event.startsWith("reset"));
  });
  assertEquals(resets, [["reset to 0 after 0"], [`reset to ${LARGE_COUNT} after 0`]]);
});

test("a node goes on after messages or publications that are too large for one reply", async (redis) => {
  await using one = await Node.start(redis);
  // It expects smaller ones than there are.
  await using other = await Node.start(redis, { replyBytesMax: 2 ** 20, publishBytesMax: 100 });
  other.cut();
  for (let count = 0; count < LARGE_COUNT; count++) {
    one.journal.peers.tell({ type: "any", text: LARGE });
    await publish(one.broker, [draft("a", LARGE)]);
  }
  await other.mend(LARGE_COUNT);
  const before = other.messages.length;
  one.journal.peers.tell({ type: "last" });
  await eventually(() => other.messages.at(-1)?.type, (type) => type === "last");
  assertEquals(other.messages.length - before, 1);
});
