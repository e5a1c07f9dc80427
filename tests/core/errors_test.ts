import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { because, DISCONNECTS, readInput, Refusal } from "../../lib/core/errors.ts";

Deno.test("DISCONNECTS have each a code of its own, and a reason that fits a close frame", () => {
  const all = Object.entries(DISCONNECTS);
  assertEquals(all.map(([key]) => key), all.map(([, { name }]) => name));
  assertEquals(new Set(all.map(([, { code }]) => code)).size, all.length);
  assertEquals(all.map(([, { code }]) => code), [1001, 1011, 4001, 4002, 4003, 4500, 4501, 4502]);
  for (const [, { reason }] of all) assertEquals(/^[ -~]{1,123}$/.test(reason), true, reason);
});

Deno.test("because() adds what was wrong, within 123 bytes", () => {
  assertEquals(because(DISCONNECTS.protocol, "no type"), {
    name: "protocol",
    code: 4500,
    reason: "protocol error: no type",
  });
  const { reason } = because(DISCONNECTS.protocol, "x".repeat(1000));
  assertEquals(reason, "protocol error: " + "x".repeat(107));
  assertEquals(DISCONNECTS.protocol.reason, "protocol error");
});

Deno.test("Refusal carries its type, and when to come again", () => {
  const refusal = new Refusal("over-limit", "Cannot subscribe");
  assertEquals([refusal.name, refusal.type, refusal.message, refusal.retryAfterS], [
    "Refusal",
    "over-limit",
    "Cannot subscribe",
    undefined,
  ]);
  assertEquals(new Refusal("unavailable", "Later", 5).retryAfterS, 5);
  assertEquals(refusal instanceof Error, true);
});

Deno.test("readInput() makes a caller's mistakes refusals, and leaves ours as they are", () => {
  assertEquals(readInput(() => 7), 7);
  for (const mistake of [new TypeError("a"), new RangeError("b"), new SyntaxError("c")]) {
    const refusal = assertThrows(() => {
      readInput(() => {
        throw mistake;
      });
    }, Refusal) as Refusal;
    assertEquals([refusal.type, refusal.message], ["bad-request", mistake.message]);
  }
  for (const error of [new Error("ours"), new Refusal("forbidden", "no")]) {
    const thrown = assertThrows(() => {
      readInput(() => {
        throw error;
      });
    });
    assertStrictEquals(thrown, error);
  }
});
