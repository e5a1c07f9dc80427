import { assertEquals } from "@std/assert";
import { Arrivals } from "../../lib/broker/arrivals.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Waits that say in `over` how they ended. */
function start(clock: FakeClock): { arrivals: Arrivals; wait: Wait; over: string[] } {
  const arrivals = new Arrivals(clock);
  const over: string[] = [];
  const wait: Wait = (offset, timeoutMs) => {
    arrivals.wait(offset, timeoutMs).then((arrived) => over.push(`${offset} ${arrived}`));
  };
  return { arrivals, wait, over };
}

type Wait = (offset: number, timeoutMs: number) => void;

Deno.test("Arrivals ends each wait when the log has reached its offset, or after its time", async () => {
  const clock = new FakeClock();
  const { arrivals, wait, over } = start(clock);
  wait(3, 100);
  wait(1, 300);
  wait(4, 50);
  wait(2, 100);
  await clock.pass(49);
  assertEquals(over, []);
  await clock.pass(1);
  assertEquals(over, ["4 false"]);
  arrivals.arrived(2);
  await clock.pass(49);
  assertEquals(over, ["4 false", "1 true", "2 true"]);
  await clock.pass(1);
  assertEquals(over, ["4 false", "1 true", "2 true", "3 false"]);
  assertEquals(clock.timers, 0);
});

Deno.test("Arrivals has one timer for any number of waits, and none without a wait", async () => {
  const clock = new FakeClock();
  const { arrivals, wait, over } = start(clock);
  for (let offset = 1; offset <= 10; offset++) wait(offset, 1000 - offset);
  assertEquals(clock.timers, 1);
  arrivals.arrived(9);
  assertEquals(clock.timers, 1);
  arrivals.giveUp();
  assertEquals(clock.timers, 0);
  wait(11, 10);
  await clock.pass(10);
  assertEquals(over.slice(8), ["9 true", "10 false", "11 false"]);
});

Deno.test("Arrivals goes on with more waits than a call may have arguments", async () => {
  const clock = new FakeClock();
  const { arrivals, wait, over } = start(clock);
  wait(0, 1);
  for (let offset = 1; offset <= 200_000; offset++) wait(offset, 10);
  await clock.pass(1);
  assertEquals([over, clock.timers], [["0 false"], 1]);
  arrivals.giveUp();
  await clock.settle();
  assertEquals([over.length, clock.timers], [200_001, 0]);
});
