import { assertEquals } from "@std/assert";
import { SqliteRecords } from "../../lib/broker/sqlite/records.ts";
import { Store } from "../../lib/broker/sqlite/store.ts";
import { newFile } from "./store_file.ts";

Deno.test("SqliteRecords keeps what was put last, in that order", () => {
  const { store } = Store.open(newFile(), "normal");
  const records = new SqliteRecords(() => store);
  assertEquals(records.read(), []);
  records.change(new Map([["a", "1"], ["b", "2"], ["c", "3"]]));
  records.change(new Map([["a", "4"], ["c", undefined], ["unknown", undefined]]));
  assertEquals(records.read(), ["2", "4"]);
  store.close();
});

Deno.test("SqliteRecords begins anew when some could not be written", () => {
  const { store } = Store.open(newFile(), "normal");
  let isFull = false;
  const records = new SqliteRecords(() => ({
    readRecords: () => store.readRecords(),
    changeRecords(changes, isAnew) {
      if (isFull) throw new Error("database or disk is full");
      store.changeRecords(changes, isAnew);
    },
  }));
  records.change(new Map([["a", "1"], ["b", "2"]]));
  isFull = true;
  records.change(new Map([["a", "3"]]));
  isFull = false;
  records.change(new Map([["c", "4"]]));
  assertEquals(records.read(), ["4"]);
  records.change(new Map([["a", "5"]]));
  assertEquals(records.read(), ["4", "5"]);
  store.close();
});

Deno.test("SqliteRecords are none while there is no store", () => {
  const records = new SqliteRecords(() => undefined);
  records.change(new Map([["a", "1"]]));
  assertEquals(records.read(), []);
});
