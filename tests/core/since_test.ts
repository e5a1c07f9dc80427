import { assertEquals, assertThrows } from "@std/assert";
import { isMoment, parseSince } from "../../lib/core/since.ts";

const NOW_MS = Date.UTC(2026, 0, 31, 12);

Deno.test("parseSince() reads ids, all, durations and date-times", () => {
  const table: [string, object][] = [
    ["abc-12", { epoch: "abc", offset: 12 }],
    ["all-1", { epoch: "all", offset: 1 }],
    ["10-1", { epoch: "10", offset: 1 }],
    ["all", { sinceMs: 0 }],
    ["0s", { sinceMs: NOW_MS }],
    ["1s", { sinceMs: NOW_MS - 1000 }],
    ["10m", { sinceMs: NOW_MS - 600_000 }],
    ["2h", { sinceMs: NOW_MS - 7_200_000 }],
    ["1d", { sinceMs: NOW_MS - 86_400_000 }],
    ["999999999d", { sinceMs: 0 }],
    ["2026-01-31T09:30:00Z", { sinceMs: Date.UTC(2026, 0, 31, 9, 30) }],
    ["2026-01-31t09:30:00.250z", { sinceMs: Date.UTC(2026, 0, 31, 9, 30, 0, 250) }],
    ["2026-01-31T09:30:00.123456789Z", { sinceMs: Date.UTC(2026, 0, 31, 9, 30, 0, 123) }],
    ["2026-01-31T09:30:00+01:30", { sinceMs: Date.UTC(2026, 0, 31, 8) }],
    ["2026-01-31T09:30:00 01:30", { sinceMs: Date.UTC(2026, 0, 31, 8) }],
    ["2026-01-31T09:30:00-01:30", { sinceMs: Date.UTC(2026, 0, 31, 11) }],
    ["2024-02-29T00:00:00Z", { sinceMs: Date.UTC(2024, 1, 29) }],
    ["1969-12-31T23:59:59Z", { sinceMs: 0 }],
    ["2999-01-01T00:00:00Z", { sinceMs: Date.UTC(2999, 0, 1) }],
  ];
  for (const [text, since] of table) {
    const read = parseSince(text, NOW_MS);
    assertEquals(read, since, text);
    assertEquals(isMoment(read), "sinceMs" in since, text);
  }
});

Deno.test("parseSince() refuses everything else, and quotes no more than 80 characters", () => {
  const texts = [
    "",
    "All",
    "yesterday",
    "10",
    "m",
    "10 m",
    "-10m",
    "1.5h",
    "10ms",
    "10w",
    "1234567890s",
    "2026-01-31",
    "2026-01-31T09:30Z",
    "2026-01-31T09:30:00",
    "2026-01-31 09:30:00Z",
    "2026-13-01T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-01-31T25:00:00Z",
    "2026-01-31T09:30:00+25:00",
    "2026-01-31T09:30:00Z\n",
    "abc-",
  ];
  for (const text of texts) {
    assertThrows(() => parseSince(text, NOW_MS), SyntaxError, "Cannot parse since: expected an id");
  }
  const { message } = assertThrows(() => parseSince("x".repeat(500), NOW_MS), SyntaxError);
  assertEquals(message.endsWith(`got "${"x".repeat(80)}"`), true);
});
