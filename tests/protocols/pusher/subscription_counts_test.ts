import { assertEquals } from "@std/assert";
import {
  INTERVAL_MS,
  LARGE_CHANNEL,
  SubscriptionCounts,
} from "../../../lib/protocols/pusher/subscription_counts.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** SubscriptionCounts of one node, what it sends to the others, and the totals that change. */
function makeCounts() {
  const clock = new FakeClock();
  const here = new Map<string, number>();
  const sent: [string, number][] = [];
  const changes: [string, number][] = [];
  const counts = new SubscriptionCounts({
    clock,
    countHere: (channel) => here.get(channel) ?? 0,
    tell: (...count) => sent.push(count),
    onChange: (...change) => changes.push(change),
  });
  const setHere = (count: number) => {
    here.set("ci", count);
    counts.update("ci");
  };
  return { clock, counts, setHere, sent, changes };
}

Deno.test("the counts of all nodes add up, and each change is sent at once", () => {
  const { counts, setHere, sent, changes, clock } = makeCounts();
  setHere(1);
  setHere(1);
  counts.heard("b", "ci", 2);
  counts.heard("c", "ci", 3);
  setHere(2);
  counts.replace("b", [["other", 1]]);
  counts.replace("c", []);
  setHere(0);
  assertEquals(sent, [["ci", 1], ["ci", 2], ["ci", 0]]);
  assertEquals(changes, [
    ...[["ci", 1], ["ci", 3], ["ci", 6], ["ci", 7]],
    ...[["ci", 5], ["other", 1], ["ci", 2], ["ci", 0]],
  ] as [string, number][]);
  assertEquals([counts.here, clock.timers], [[], 0]);
});

Deno.test("the count of a large channel is sent at most once in five seconds", () => {
  const { clock, counts, setHere, sent, changes } = makeCounts();
  counts.heard("b", "ci", LARGE_CHANNEL - 2);
  for (let count = 1; count <= 50; count++) setHere(count);
  const full = LARGE_CHANNEL - 2;
  assertEquals(changes, [["ci", full], ["ci", full + 1], ["ci", full + 2]]);
  assertEquals(sent, [["ci", 1], ["ci", 2]]);
  clock.advance(INTERVAL_MS - 1);
  assertEquals(changes.length, 3);
  clock.advance(1);
  assertEquals([changes.at(-1), sent.at(-1)], [["ci", full + 50], ["ci", 50]]);
  setHere(51);
  assertEquals(changes.at(-1), ["ci", full + 50]);
  // As soon as it is not large any more, everything counts at once.
  counts.heard("b", "ci", 0);
  assertEquals([changes.at(-1), sent.at(-1)], [["ci", 51], ["ci", 51]]);
  clock.advance(INTERVAL_MS);
  assertEquals([changes.length, clock.timers], [5, 0]);
});

Deno.test("counts that wait are not sent after close()", () => {
  const { clock, counts, setHere, changes } = makeCounts();
  setHere(LARGE_CHANNEL);
  setHere(LARGE_CHANNEL + 1);
  counts.close();
  // What other nodes send starts no new pause.
  counts.heard("b", "ci", LARGE_CHANNEL);
  counts.heard("b", "other", LARGE_CHANNEL);
  assertEquals([changes, clock.timers], [[["ci", LARGE_CHANNEL]], 0]);
});
