import { assertEquals, assertRejects } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import { Idempotency } from "../../lib/broker/idempotency.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Counts how often it is called, and returns the number. */
class Calls {
  count = 0;

  readonly act = (): Promise<number> => Promise.resolve(++this.count);
}

function setUp(options: { idempotencyAgeS?: number; idempotencyKeysMax?: number } = {}) {
  const clock = new FakeClock();
  const limits = { idempotencyAgeS: 300, idempotencyKeysMax: 10, ...options };
  return { clock, idempotency: new Idempotency<number>({ clock, ...limits }), calls: new Calls() };
}

function request(key: string, caller = "a", fingerprint = "f") {
  return { caller, key, fingerprint };
}

async function refusalOf(promise: Promise<unknown>): Promise<[string, number | undefined]> {
  const { type, retryAfterS } = await assertRejects(() => promise, Refusal);
  return [type, retryAfterS];
}

Deno.test("once() carries out a request once and then returns the same result", async () => {
  const { idempotency, calls } = setUp();
  assertEquals(await idempotency.once(request("k"), calls.act), 1);
  assertEquals(await idempotency.once(request("k"), calls.act), 1);
  assertEquals(await idempotency.once(request("other"), calls.act), 2);
  assertEquals([calls.count, idempotency.size], [2, 2]);
});

Deno.test("once() treats the same key of two callers as two keys", async () => {
  const { idempotency, calls } = setUp();
  assertEquals(await idempotency.once(request("k", "a"), calls.act), 1);
  assertEquals(await idempotency.once(request("k", "b", "other"), calls.act), 2);
});

Deno.test("once() refuses a key that stands for another request, done or under way", async () => {
  const { idempotency, calls } = setUp();
  const first = Promise.withResolvers<number>();
  const done = idempotency.once(request("k"), () => first.promise);
  const other = request("k", "a", "other");
  assertEquals(await refusalOf(idempotency.once(other, calls.act)), ["conflict", undefined]);
  first.resolve(7);
  assertEquals(await done, 7);
  assertEquals(await refusalOf(idempotency.once(other, calls.act)), ["conflict", undefined]);
  assertEquals(calls.count, 0);
});

Deno.test("once() has requests wait for the result of one that is under way", async () => {
  const { idempotency, calls } = setUp();
  const first = Promise.withResolvers<number>();
  const all = [
    idempotency.once(request("k"), () => first.promise),
    idempotency.once(request("k"), calls.act),
    idempotency.once(request("k"), calls.act),
  ];
  first.resolve(7);
  assertEquals(await Promise.all(all), [7, 7, 7]);
  assertEquals(calls.count, 0);
});

Deno.test("once() carries out one of those that wait when the first has failed", async () => {
  const { idempotency, calls } = setUp();
  const first = Promise.withResolvers<number>();
  const failed = idempotency.once(request("k"), () => first.promise);
  const waiting = [1, 2, 3].map(() => idempotency.once(request("k"), calls.act));
  first.reject(new Refusal("unavailable", "no"));
  assertEquals(await refusalOf(failed), ["unavailable", undefined]);
  assertEquals(await Promise.all(waiting), [1, 1, 1]);
  assertEquals([calls.count, idempotency.size], [1, 1]);
});

Deno.test("once() frees the key of a request that failed, and its place", async () => {
  const { idempotency, calls } = setUp({ idempotencyKeysMax: 1 });
  const fail = () => Promise.reject(new Refusal("too-many-requests", "no"));
  await refusalOf(idempotency.once(request("k"), fail));
  const throwing = () => {
    throw new Refusal("bad-request", "no");
  };
  await refusalOf(idempotency.once(request("k"), throwing));
  assertEquals(idempotency.size, 0);
  assertEquals(await idempotency.once(request("k", "a", "other"), calls.act), 1);
});

Deno.test("once() remembers a key for its time, counted from the end of the request", async () => {
  const { clock, idempotency, calls } = setUp();
  const first = Promise.withResolvers<number>();
  const slow = idempotency.once(request("slow"), () => first.promise);
  clock.advance(1_000_000);
  first.resolve(0);
  await slow;
  clock.advance(299_999);
  assertEquals(await idempotency.once(request("slow"), calls.act), 0);
  clock.advance(1);
  assertEquals(await idempotency.once(request("slow"), calls.act), 1);
  assertEquals(idempotency.size, 1);
});

Deno.test("once() refuses a new key when there is no room, and forgets no other for it", async () => {
  const { clock, idempotency, calls } = setUp({ idempotencyKeysMax: 4 });
  for (const [key, caller] of [["1", "a"], ["2", "a"], ["3", "b"], ["4", "c"]] as const) {
    await idempotency.once(request(key, caller), calls.act);
    clock.advance(1500);
  }
  const refused = await refusalOf(idempotency.once(request("5", "d"), calls.act));
  assertEquals(refused, ["over-limit", 294]);
  assertEquals(await idempotency.once(request("1", "a"), calls.act), 1);
  clock.advance(294_000);
  assertEquals(await idempotency.once(request("5", "d"), calls.act), 5);
  assertEquals(idempotency.size, 4);
});

Deno.test("once() gives a caller half of the keys that the others leave, done and under way", async () => {
  const { idempotency, calls } = setUp({ idempotencyKeysMax: 5 });
  const first = Promise.withResolvers<number>();
  const running = idempotency.once(request("1"), () => first.promise);
  await idempotency.once(request("2"), calls.act);
  await idempotency.once(request("3"), calls.act);
  assertEquals(await refusalOf(idempotency.once(request("4"), calls.act)), ["over-limit", 300]);
  assertEquals(await idempotency.once(request("1", "b"), calls.act), 3);
  assertEquals(await refusalOf(idempotency.once(request("2", "b"), calls.act)), [
    "over-limit",
    300,
  ]);
  assertEquals(await idempotency.once(request("2"), calls.act), 1);
  first.resolve(0);
  await running;
});

Deno.test("once() has a caller retry in a second if all keys are of requests under way", async () => {
  const { idempotency, calls } = setUp({ idempotencyKeysMax: 1 });
  const first = Promise.withResolvers<number>();
  const running = idempotency.once(request("1"), () => first.promise);
  assertEquals(await refusalOf(idempotency.once(request("2"), calls.act)), ["over-limit", 1]);
  first.resolve(0);
  await running;
});
