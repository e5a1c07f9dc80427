import { assertEquals } from "@std/assert";
import { Counts, Rate, Rates, Slots } from "../../lib/core/limits.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { random, randomInteger } from "../support/random.ts";

function takeAll(take: () => boolean): number {
  let taken = 0;
  while (taken < 10_000 && take()) taken++;
  return taken;
}

Deno.test("Rate lets a second's worth through at once, then as it comes in", () => {
  const rate = new Rate(10, 0);
  assertEquals(takeAll(() => rate.take(0)), 10);
  assertEquals(takeAll(() => rate.take(99)), 0);
  assertEquals(takeAll(() => rate.take(100)), 1);
  assertEquals(takeAll(() => rate.take(600)), 5);
  assertEquals(takeAll(() => rate.take(1_000_000)), 10);
});

Deno.test("Rate lets a burst through at once, then as it comes in", () => {
  const rate = new Rate(10, 0, 25);
  assertEquals(takeAll(() => rate.take(0)), 25);
  assertEquals(takeAll(() => rate.take(500)), 5);
  assertEquals([rate.idle(2999), rate.idle(3000)], [false, true]);
  assertEquals(takeAll(() => rate.take(1_000_000)), 25);
});

Deno.test("Rate takes all of an amount or nothing", () => {
  const rate = new Rate(10, 0);
  assertEquals(rate.take(0, 11), false);
  assertEquals(rate.take(0, 7), true);
  assertEquals(rate.take(0, 4), false);
  assertEquals(rate.take(0, 3), true);
  assertEquals(rate.take(0), false);
  assertEquals(rate.take(0, 0), true);
});

Deno.test("Rate lets nothing through at 0 a second", () => {
  const rate = new Rate(0, 0);
  assertEquals([rate.take(0), rate.take(1_000_000)], [false, false]);
});

Deno.test("Rate is idle until something is taken, and again when that has come back", () => {
  const rate = new Rate(10, 0);
  assertEquals(rate.idle(0), true);
  rate.take(0, 2);
  assertEquals([rate.idle(0), rate.idle(199), rate.idle(200)], [false, false, true]);
});

Deno.test("Rate lets no more through in any time than a burst and what came in", () => {
  const next = random(1);
  for (let round = 0; round < 100; round++) {
    const perSecond = 1 + randomInteger(next, 50);
    const rate = new Rate(perSecond, 0);
    let now = 0;
    let taken = 0;
    for (let step = 0; step < 200; step++) {
      now += randomInteger(next, 100);
      const amount = 1 + randomInteger(next, 3);
      if (rate.take(now, amount)) taken += amount;
      const allowed = perSecond + (perSecond * now) / 1000;
      assertEquals(taken <= allowed + 1e-6, true, `${taken} of ${allowed}`);
    }
  }
});

Deno.test("Rates holds each caller to a rate of its own", () => {
  const clock = new FakeClock();
  const rates = new Rates(clock, 2);
  assertEquals(takeAll(() => rates.take("a")), 2);
  assertEquals(rates.take("b", 2), true);
  assertEquals(rates.take("b"), false);
  clock.advance(500);
  clock.jump(-1_000_000);
  assertEquals([rates.take("a"), rates.take("a"), rates.take("b"), rates.take("c", 3)], [
    true,
    false,
    true,
    false,
  ]);
});

Deno.test("Rates remembers so many callers: the idle go first, and no busy one with them", () => {
  const clock = new FakeClock();
  const rates = new Rates(clock, 1, 3);
  for (const caller of ["a", "b", "c"]) rates.take(caller);
  clock.advance(1000);
  // "b" has its token back and keeps it: it is let go for "d", and nothing is lost by that.
  assertEquals([rates.take("a"), rates.take("c")], [true, true]);
  assertEquals(rates.take("d"), true);
  assertEquals([rates.take("a"), rates.take("c"), rates.take("d")], [false, false, false]);
  assertEquals(rates.take("b"), true);
});

Deno.test("Rates forgets the caller it has known for longest if all are busy", () => {
  const rates = new Rates(new FakeClock(), 1, 3);
  for (const caller of ["a", "b", "c", "d"]) rates.take(caller);
  assertEquals([rates.take("b"), rates.take("c"), rates.take("d")], [false, false, false]);
  assertEquals(rates.take("a"), true);
  assertEquals([rates.take("c"), rates.take("d"), rates.take("a")], [false, false, false]);
});

Deno.test("Slots counts in all and for each owner", () => {
  const slots = new Slots(3, 2);
  const first = slots.take("a");
  const second = slots.take("a");
  assertEquals([typeof first, typeof second, slots.take("a")], ["function", "function", "owner"]);
  const third = slots.take("b");
  assertEquals([typeof third, slots.take("c"), slots.take("a")], ["function", "all", "all"]);
  assertEquals(slots.taken, 3);
  if (typeof first === "function") first();
  assertEquals([slots.taken, typeof slots.take("a")], [2, "function"]);
});

Deno.test("Slots gives a slot back once, however often it is called", () => {
  const slots = new Slots(3, 1);
  const give = slots.take("a");
  slots.take("b");
  if (typeof give === "function") {
    give();
    give();
    give();
  }
  assertEquals([slots.taken, slots.take("b")], [1, "owner"]);
  assertEquals([typeof slots.take("a"), slots.take("a"), slots.taken], ["function", "owner", 2]);
});

Deno.test("Slots holds exempt owners to the number in all alone", () => {
  const slots = new Slots(3, 1);
  for (let round = 0; round < 3; round++) assertEquals(typeof slots.take("a", true), "function");
  assertEquals([slots.take("a", true), slots.take("b")], ["all", "all"]);
});

Deno.test("Slots that may have none give none", () => {
  assertEquals([new Slots(0, 1).take("a"), new Slots(1, 0).take("a")], ["all", "owner"]);
});

Deno.test("Counts tells how many an owner has, and forgets who has none", () => {
  const counts = new Counts();
  for (const owner of ["a", "b", "a"]) counts.add(owner);
  assertEquals(["a", "b", "c"].map((owner) => counts.of(owner)), [2, 1, 0]);
  for (const owner of ["a", "b"]) counts.remove(owner);
  assertEquals(["a", "b"].map((owner) => counts.of(owner)), [1, 0]);
});
