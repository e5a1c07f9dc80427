import { assertEquals, assertRejects } from "@std/assert";
import type { Clock } from "../../../lib/core/clock.ts";
import { Refusal } from "../../../lib/core/errors.ts";
import type { Gap } from "../../../lib/broker/journal.ts";
import { parseRedisUrl } from "../../../lib/core/redis_url.ts";
import { Appender } from "../../../lib/broker/redis/appender.ts";
import { ConnectionLost } from "../../../lib/broker/redis/connection.ts";
import { StaleLogError } from "../../../lib/broker/redis/errors.ts";
import { Group } from "../../../lib/broker/redis/group.ts";
import type { RedisJournal } from "../../../lib/broker/redis/journal.ts";
import type { JournalBatch } from "../../../lib/broker/journal.ts";
import type { LinkKeeper } from "../../../lib/broker/redis/keeper.ts";
import type { Reply } from "../../../lib/broker/redis/resp.ts";
import { openLink, type RedisLink } from "../../../lib/broker/redis/link.ts";
import { loadKept } from "../../../lib/broker/redis/loading.ts";
import { OFFSET_JUMP, OFFSET_JUMP_SPREAD, RedisKeys } from "../../../lib/broker/redis/scripts.ts";
import { type RedisServer, redisTest as test } from "../../support/redis.ts";
import { brokerOn, Deliveries, publishOn, readAfter, TurningClock } from "../helpers.ts";
import { newJournal } from "./test_journal.ts";

const NAME = "test";
const keys = new RedisKeys(NAME);
const clock = new TurningClock(Date.now());

function linkTo({ url }: RedisServer, number: number, epoch = "e"): Promise<RedisLink> {
  const progress = { epoch, seen: 0, isKnown: false, node: "n", gaps: [], number };
  return openLink({ target: parseRedisUrl(url), keys, clock }, progress);
}

const LIMITS = { historyCount: 2, historyAgeS: 3600 };
const LOADED = { ...LIMITS, entriesMax: 2, skipForeign: () => {} };

/** Batches that go to Redis in one call, as a node sends them. */
function groupOn(link: RedisLink): Group {
  return new Group(link, { keys, node: "n", ...LIMITS, idempotencyAgeS: 300 });
}

function batchOf(...channels: readonly string[]): JournalBatch {
  return { drafts: channels.map((channel) => ({ channel, event: "message", data: "x" })) };
}

/** Appends one publication on a channel. */
async function append(link: RedisLink, channel: string): Promise<unknown> {
  const group = groupOn(link);
  const answer = group.add({ batch: batchOf(channel), reference: "ref", key: undefined });
  await Promise.allSettled([group.send(0), answer]);
  return (await answer as string[])[0];
}

function journalOn({ url }: RedisServer): RedisJournal {
  return newJournal(url, { clock, name: NAME });
}

test("an earlier link of a node cannot append after a later one has opened the log", async (redis) => {
  const first = await linkTo(redis, 1);
  const second = await linkTo(redis, 2);
  await assertRejects(() => append(first, "a"), StaleLogError);
  assertEquals(await append(second, "a"), "ok");
  // What opens the log late does not take the place of what has opened it since.
  const late = await linkTo(redis, 1);
  assertEquals(await append(second, "a"), "ok");
  for (const link of [first, second, late]) link.close();
});

test("a batch that cannot be written changes no answer of the others", async (redis) => {
  const link = await linkTo(redis, 1);
  const group = groupOn(link);
  const broken = { drafts: [{ channel: "a", event: "message", data: undefined as never }] };
  const key = keys.idempotency("1");
  await assertRejects(() => group.add({ batch: broken, reference: "ref", key }), TypeError);
  const answer = group.add({ batch: batchOf("b"), reference: "ref", key: undefined });
  await group.send(0);
  assertEquals((await answer as string[])[0], "ok");
  link.close();
});

test("each batch of one call gets its own answer, in order", async (redis) => {
  const link = await linkTo(redis, 1);
  const group = groupOn(link);
  const add = (channels: readonly string[], name?: string, fingerprint = "") => {
    const once = name === undefined ? undefined : { caller: "", key: name, fingerprint };
    const key = name === undefined ? undefined : keys.idempotency(name);
    return group.add({ batch: { ...batchOf(...channels), once }, reference: "ref", key });
  };
  const answers = [
    add(["a", "b"], "1"),
    add(["c"]),
    add(["a", "b"], "1"),
    add(["d"], "1", "other"),
    add([]),
    add(["e"], "2"),
    add(["c"]),
  ];
  await group.send(0);
  const [[, , time] = []] = await Promise.all(answers) as string[][];
  assertEquals(await Promise.all(answers) as string[][], [
    ["ok", "1", time!],
    ["ok", "3", time!],
    ["again", "e", "1", "2", time!],
    ["conflict"],
    ["ok", "4", time!],
    ["ok", "4", time!],
    ["ok", "5", time!],
  ]);
  assertEquals(await redis.cli("HGET", keys.meta, "o"), "5");
  link.close();
});

