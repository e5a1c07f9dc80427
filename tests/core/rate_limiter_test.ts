import { assertEquals } from "@std/assert";
import { RateLimiter, TokenBucket } from "../../lib/core/rate_limiter.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { random, randomInteger } from "../support/random.ts";

function takeAll(take: () => boolean): number {
  let taken = 0;
  while (taken < 10_000 && take()) taken++;
  return taken;
}

Deno.test("TokenBucket admits the amount of a second at once, then as it is refilled", () => {
  const rate = new TokenBucket(10, 0);
  assertEquals(takeAll(() => rate.take(0)), 10);
  assertEquals(takeAll(() => rate.take(99)), 0);
  assertEquals(takeAll(() => rate.take(100)), 1);
  assertEquals(takeAll(() => rate.take(600)), 5);
  assertEquals(takeAll(() => rate.take(1_000_000)), 10);
});

Deno.test("TokenBucket admits a burst at once, then as it is refilled", () => {
  const rate = new TokenBucket(10, 0, 25);
  assertEquals(takeAll(() => rate.take(0)), 25);
  assertEquals(takeAll(() => rate.take(500)), 5);
  assertEquals(takeAll(() => rate.take(1_000_000)), 25);
});

Deno.test("TokenBucket takes all of an amount or nothing", () => {
  const rate = new TokenBucket(10, 0);
  assertEquals(rate.take(0, 11), false);
  assertEquals(rate.take(0, 7), true);
  assertEquals(rate.take(0, 4), false);
  assertEquals(rate.take(0, 3), true);
  assertEquals(rate.take(0), false);
  assertEquals(rate.take(0, 0), true);
});

Deno.test("TokenBucket lets nothing through at 0 a second", () => {
  const rate = new TokenBucket(0, 0);
  assertEquals([rate.take(0), rate.take(1_000_000)], [false, false]);
});

Deno.test("TokenBucket admits no more in any time than a burst and its refill", () => {
  const next = random(1);
  for (let round = 0; round < 100; round++) {
    const perSecond = 1 + randomInteger(next, 50);
    const rate = new TokenBucket(perSecond, 0);
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

Deno.test("RateLimiter holds each caller to a rate of its own", () => {
  const clock = new FakeClock();
  const rates = new RateLimiter({ clock, perSecond: 2 });
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

Deno.test("RateLimiter forgets callers that have not come for long, and no others", () => {
  const rates = new RateLimiter({ clock: new FakeClock(), perSecond: 1, callersMax: 2 });
  const take = (...callers: string[]) => callers.map((caller) => rates.take(caller));
  assertEquals(take("a", "b", "c"), [true, true, true]);
  assertEquals(take("a"), [false]);
  // "b" has not come since two others have, then one more.
  assertEquals(take("d", "b"), [true, true]);
  assertEquals(take("d", "b", "d", "b"), [false, false, false, false]);
});

Deno.test("RateLimiter remembers the callers that came last, in whatever order", () => {
  const next = random(7);
  const callersMax = 5;
  const rates = new RateLimiter({ clock: new FakeClock(), perSecond: 1, callersMax });
  let last: string[] = [];
  for (let step = 0; step < 2000; step++) {
    const caller = `${randomInteger(next, 12)}`;
    const isTaken = rates.take(caller);
    if (last.includes(caller)) assertEquals(isTaken, false, `${caller} of ${last}`);
    last = [caller, ...last.filter((other) => other !== caller)].slice(0, callersMax);
  }
});

Deno.test("RateLimiter lets each caller's burst through at once", () => {
  const clock = new FakeClock();
  const rates = new RateLimiter({ clock, perSecond: 2, burst: 5 });
  assertEquals(["a", "b"].map((caller) => takeAll(() => rates.take(caller))), [5, 5]);
  clock.advance(1000);
  assertEquals(takeAll(() => rates.take("a")), 2);
});
