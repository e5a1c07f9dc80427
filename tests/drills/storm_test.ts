import { assertEquals } from "@std/assert";
import { startChild } from "../support/child.ts";
import { reconnectStorm } from "../support/storm.ts";

const MESSAGES = 100;

Deno.test("2,000 clients that are cut and come back at once get all they missed, in order", async () => {
  await using server = await startChild();
  const { got } = await reconnectStorm({ port: server.port, clients: 2000, messages: MESSAGES });
  const expected = [true, ...Array.from({ length: MESSAGES }, (_, index) => index)];
  for (const each of got) assertEquals(each, expected);
  assertEquals(got.length, 2000);
});
