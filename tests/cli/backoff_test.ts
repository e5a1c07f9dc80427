import { assert, assertEquals } from "@std/assert";
import { Backoff, backoffMs } from "../../lib/cli/backoff.ts";

/** The longest waits of a back-off, one after each end; "reset" stands for a complete resume. */
function waits(...ends: ("lost" | "going away" | "reset")[]): number[] {
  const backoff = new Backoff(() => 1);
  return ends.flatMap((end) => {
    if (end !== "reset") return backoff.nextMs(end === "going away");
    backoff.reset();
    return [];
  });
}

Deno.test("the bound of a wait doubles up to 20 s, and begins anew after a resume", () => {
  const lost = Array(8).fill("lost");
  assertEquals(waits(...lost), [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  assertEquals(waits("lost", "lost", "lost", "reset", "lost"), [500, 1000, 2000, 500]);
});

Deno.test("after a server went away the first retries come within 2 s, and then back off", () => {
  const away = ["going away", ...Array(12).fill("lost")] as const;
  const expected = [...Array(9).fill(2000), 4000, 8000, 16_000, 20_000];
  assertEquals(waits(...away), expected);
  assertEquals(waits(...Array(7).fill("lost"), ...away).slice(7), expected);
  assertEquals(waits(...Array(13).fill("going away")), expected);
  assertEquals(waits("going away", "reset", "lost", "going away"), [2000, 500, 2000]);
});

Deno.test("a wait is anything up to its bound", () => {
  assertEquals([0.001, 0.5, 1].map((part) => backoffMs(1, () => part)), [1, 250, 500]);
  const spread = new Set(Array.from({ length: 50 }, () => new Backoff().nextMs(true)));
  assert(spread.size > 40 && Math.max(...spread) <= 2000, String([...spread]));
});
