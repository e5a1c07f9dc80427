import { assertEquals, assertRejects } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import { draft, fields, publish, publishOn, readAfter, summary, TurningClock } from "./helpers.ts";
import { publishOnce } from "./keys_contract.ts";
import { countRows, crashed, inFile, newFile, open } from "./store_file.ts";

/** A store that Hark made before publications had optional fields, and keys were kept. */
async function oldStore(): Promise<string> {
  const packed = await Deno.open(new URL("./store_v1.db.gz", import.meta.url));
  const file = newFile();
  const unpacked = packed.readable.pipeThrough(new DecompressionStream("gzip"));
  await Deno.writeFile(file, unpacked);
  return file;
}

Deno.test("SqliteJournal opens a store of an older Hark", async () => {
  const file = await oldStore();
  const broker = await open(file, { historyCount: 3 });
  const epoch = "darkok2r";
  assertEquals(broker.position, { epoch, offset: 1_000_010 });
  const page = await readAfter(broker, undefined);
  const row = (offset: number, channel: string, data: unknown, time: number, event = "message") => {
    return { id: `${epoch}-${offset}`, epoch, offset, channel, event, data, time };
  };
  assertEquals(page.publications.map(fields), [
    row(3, "ci", '{"é":"𝄞"}', 1795887806377, "build é"),
    row(4, "ci", '{"message":"fourth"}', 1795887806392),
    row(5, "bytes", new Uint8Array([0, 255, 128]), 1795887806404),
    row(6, "lines", "1", 1795887806418),
    row(7, "lines", '"two"', 1795887806418),
    row(8, "lines", '{"n":3}', 1795887806418),
    row(9, "broadcast", '{"message":"hello"}', 1795887806429),
    row(1_000_010, "ci", '{"message":"after the crash"}', 1795887807466),
  ]);
  const complete = [1, 2, 9, 10, 1_000_008, 1_000_009].map(async (since) => {
    return (await readAfter(broker, since)).complete;
  });
  // 2 of "ci" is evicted; the server crashed at 9.
  assertEquals(await Promise.all(complete), [false, true, true, false, false, true]);
  await publish(broker, [draft("ci")], "a");
  await publishOnce(broker, "x");
  await broker.close();
  const again = await open(file, { historyCount: 3 });
  assertEquals(again.position, { epoch, offset: 1_000_012 });
  await again.close();
});

Deno.test("SqliteJournal leaves a store that an older Hark can open", async () => {
  const file = newFile();
  const broker = await open(file);
  await publish(broker, [draft("a"), draft("b")], "a");
  await broker.close();
  const shape = (path: string) =>
    inFile(path, (db) => {
      const tables = "'log', 'gap', 'channel', 'publication'";
      const query = `SELECT name, sql FROM sqlite_schema WHERE name IN (${tables}) ORDER BY name`;
      return [db.prepare(query).all(), db.prepare("PRAGMA user_version").get()];
    });
  assertEquals(shape(file), shape(await oldStore()));
  // It deletes what it evicts from the tables that it knows.
  inFile(file, (db) => db.exec("DELETE FROM publication WHERE offset = 1"));
  const again = await open(file);
  assertEquals(summary(await readAfter(again, undefined)).offsets, [2]);
  await again.close();
  assertEquals(countRows(file, "publication_fields"), 1);
});

Deno.test("SqliteJournal ignores optional fields that it does not know", async () => {
  const file = newFile();
  const broker = await open(file);
  await publish(broker, [draft("a"), draft("b"), draft("c")], "x");
  await publishOnce(broker, "known");
  await publishOnce(broker, "unknown");
  await broker.close();
  inFile(file, (db) => {
    const fields = ['{"caller":"x","new":[1]}', '{"caller":7}', "[]"];
    fields.forEach((text, index) => {
      db.prepare("UPDATE publication_fields SET fields = ? WHERE offset = ?").run(text, index + 1);
    });
    db.exec(`UPDATE idempotency_key SET fields = '{"fingerprint":1}' WHERE key = 'unknown'`);
  });
  const again = await open(file, { channelsMax: 7 });
  assertEquals((await readAfter(again, undefined)).publications.length, 5);
  assertEquals((await publishOnce(again, "known")).offset, 4);
  assertEquals((await publishOnce(again, "unknown")).offset, 6);
  // One of four channels is x's: two more make half of what the others leave.
  await publish(again, [draft("d")], "x");
  await assertRejects(() => publish(again, [draft("e"), draft("f")], "x"), Refusal, "2 of");
  await again.close();
});

