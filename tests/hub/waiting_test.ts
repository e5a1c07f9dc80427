import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import { WaitingCommands } from "../../lib/hub/waiting.ts";

Deno.test("WaitingCommands.run() refuses a command while too many wait, until one is done or fails", async () => {
  const waiting = new WaitingCommands(2);
  const gates = [0, 1, 2].map(() => Promise.withResolvers<number>());
  const [first, second, third] = gates.map(({ promise }) => promise);
  const results = [waiting.run(() => first!), waiting.run(() => second!)];
  assertStrictEquals(results[0], first);
  let ran = false;
  const refused = () =>
    assertRejects(
      () => waiting.run(() => Promise.resolve(ran = true)),
      Refusal,
      "Cannot take more than 2 commands at a time: wait for the replies",
    );
  assertEquals((await refused()).type, "too-many-requests");
  gates[0]!.resolve(1);
  assertEquals(await results[0], 1);
  results[0] = waiting.run(() => third!);
  await refused();
  gates[1]!.reject(new Error("failed"));
  await assertRejects(() => results[1]!, Error, "failed");
  assertEquals([await waiting.run(() => Promise.resolve(2)), ran], [2, false]);
  gates[2]!.resolve(3);
  assertEquals(await results[0], 3);
});

Deno.test("WaitingCommands.run() counts no command that throws before it waits", async () => {
  const waiting = new WaitingCommands(1);
  const fail = () => {
    throw new TypeError("malformed");
  };
  for (let count = 0; count < 3; count++) assertThrows(() => waiting.run(fail), TypeError);
  assertEquals(await waiting.run(() => Promise.resolve("done")), "done");
});