test("Appender sends the batches of one turn in one call, or in several if they are large", async (redis) => {
  await using closing = new AsyncDisposableStack();
  const broker = brokerOn(journalOn(redis), clock);
  closing.defer(() => broker.close());
  await broker.start(new Deliveries());
  const calls = async (count: number, data: string) => {
    await redis.cli("CONFIG", "RESETSTAT");
    const drafts = [{ channel: "a", event: "message", data }];
    const receipts = await Promise.all(Array.from({ length: count }, () => {
      return broker.publish({ drafts });
    }));
    const [, sent] = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.cli("INFO", "commandstats"))!;
    const first = receipts[0]!.offset;
    assertEquals(receipts.map(({ offset }) => offset - first), Array.from(receipts.keys()));
    return Number(sent);
  };
  await calls(1, "x");
  assertEquals(await calls(50, "x"), 1);
  assertEquals(await calls(200, "x"), 4);
  assertEquals(await calls(6, "x".repeat(10_000)), 3);
});

test("the stream of a channel that belongs to another log is replaced", async (redis) => {
  await using closing = new AsyncDisposableStack();
  const broker = brokerOn(journalOn(redis), clock);
  closing.defer(() => broker.close());
  await broker.start(new Deliveries());
  await redis.cli("XADD", `${keys.channelStart}a`, "999-1", "c", "a");
  await redis.cli("SET", `${keys.channelStart}b`, "no stream");
  assertEquals(await publishOn(broker, "a", "b", "a"), [1, 2, 3]);
  assertEquals(await redis.cli("XLEN", `${keys.channelStart}a`), "2");
});

test("a new log keeps no channels of an earlier one", async (redis) => {
  await using closing = new AsyncDisposableStack();
  const first = brokerOn(journalOn(redis), clock);
  await first.start(new Deliveries());
  await publishOn(first, "a", "a", "b");
  await first.close();
  await redis.cli("DEL", keys.meta);
  const second = brokerOn(journalOn(redis), clock);
  closing.defer(() => second.close());
  assertEquals((await second.start(new Deliveries())).offset, 0);
  assertEquals(await publishOn(second, "b"), [1]);
  const third = brokerOn(journalOn(redis), clock);
  closing.defer(() => third.close());
  await third.start(new Deliveries());
  assertEquals((await readAfter(third, undefined)).publications.map(({ offset }) => offset), [1]);
});

test("a channel that changes while it is loaded counts evicted publications as lost", async (redis) => {
  const link = await linkTo(redis, 1);
  for (let count = 0; count < 3; count++) await append(link, "a");
  const position = { epoch: "e", offset: 3 };
  const load = () => loadKept(link.reader, keys, position, { ...LOADED, clock });
  assertEquals((await load()).lostOffsets, [["a", 1]]);
  for (let count = 0; count < 2; count++) await append(link, "a");
  const { publications, lostOffsets } = await load();
  assertEquals(publications.map(({ publication: { offset } }) => offset), [3]);
  assertEquals(lostOffsets, [["a", 3]]);
  link.close();
});

/** Opens the log as a node that knows it, on a server that has taken the place of the one before. */
async function takeOver(
  redis: RedisServer,
  node: string,
  { seen, gaps = [] }: { readonly seen: number; readonly gaps?: readonly Gap[] },
): Promise<RedisLink> {
  const run = `${node}${seen}`;
  if (await redis.cli("EXISTS", keys.meta) === "1") await redis.cli("HSET", keys.meta, "r", run);
  const progress = { epoch: "e", seen, isKnown: true, node, gaps, number: 1 };
  return await openLink({ target: parseRedisUrl(redis.url), keys, clock }, progress);
}

async function keptGaps(redis: RedisServer): Promise<string[]> {
  return (await redis.cli("LRANGE", keys.gaps, "0", "-1")).split("\n");
}

