import { assertEquals } from "@std/assert";
import { every, systemClock, wait } from "../../lib/core/clock.ts";
import { deadline } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";

Deno.test("systemClock.after() runs each callback once, the shorter wait first", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const runs: string[] = [];
  const longer = systemClock.after(20, () => {
    runs.push("longer");
    resolve();
  });
  const shorter = systemClock.after(1, () => runs.push("shorter"));
  await deadline(promise);
  longer.cancel();
  shorter.cancel();
  await deadline(wait(systemClock, 1));
  assertEquals(runs, ["shorter", "longer"]);
});

Deno.test("systemClock.after() does not run a cancelled callback", async () => {
  let ran = false;
  const timer = systemClock.after(0, () => ran = true);
  timer.cancel();
  timer.cancel();
  await deadline(wait(systemClock, 10));
  assertEquals(ran, false);
});

Deno.test("systemClock.after() does not take a month for no time at all", async () => {
  let ran = false;
  const timers = [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 5, 2 ** 40, Infinity].map((ms) =>
    systemClock.after(ms, () => ran = true)
  );
  await deadline(wait(systemClock, 30));
  for (const timer of timers) timer.cancel();
  assertEquals(ran, false);
});

Deno.test("systemClock.afterTurn() runs after microtasks and due timers, before later ones", async () => {
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  systemClock.afterTurn(() => {
    order.push("after turn");
    resolve();
  });
  Promise.resolve().then(() => order.push("microtask")).then(() => order.push("its microtask"));
  order.push("now");
  await deadline(promise);
  assertEquals(order, ["now", "microtask", "its microtask", "after turn"]);
});

Deno.test("systemClock.monotonic() never goes back, and now() is the time since 1970", () => {
  const readings = Array.from({ length: 1000 }, () => systemClock.monotonic());
  assertEquals(readings.toSorted((a, b) => a - b), readings);
  const times = [Date.now(), systemClock.now(), Date.now()];
  assertEquals(times.toSorted((a, b) => a - b), times);
});

Deno.test("every() runs its callback each time until cancelled", () => {
  const clock = new FakeClock();
  const runs: number[] = [];
  const timer = every(clock, 10, () => runs.push(clock.monotonic()));
  clock.advance(9);
  assertEquals(runs, []);
  clock.advance(26);
  assertEquals(runs, [10, 20, 30]);
  timer.cancel();
  timer.cancel();
  clock.advance(100);
  assertEquals([runs, clock.timers], [[10, 20, 30], 0]);
});

Deno.test("every() can be cancelled by its callback, and outlives one that throws", () => {
  const clock = new FakeClock();
  let runs = 0;
  const timer = every(clock, 10, () => {
    if (++runs === 1) throw new Error("once");
    timer.cancel();
  });
  let thrown = "";
  try {
    clock.advance(10);
  } catch (error) {
    thrown = (error as Error).message;
  }
  clock.advance(100);
  assertEquals([thrown, runs, clock.timers], ["once", 2, 0]);
});

Deno.test("wait() resolves after its time", async () => {
  const clock = new FakeClock();
  let done = false;
  const waiting = wait(clock, 10).then(() => done = true);
  await clock.pass(9);
  assertEquals(done, false);
  await clock.pass(1);
  assertEquals(done, true);
  await waiting;
});

Deno.test("FakeClock runs timers in order, each at its time, and those that they start", () => {
  const clock = new FakeClock(1000);
  const order: string[] = [];
  const note = (name: string) => order.push(`${name} ${clock.now()}`);
  clock.after(20, () => note("b"));
  clock.after(10, () => {
    note("a");
    clock.after(10, () => note("c"));
    clock.after(0, () => note("at once"));
    clock.afterTurn(() => note("a's turn"));
  });
  clock.after(20, () => note("d"));
  clock.after(31, () => note("too late"));
  clock.afterTurn(() => note("turn"));
  clock.advance(30);
  assertEquals(order, [
    "turn 1000",
    "a 1010",
    "a's turn 1010",
    "at once 1010",
    "b 1020",
    "d 1020",
    "c 1020",
  ]);
  assertEquals([clock.now(), clock.monotonic(), clock.timers], [1030, 30, 1]);
  clock.jump(-500);
  assertEquals([clock.now(), clock.monotonic()], [530, 30]);
});
