import { assertEquals } from "@std/assert";
import { Deadlines } from "../../lib/core/deadlines.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Deadlines of 100 ms, and the items that came due, in order. */
function setUp(onDue: (item: string, deadlines: Deadlines<string>) => void = () => {}) {
  const clock = new FakeClock();
  const due: string[] = [];
  const deadlines: Deadlines<string> = new Deadlines(clock, 100, (item) => {
    due.push(`${item}@${clock.monotonic()}`);
    onDue(item, deadlines);
  });
  return { clock, due, deadlines };
}

Deno.test("Deadlines each come after their time, in order, on one timer", () => {
  const { clock, due, deadlines } = setUp();
  deadlines.start("a");
  clock.advance(30);
  deadlines.start("b");
  deadlines.start("c");
  assertEquals([deadlines.size, clock.timers], [3, 1]);
  clock.advance(99);
  assertEquals(due, ["a@100"]);
  clock.advance(1);
  assertEquals(due, ["a@100", "b@130", "c@130"]);
  assertEquals([deadlines.size, clock.timers], [0, 0]);
});

Deno.test("Deadlines.start() begins anew, cancel() takes out, and neither leaves a timer", () => {
  const { clock, due, deadlines } = setUp();
  deadlines.start("a");
  deadlines.start("b");
  clock.advance(60);
  deadlines.start("a");
  deadlines.cancel("b");
  deadlines.cancel("unknown");
  clock.advance(99);
  assertEquals(due, []);
  clock.advance(1);
  assertEquals(due, ["a@160"]);
  deadlines.start("c");
  deadlines.cancel("c");
  assertEquals(clock.timers, 0);
  clock.advance(1000);
  assertEquals(due, ["a@160"]);
});

Deno.test("Deadlines can be started and cancelled by an item that is due, and the others stay on time", () => {
  const { clock, due, deadlines } = setUp((item, deadlines) => {
    if (item === "a") deadlines.start("a2");
    if (item === "b") deadlines.cancel("a2");
  });
  deadlines.start("a");
  clock.advance(40);
  deadlines.start("b");
  clock.advance(20);
  deadlines.start("c");
  clock.advance(500);
  assertEquals(due, ["a@100", "b@140", "c@160"]);
  assertEquals(clock.timers, 0);
});

Deno.test("Deadlines.cancelKeepingTimer() takes out and leaves the timer, which ends by itself", () => {
  const { clock, due, deadlines } = setUp();
  deadlines.start("a");
  deadlines.start("b");
  assertEquals([...deadlines.items()], ["a", "b"]);
  for (const item of ["a", "b", "unknown"]) deadlines.cancelKeepingTimer(item);
  assertEquals([deadlines.size, clock.timers], [0, 1]);
  clock.advance(40);
  deadlines.start("c");
  clock.advance(60);
  assertEquals([due, clock.timers], [[], 1]);
  clock.advance(40);
  assertEquals([due, clock.timers], [["c@140"], 0]);
});

Deno.test("Deadlines.has() reports what waits, and clear() takes it all out, with the timer", () => {
  const { clock, due, deadlines } = setUp();
  deadlines.start("a");
  clock.advance(50);
  deadlines.start("b");
  clock.advance(50);
  assertEquals([deadlines.has("a"), deadlines.has("b")], [false, true]);
  deadlines.clear();
  assertEquals([deadlines.has("b"), deadlines.size, clock.timers], [false, 0, 0]);
  deadlines.start("c");
  clock.advance(100);
  assertEquals(due, ["a@100", "c@200"]);
});
