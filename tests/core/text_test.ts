import { assert, assertEquals } from "@std/assert";
import { ownText } from "../../lib/core/text.ts";
import { assertRetainsLess, retainedBytes } from "../support/retained.ts";

const LARGE = 100_000;

function large(index: number): string {
  return `${index}`.padEnd(LARGE, "x");
}

Deno.test("ownText() is the same text", () => {
  const texts = ["", "a", "x".repeat(12), "x".repeat(13), "ü\u{1f600}\ud800", "\ufeffa", " a "];
  for (const text of texts) assertEquals(ownText(text), text);
});

Deno.test("ownText() keeps nothing of the text that it was cut out of", async () => {
  const cut = (index: number) => large(index).slice(5, 105);
  // If this fails, the engine keeps no more than it has to, and ownText() is not needed.
  assert(await retainedBytes(cut) > LARGE / 2);
  await assertRetainsLess(1000, (index) => ownText(cut(index)));
});
