import { assert, assertEquals } from "@std/assert";
import { ConnectionQuota, Quota } from "../../lib/core/quota.ts";
import { random, randomInteger } from "../support/random.ts";

/** Takes as many for `owner` as it may have, one by one. */
function takeAll(quota: Quota, owner: string): number {
  let count = 0;
  for (; quota.boundFor(owner) === undefined; count++) quota.add(owner);
  return count;
}

Deno.test("Quota gives each owner half of what the others have left, the last one whole", () => {
  const quota = new Quota(100);
  const owners = ["a", "b", "c", "d", "e", "f", "g", "h"];
  assertEquals(owners.map((owner) => takeAll(quota, owner)), [50, 25, 13, 6, 3, 2, 1, 0]);
  assertEquals([quota.total, quota.of("b"), quota.of("h")], [100, 25, 0]);
  assertEquals(owners.map((owner) => quota.boundFor(owner)), Array(8).fill("all"));
});

Deno.test("Quota gives an owner more when the others hold less", () => {
  const quota = new Quota(8);
  assertEquals([takeAll(quota, "a"), takeAll(quota, "b")], [4, 2]);
  assertEquals([quota.boundFor("a"), quota.boundFor("b")], ["owner", "owner"]);
  quota.remove("a");
  assertEquals([takeAll(quota, "b"), takeAll(quota, "a")], [1, 0]);
});

Deno.test("Quota gives all of an amount or none of it", () => {
  const quota = new Quota(10);
  for (let count = 0; count < 3; count++) quota.add("a");
  const bounds = [1, 2, 3, 7, 8].map((amount) => quota.boundFor("a", { amount }));
  assertEquals(bounds, [undefined, undefined, "owner", "owner", "all"]);
  assertEquals([quota.boundFor("b", { amount: 4 }), quota.boundFor("b", { amount: 5 })], [
    undefined,
    "owner",
  ]);
});

Deno.test("Quota holds an exempt owner to the bound on all alone, and counts it", () => {
  const quota = new Quota(3);
  const request = { isExempt: true };
  for (let round = 0; round < 3; round++) assertEquals(typeof quota.take("a", request), "function");
  assertEquals([quota.take("a", request), quota.take("b"), quota.of("a")], ["all", "all", 3]);
});

Deno.test("Quota with a bound for each owner gives that, whatever the others have left", () => {
  const quota = new Quota(5, 2);
  assertEquals(["a", "b", "c"].map((owner) => takeAll(quota, owner)), [2, 2, 1]);
  quota.remove("a");
  assertEquals([quota.boundFor("b"), quota.boundFor("c")], ["owner", undefined]);
});

Deno.test("Quota.take() returns a function that gives one back, once, however often it is called", () => {
  const quota = new Quota(3, 1);
  const give = quota.take("a");
  quota.take("b");
  assert(typeof give === "function");
  for (let round = 0; round < 3; round++) give();
  assertEquals([quota.total, quota.take("b")], [1, "owner"]);
  assertEquals([typeof quota.take("a"), quota.take("a"), quota.total], ["function", "owner", 2]);
});

Deno.test("Quota that may give none gives none", () => {
  assertEquals([new Quota(0).take("a"), new Quota(1, 0).take("a")], ["all", "owner"]);
  assertEquals(typeof new Quota(1).take("a"), "function");
});

Deno.test("Quota never gives more than there is, nor one owner more than half of what is left", () => {
  const next = random(11);
  for (let round = 0; round < 50; round++) {
    const max = 1 + randomInteger(next, 40);
    const quota = new Quota(max);
    const held = new Map<string, number>();
    for (let step = 0; step < 300; step++) {
      const owner = `${randomInteger(next, 6)}`;
      const own = held.get(owner) ?? 0;
      const total = held.values().reduce((sum, count) => sum + count, 0);
      assertEquals([quota.total, quota.of(owner)], [total, own]);
      if (own > 0 && randomInteger(next, 3) === 0) {
        quota.remove(owner);
        held.set(owner, own - 1);
        continue;
      }
      const isFree = total < max && 2 * own < max - (total - own);
      assertEquals(quota.boundFor(owner) === undefined, isFree, `${own} of ${total} of ${max}`);
      if (!isFree) continue;
      quota.add(owner);
      held.set(owner, own + 1);
    }
  }
});

Deno.test("ConnectionQuota counts the addresses of one network together", () => {
  const slots = new ConnectionQuota({
    connectionsMax: 9,
    connectionsPerAddressMax: 2,
    trustProxy: 0,
  });
  const isTaken = (address: string) => typeof slots.take(address) === "function";
  assertEquals(["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(isTaken), [true, true, false]);
  assertEquals(["2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1"].map(isTaken), [
    true,
    true,
    true,
  ]);
  assertEquals([slots.take("192.0.2.1"), slots.total], ["owner", 5]);
  assertEquals(["::1", "::1", "::1", "::1"].map(isTaken), [true, true, true, true]);
  assertEquals(slots.take("192.0.2.2"), "all");
});
