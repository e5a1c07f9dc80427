import { assertEquals } from "@std/assert";
import type { StoredRecords } from "../../lib/broker/journal.ts";
import { SqliteJournal } from "../../lib/broker/sqlite/journal.ts";
import { TurningClock } from "./helpers.ts";
import { newFile } from "./store_file.ts";

/** A text that SQLite refuses, as it does any on a full disk. */
const UNWRITABLE = new Uint8Array(1) as unknown as string;

/** Tests the records of a journal, which is not open yet. */
function recordsTest(
  title: string,
  body: (records: StoredRecords, journal: SqliteJournal) => Promise<void>,
): void {
  Deno.test(`SqliteJournal.records ${title}`, async () => {
    const journal = new SqliteJournal(newFile(), new TurningClock(), "normal");
    await body(journal.records, journal);
    await journal.close();
  });
}

recordsTest("keep what was put last, in that order", async (records, journal) => {
  await journal.open();
  assertEquals(records.read(), []);
  records.change(new Map([["a", "1"], ["b", "2"], ["c", "3"]]));
  records.change(new Map([["a", "4"], ["c", undefined], ["unknown", undefined]]));
  assertEquals(records.read(), ["2", "4"]);
});

recordsTest("begin anew when some could not be written", async (records, journal) => {
  await journal.open();
  records.change(new Map([["a", "1"], ["b", "2"]]));
  records.change(new Map([["a", "3"], ["d", UNWRITABLE]]));
  assertEquals(records.read(), ["1", "2"]);
  records.change(new Map([["c", "4"]]));
  assertEquals(records.read(), ["4"]);
  records.change(new Map([["a", "5"]]));
  assertEquals(records.read(), ["4", "5"]);
});

recordsTest("are none while the journal is not open", (records) => {
  records.change(new Map([["a", "1"]]));
  assertEquals(records.read(), []);
  return Promise.resolve();
});
