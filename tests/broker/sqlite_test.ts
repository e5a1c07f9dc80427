import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Broker, idAt } from "../../lib/broker/broker.ts";
import { Refusal } from "../../lib/core/errors.ts";
import type { Draft } from "../../lib/core/publication.ts";
import { MemoryJournal } from "../../lib/broker/memory.ts";
import { SqliteJournal } from "../../lib/broker/sqlite/journal.ts";
import { random, randomChoice, randomInteger } from "../support/random.ts";
import { brokerContract } from "./contract.ts";
import {
  brokerOn,
  Deliveries,
  draft,
  fields,
  publish,
  publishOn,
  readAfter,
  summary,
  TurningClock,
} from "./helpers.ts";
import { countRows, crashed, inFile, newFile, open, PAGE_BYTES, walBytes } from "./store_file.ts";

brokerContract(
  "SqliteJournal",
  (clock) => new SqliteJournal(newFile(), clock, "normal"),
  { canReopen: true },
);

brokerContract(
  "SqliteJournal with sync full",
  (clock) => new SqliteJournal(newFile(), clock, "full"),
  { canReopen: true },
);

Deno.test("SqliteJournal goes on with the same log after a restart", async () => {
  const file = newFile();
  const first = await open(file);
  const drafts = [draft("a", '"é"', "hi"), draft("b", new Uint8Array([0, 255])), draft("a")];
  const receipt = await first.publish({ drafts });
  await first.close();
  const second = await open(file);
  assertEquals(second.position, { epoch: first.position.epoch, offset: 3 });
  const page = await readAfter(second, 0);
  const { epoch, time } = receipt;
  const expected = drafts.map((draft, index) => {
    return { ...draft, epoch, time, offset: index + 1, id: idAt(receipt, index) };
  });
  assertEquals(page.publications.map(fields), expected);
  assertEquals(page.complete, true);
  assertEquals(second.stats(), first.stats());
  assertEquals(await publishOn(second, "a"), [4]);
  await second.close();
  const types = inFile(file, (db) => db.prepare("SELECT typeof(data) t FROM publication").all());
  assertEquals(types.map(({ t }) => t), ["text", "blob", "text", "text"]);
});

Deno.test("SqliteJournal restarted or crashed at any time reads as MemoryJournal does", async () => {
  const next = random(7);
  const limits = { historyCount: 4, historyBytesMax: 2000, historyTotalBytesMax: 6000 };
  const clock = new TurningClock();
  const file = newFile();
  const names = ["a", "b", "c", "d.1", "d.2"];
  const memory = brokerOn(new MemoryJournal(clock), clock, limits);
  await memory.start(new Deliveries());
  let sqlite = await open(file, limits, clock);

  function randomBatch(): Draft[] {
    return Array.from({ length: 1 + randomInteger(next, 3) }, () => {
      const channel = names[Math.floor(next() ** 2 * names.length)]!;
      return draft(channel, "x".repeat(randomInteger(next, 600)));
    });
  }

  async function assertSameReads(broker: Broker): Promise<void> {
    assertEquals(broker.stats(), memory.stats());
    for (let reads = 0; reads < 10; reads++) {
      const since = randomInteger(next, memory.position.offset);
      const channels = [randomChoice(next, [...names, "d.*", "*"])];
      const query = { until: memory.position.offset };
      const expected = summary(await readAfter(memory, since, channels, query));
      assertEquals(summary(await readAfter(broker, since, channels, query)), expected);
    }
  }

  for (let round = 0; round < 150; round++) {
    const batches = Array.from({ length: randomInteger(next, 5) }, randomBatch);
    await Promise.all(batches.flatMap((drafts) => {
      return [memory, sqlite].map((broker) => broker.publish({ drafts }));
    }));
    if (next() < 0.1) {
      await sqlite.close();
      sqlite = await open(file, limits, clock);
    }
    assertEquals(sqlite.position.offset, memory.position.offset);
    await assertSameReads(sqlite);
    if (next() < 0.2) {
      const recovered = await open(crashed(file), limits, clock);
      await assertSameReads(recovered);
      await recovered.close();
    }
  }
  const { publications } = memory.stats();
  await Promise.all([memory.close(), sqlite.close()]);
  assertEquals(countRows(file, "publication"), publications);
});

Deno.test("SqliteJournal applies smaller bounds to what is kept", async () => {
  const file = newFile();
  const first = await open(file);
  await publishOn(first, "old", "a", "a", "b", "a");
  await first.close();
  const second = await open(file, { historyCount: 2, channelsMax: 2 });
  assertEquals(summary(await readAfter(second, 1)), {
    offsets: [3, 4, 5],
    complete: false,
    lostOffset: 2,
    position: 5,
    more: false,
  });
  assertEquals(summary(await readAfter(second, 1, ["b"])).complete, true);
  assertEquals(summary(await readAfter(second, 0, ["b"])).complete, false);
  await second.close();
  assertEquals(countRows(file, "publication"), 3);
});

Deno.test("SqliteJournal deletes from the file what grew too old", async () => {
  const file = newFile();
  const clock = new TurningClock();
  const limits = { historyAgeS: 60, historyCount: 1 };
  const broker = await open(file, limits, clock);
  const rowsNow = () => ["publication", "channel"].map((table) => countRows(crashed(file), table));
  await publishOn(broker, "a", "b", "b");
  clock.advance(1000);
  assertEquals(rowsNow(), [2, 1]);
  clock.advance(61_000);
  assertEquals(rowsNow(), [0, 0]);
  await broker.close();
  const again = await open(file, limits, clock);
  assertEquals([again.position.offset, await publishOn(again, "a")], [3, [4]]);
  assertEquals(summary(await readAfter(again, 2, ["a"])).complete, false);
  await again.close();
});

