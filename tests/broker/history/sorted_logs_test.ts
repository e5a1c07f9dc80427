import { assert, assertEquals } from "@std/assert";
import { ChannelLog } from "../../../lib/broker/history/channel_log.ts";
import { SortedLogs } from "../../../lib/broker/history/sorted_logs.ts";
import { covers } from "../../../lib/core/channel.ts";
import { random, randomChoice, randomInteger } from "../../support/random.ts";

function logOf(channel: string): ChannelLog {
  return new ChannelLog(channel, "");
}

function sortedOf(channels: Iterable<string>): SortedLogs {
  const sorted = new SortedLogs();
  for (const channel of channels) sorted.add(logOf(channel));
  return sorted;
}

function names(logs: readonly ChannelLog[]): string[] {
  return logs.map(({ channel }) => channel);
}

Deno.test("SortedLogs.of() finds the channels that match a pattern, in order", () => {
  const channels = ["b", "a.b.c", "a.b", "a.", "a", "a/b", "a:b", "ab.c", "a.b:c", "a-b", "A.b"];
  const sorted = sortedOf(channels);
  const table: [pattern: string, found: string[]][] = [
    ["*", channels.toSorted()],
    ["a.*", ["a.b", "a.b.c", "a.b:c"]],
    ["a:*", ["a:b"]],
    ["a.b.*", ["a.b.c"]],
    ["a.b:*", ["a.b:c"]],
    ["z.*", []],
    ["b.*", []],
  ];
  for (const [pattern, found] of table) {
    assertEquals(names(sorted.of(pattern)), found, pattern);
    assertEquals(sorted.count(pattern), found.length, pattern);
  }
  assertEquals(names(new SortedLogs().of("*")), []);
  assertEquals(new SortedLogs().count("a.*"), 0);
});

Deno.test("SortedLogs.after() finds the first names after a name", () => {
  const sorted = sortedOf(["c", "a", "d", "b"]);
  assertEquals(names(sorted.after("", 2)), ["a", "b"]);
  assertEquals(names(sorted.after("a", 2)), ["b", "c"]);
  assertEquals(names(sorted.after("bb", 9)), ["c", "d"]);
  assertEquals(names(sorted.after("d", 9)), []);
  assertEquals(names(new SortedLogs().after("", 9)), []);
});

Deno.test("SortedLogs finds the same as a plain list, however many logs come and go", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const next = random(seed);
    const sorted = new SortedLogs();
    const kept = new Map<string, ChannelLog>();
    const parts = ["a", "b", "a.", "a:", "b.", "."];
    const randomName = () =>
      Array.from({ length: 1 + randomInteger(next, 7) }, () => randomChoice(next, parts)).join("");
    // It becomes many blocks, and none again.
    for (let step = 0; step < 8000; step++) {
      const name = randomName();
      const log = kept.get(name);
      if (log === undefined && step < 5000) {
        kept.set(name, logOf(name));
        sorted.add(kept.get(name)!);
      } else if (log !== undefined && (step >= 5000 || step % 3 === 0)) {
        kept.delete(name);
        sorted.remove(log);
      }
      if (step % 200 > 0) continue;
      const all = [...kept.keys()].sort();
      assertEquals(names(sorted.of("*")), all);
      const pattern = `${randomName()}${randomChoice(next, [".*", ":*"])}`;
      const expected = all.filter((channel) => covers(pattern, channel));
      assertEquals(names(sorted.of(pattern)), expected, pattern);
      assertEquals(sorted.count(pattern), expected.length);
      const [after, limit] = [randomName(), 1 + randomInteger(next, 900)];
      assertEquals(
        names(sorted.after(after, limit)),
        all.filter((channel) => channel > after).slice(0, limit),
      );
    }
    for (const log of kept.values()) sorted.remove(log);
    assertEquals(sorted.of("*"), []);
  }
});

Deno.test("SortedLogs looks at few names to find those of a pattern, however many there are", () => {
  const sorted = new SortedLogs();
  let looks = 0;
  for (let at = 0; at < 10_000; at++) {
    const channel = `room.${at}.x`;
    const log = Object.defineProperty(logOf(channel), "channel", { get: () => (looks++, channel) });
    sorted.add(log);
  }
  looks = 0;
  assertEquals(sorted.count("room.777.*"), 1);
  assertEquals(sorted.of("none.*"), []);
  assert(looks < 100, `${looks} looks`);
});