Deno.test("a key counts once before and after a restart", async () => {
  const file = newFile();
  const clock = new TurningClock();
  const first = await open(file, {}, clock);
  const receipt = await publishOnce(first, "x", { count: 3 });
  await publishOn(first, "a");
  const copy = crashed(file);
  await first.close();
  for (const [path, end] of [[file, 4], [copy, 1_000_004]] as const) {
    const broker = await open(path, {}, clock);
    let admitted = 0;
    const again = await publishOnce(broker, "x", { count: 3, admit: () => void admitted++ });
    assertEquals([again, admitted, broker.position.offset], [receipt, 0, end]);
    const other = publishOnce(broker, "x", { fingerprint: "other" });
    assertEquals((await assertRejects(() => other, Refusal)).type, "conflict");
    await broker.close();
  }
});

Deno.test("a key is remembered after a restart for what is left of its time", async () => {
  const file = newFile();
  const clock = new TurningClock();
  const limits = { idempotencyAgeS: 60, idempotencyKeysMax: 4 };
  const first = await open(file, limits, clock);
  await publishOnce(first, "old");
  clock.advance(30_000);
  await publishOnce(first, "young");
  await first.close();
  clock.advance(10_000);
  const second = await open(file, limits, clock);
  await assertRejects(() => publishOnce(second, "third"), Refusal, "Idempotency-Key");
  clock.advance(19_999);
  assertEquals((await publishOnce(second, "old")).offset, 1);
  clock.advance(1);
  assertEquals((await publishOnce(second, "young")).offset, 2);
  assertEquals((await publishOnce(second, "old")).offset, 3);
  await second.close();
  assertEquals(countRows(file, "idempotency_key"), 2);
  // A clock that was set back makes no key immortal.
  clock.jump(-3_600_000);
  const third = await open(file, limits, clock);
  clock.advance(60_000);
  assertEquals((await publishOnce(third, "old")).offset, 4);
  await third.close();
});

Deno.test("quotas are the same after a restart", async () => {
  const file = newFile();
  const limits = { channelsMax: 10, historyCount: 1 };
  const first = await open(file, limits);
  await publish(first, [draft("a"), draft("b"), draft("c"), draft("d")], "flood");
  // What it began stays its own, though others publish there and its own is evicted.
  await publish(first, [draft("a"), draft("b")], "other");
  await publish(first, [draft("c")]);
  await publish(first, [draft("e")], "other");
  await first.close();
  const second = await open(file, limits);
  await publish(second, [draft("new.0"), draft("new.1")], "other");
  const refused = () => publish(second, [draft("f"), draft("g")], "flood");
  await assertRejects(refused, Refusal, "4 of the server's 10 are yours");
  await second.close();
});

Deno.test("bytes of the caller that holds most are evicted after a restart, too", async () => {
  const file = newFile();
  const limits = { historyTotalBytesMax: 10_000 };
  const first = await open(file, limits);
  const publishBy = (broker: typeof first, caller: string, channel: string) =>
    publish(broker, [draft(channel, new Uint8Array(800))], caller);
  await publishBy(first, "quiet", "quiet");
  for (let index = 0; index < 9; index++) await publishBy(first, "flood", `flood.${index}`);
  await first.close();
  const second = await open(file, limits);
  for (let index = 9; index < 20; index++) await publishBy(second, "flood", `flood.${index}`);
  assertEquals((await readAfter(second, undefined, ["quiet"])).publications.length, 1);
  await second.close();
});
