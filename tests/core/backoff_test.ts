import { assert, assertEquals } from "@std/assert";
import { ExponentialBackoff, jittered } from "../../lib/core/backoff.ts";

Deno.test("ExponentialBackoff doubles each pause up to a bound, and begins again after reset()", () => {
  const backoff = new ExponentialBackoff(50, 300);
  const next = (count: number) => Array.from({ length: count }, () => backoff.next());
  assertEquals(next(5), [50, 100, 200, 300, 300]);
  backoff.reset();
  assertEquals(next(2), [50, 100]);
});

Deno.test("jittered() gives half of a pause up to all of it", () => {
  const pauses = Array.from({ length: 1000 }, () => jittered(100));
  assert(pauses.every((ms) => ms >= 50 && ms < 100));
  assert(new Set(pauses).size > 1);
});
