import { assertEquals } from "@std/assert";
import { readRecord } from "../../../lib/protocols/socketio/records.ts";

const RECORD = { pid: "p", id: "i", user: "ann", channels: ["a", "b"], comebacks: 2 };

Deno.test("readRecord() reads a record from JSON, and nothing else", () => {
  const { user: _, ...anonymous } = RECORD;
  assertEquals(readRecord(JSON.parse(JSON.stringify(RECORD))), RECORD);
  assertEquals(readRecord(anonymous), { ...RECORD, user: undefined });
  assertEquals(readRecord({ ...RECORD, newer: 1 }), RECORD);
  const wrong = [
    ...[null, undefined, 7, "text", [], {}],
    { ...RECORD, pid: 7 },
    { ...RECORD, id: undefined },
    { ...RECORD, user: null },
    { ...RECORD, channels: "a" },
    { ...RECORD, channels: ["a", 7] },
    { ...RECORD, comebacks: "2" },
  ];
  assertEquals(wrong.map(readRecord), wrong.map(() => undefined));
});
