import { assertEquals } from "@std/assert";
import { Proxy } from "../support/proxy.ts";
import { startServer } from "../support/server.ts";
import { ClientProcess, type Way, WAYS } from "./clients.ts";
import { CLIENTS, commandOf } from "./languages.ts";

for (const [client, parts] of Object.entries(CLIENTS)) {
  const command = await commandOf(parts);
  for (const way of Object.keys(WAYS) as Way[]) {
    Deno.test({
      name: `${client}, ${way}: gets the data alone, and comes back at once from a graceful stop`,
      ignore: command === undefined,
      fn: () => comeBack(command!, way),
    });
  }
}

async function comeBack(command: string[], way: Way): Promise<void> {
  await using first = await startServer({ welcome: "first" });
  await using second = await startServer({ welcome: "second" });
  await using proxy = new Proxy(first.port);
  const url = `http://127.0.0.1:${proxy.port}`;
  const settings = JSON.stringify({ url, transports: WAYS[way], events: ["message"] });
  const [program = "", ...args] = command;
  await using client = new ClientProcess(program, ...args, settings);
  assertEquals(await client.next("message"), [{ message: "first" }]);
  await first.broadcast("hello");
  assertEquals(await client.next("message"), [{ message: "hello" }]);
  await first.broadcast("last");
  // Polls have to reach the server that knows them. In Go, a WebSocket that is refused costs 20 s.
  if (way === "websocket") proxy.redirect(second.port);
  await first.stop();
  proxy.redirect(second.port);
  assertEquals(await client.next("message"), [{ message: "last" }]);
  await client.next("disconnect");
  assertEquals(await client.next("message"), [{ message: "second" }]);
}