test("a node records what it has seen of a gap, also when it takes over the log itself", async (redis) => {
  const first = await linkTo(redis, 1);
  for (let count = 0; count < 5; count++) await append(first, "a");
  await redis.cli("HSET", keys.meta, "o", "3");
  const second = await takeOver(redis, "b", { seen: 3 });
  const third = await takeOver(redis, "n", { seen: 5 });
  assertEquals(await keptGaps(redis), [
    `3 ${second.offset} 5`,
    `${second.offset} ${third.offset} 5`,
  ]);
  for (const link of [first, second, third]) link.close();
});

test("a server without a log gets the gaps that a node knows", async (redis) => {
  const gaps = [{ after: 3, until: 100, seen: 4 }, { after: 120, until: 200, seen: undefined }];
  const first = await takeOver(redis, "a", { seen: 210, gaps });
  // It was away while all was lost, and before.
  const second = await takeOver(redis, "b", { seen: 6 });
  assertEquals(await keptGaps(redis), [
    "3 100 6",
    "120 200 0",
    `210 ${first.offset} 0`,
    `${first.offset} ${second.offset} 6`,
  ]);
  for (const link of [first, second]) link.close();
});

test("offsets jump to a number made of the time, from wherever they are", async (redis) => {
  const links: RedisLink[] = [];
  for (const seen of [1_000_000, 1]) {
    const before = Date.now() * 100 + OFFSET_JUMP;
    const link = await takeOver(redis, "a", { seen });
    links.push(link);
    const { offset } = link;
    const after = (Date.now() + 1) * 100 + OFFSET_JUMP + OFFSET_JUMP_SPREAD;
    assertEquals([before <= offset, offset < after, offset < 10 ** 15], [true, true, true]);
    await redis.cli("FLUSHALL");
  }
  for (const link of links) link.close();
});

test("loading a log counts expired channels as lost", async (redis) => {
  const link = await linkTo(redis, 1);
  await append(link, "old");
  await append(link, "gone");
  await redis.cli("DEL", `${keys.channelStart}gone`);
  const position = { epoch: "e", offset: 2 };
  const now = { now: () => Date.now() };
  const later = { now: () => Date.now() + 3_601_000 };
  const load = (clock: Pick<Clock, "now">) =>
    loadKept(link.reader, keys, position, { ...LOADED, clock });
  assertEquals((await load(later)).forgottenOffset, 2);
  assertEquals((await load(now)).forgottenOffset, 0);
  link.close();
});

const GAP = new Map([["g", "3"], ["s", "0"]]);
const UNKNOWN: Readonly<Record<string, (appender: Appender) => void>> = {
  // The broker opens the journal anew before the batch can be sent again.
  "a new feed": (appender) => appender.begin(5),
  // It may have been in what the log has lost.
  "the feed behind a jump": (appender) =>
    appender.fed([{ id: "5-1", offset: 5, fields: GAP }], "e", true),
};

for (const [what, happen] of Object.entries(UNKNOWN)) {
  Deno.test(`Appender does not repeat a batch if ${what} cannot show whether it was kept`, async () => {
    assertEquals(await appendDuring(happen), ["unavailable", 1]);
  });
}

Deno.test("Appender knows the offsets that are taken and were not fed to it", async () => {
  const commands = { send: () => Promise.resolve([["ok", "5", "1"]]) };
  const appender = appenderOn(commands);
  appender.begin(3);
  await appender.append(batchOf("a"));
  assertEquals(appender.unfed, [{ after: 3, until: 5 }]);
  appender.fed([{ id: "4-1", offset: 4, fields: new Map() }], "e", true);
  assertEquals(appender.unfed, [{ after: 4, until: 5 }]);
  appender.fed([{ id: "5-1", offset: 5, fields: new Map() }], "e", true);
  assertEquals(appender.unfed, []);
});

/** Appends while something happens and the reply is lost: how that ends, and how often it was sent. */
async function appendDuring(happen: (appender: Appender) => void): Promise<[string, number]> {
  let sent = 0;
  const commands = {
    send() {
      sent++;
      happen(appender);
      return Promise.reject(new ConnectionLost("cut"));
    },
  };
  const appender: Appender = appenderOn(commands);
  const refusal = await assertRejects(() => appender.append(batchOf("a")), Refusal);
  return [refusal.type, sent];
}

/** An appender with a link that sends by these commands. */
function appenderOn(commands: { readonly send: () => Promise<Reply> }): Appender {
  const link = { commands, epoch: "e", run: "r", offset: 5, number: 1 } as unknown as RedisLink;
  const keeper = { link, drop() {} } as unknown as LinkKeeper;
  const options = { historyCount: 1, historyAgeS: 1, idempotencyAgeS: 1, node: "n" };
  return new Appender({ clock, keeper, keys, ...options });
}