Deno.test("SqliteJournal knows after a restart how old things are, however the wall clock was set", async () => {
  const file = newFile();
  const clock = new TurningClock();
  const hourMs = 3_600_000;
  const limits = { historyAgeS: 60 };
  const run = async (use: (broker: Broker) => Promise<void>) => {
    const broker = await open(file, limits, clock);
    await use(broker);
    await broker.close();
  };
  const keptNow = async (broker: Broker) => summary(await readAfter(broker, 0, ["a", "b"])).offsets;
  await run(async (broker) => {
    clock.jump(hourMs);
    await publishOn(broker, "a");
    clock.jump(-hourMs);
    clock.advance(1000);
    await publishOn(broker, "b", "a");
  });
  // What seems to come from the future is as old as what came after it.
  clock.advance(49_000);
  await run(async (broker) => {
    assertEquals(await keptNow(broker), [1, 2, 3]);
    clock.advance(10_000);
    assertEquals(await keptNow(broker), [1, 2, 3]);
    clock.advance(1000);
    assertEquals(await keptNow(broker), []);
    await publishOn(broker, "a");
  });
  // A clock that was set back makes nothing immortal: the time begins anew.
  clock.jump(-hourMs);
  await run(async (broker) => {
    clock.advance(59_999);
    assertEquals(await keptNow(broker), [4]);
    clock.advance(1);
    assertEquals(await keptNow(broker), []);
  });
});

Deno.test("SqliteJournal keeps its file bounded", async () => {
  const file = newFile();
  const broker = await open(file, { historyCount: 50 });
  const data = JSON.stringify("x".repeat(300));
  for (let turn = 0; turn < 300; turn++) {
    const channels = Array.from({ length: 64 }, (_, index) => `channel.${index % 4}`);
    await Promise.all(channels.map((channel) => publish(broker, [draft(channel, data)])));
  }
  // 200 publications are kept, 19,200 went through.
  assert(walBytes(file) <= 1200 * PAGE_BYTES, `${walBytes(file)} bytes of write-ahead log`);
  await broker.close();
  assertEquals(countRows(file, "publication"), 200);
  const { size } = await Deno.stat(file);
  assert(size <= 100 * PAGE_BYTES, `${size} bytes`);
});

Deno.test("SqliteJournal makes one commit of all batches of a turn", async () => {
  const file = newFile();
  const broker = await open(file);
  const before = walBytes(file);
  await publishOn(broker, ...Array.from({ length: 64 }, () => "a"));
  const pages = (walBytes(file) - before) / PAGE_BYTES;
  assert(pages < 10, `${pages} pages were written`);
  await broker.close();
});

Deno.test("SqliteJournal loses nothing in a crash of the process", async () => {
  const file = newFile();
  const first = await open(file, { historyCount: 2 });
  await publishOn(first, "chatty", "quiet", "chatty", "chatty");
  const copy = crashed(file);
  await first.close();
  const second = await open(copy, { historyCount: 2 });
  assertEquals(second.position.offset, 1_000_004);
  assertEquals(summary(await readAfter(second, 2, ["quiet"])).complete, true);
  assertEquals(summary(await readAfter(second, 0, ["chatty"])), {
    offsets: [3, 4],
    complete: false,
    lostOffset: 1,
    position: 1_000_004,
    more: false,
  });
  assertEquals(await publishOn(second, "quiet"), [1_000_005]);
  assertEquals(summary(await readAfter(second, 4)).complete, true);
  await second.close();
  const third = await open(copy);
  assertEquals(third.position.offset, 1_000_005);
  await third.close();
});

Deno.test("SqliteJournal gives no offset twice after a crash of the machine", async () => {
  const file = newFile();
  const first = await open(file);
  await publishOn(first, "a");
  const synced = walBytes(file);
  await publishOn(first, "a", "a");
  const copy = crashed(file, synced);
  await first.close();
  const second = await open(copy);
  assertEquals(await publishOn(second, "a"), [1_000_002]);
  await second.close();
  const third = await open(copy);
  const completeAfter = async (since: number) => (await readAfter(third, since)).complete;
  // 2 and 3 are lost: a client that has had 2 may have missed 3.
  assertEquals(await completeAfter(2), false);
  assertEquals(await completeAfter(1_000_000), false);
  assertEquals(await completeAfter(1_000_001), true);
  assertEquals(summary(await readAfter(third, 2)).offsets, [1_000_002]);
  await third.close();
});

Deno.test("SqliteJournal remembers the last 100 crashes, and that there were more", async () => {
  let file = newFile();
  await (await open(file)).close();
  for (let crash = 0; crash < 102; crash++) {
    const broker = await open(file);
    const copy = crashed(file);
    await broker.close();
    file = copy;
  }
  const broker = await open(file);
  const completeAfter = async (since: number) => (await readAfter(broker, since)).complete;
  assertEquals(await completeAfter(1_000_000), false);
  assertEquals(await completeAfter(2_000_000), true);
  assertEquals(await completeAfter(2_000_001), false);
  assertEquals(await completeAfter(102_000_000), true);
  await broker.close();
  assertEquals(countRows(file, "gap"), 100);
});

Deno.test("SqliteJournal refuses to publish once it is closed", async () => {
  const broker = await open(newFile());
  await broker.close();
  const refusal = await assertRejects(() => publish(broker, [draft("a")]), Refusal, "is stopping");
  assertEquals(refusal.type, "unavailable");
});
