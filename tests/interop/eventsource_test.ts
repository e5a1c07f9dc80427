import { assertEquals } from "@std/assert";
import { EventStream } from "../support/events.ts";
import { Proxy } from "../support/proxy.ts";
import { startServer } from "../support/server.ts";
import { NodeProcess, packageFolder } from "./clients.ts";

Deno.test("the npm package eventsource gets messages, and resumes by itself what it missed", async () => {
  await using server = await startServer();
  await using proxy = new Proxy(server.port);
  const folder = await packageFolder("eventsource");
  const url = `http://127.0.0.1:${proxy.port}/events?channel=news`;
  await using source = new NodeProcess("eventsource.mjs", folder, url, "message", "gap");
  await source.next("open");
  await server.broadcast("ü€😀");
  const [data, first] = await source.next("message") as [unknown, string];
  assertEquals(data, { message: "ü€😀" });

  proxy.cut();
  await source.next("error");
  const missed = Array.from({ length: 50 }, (_, at) => String(at));
  for (const message of missed) await server.broadcast(message);
  await source.next("open");
  await server.broadcast("live");
  const messages = await source.events("message").take(51);
  assertEquals(messages.map(([data]) => data), [...missed, "live"].map((message) => ({ message })));
  const [epoch, offset] = first.split("-");
  assertEquals(
    messages.map(([, id]) => id),
    messages.map((_, at) => `${epoch}-${Number(offset) + 1 + at}`),
  );
  assertEquals(source.events("gap").takeAll(), []);
});

Deno.test("the npm package eventsource returns after it was refused for lack of room", async () => {
  await using server = await startServer({ connectionsMax: 1 });
  const folder = await packageFolder("eventsource");
  const first = await EventStream.open(`${server.url}/events`);
  await using source = new NodeProcess(
    "eventsource.mjs",
    folder,
    `${server.url}/events`,
    "message",
  );
  await source.next("error");
  await first[Symbol.asyncDispose]();
  await server.log.find(({ message, why }) => message === "refused" && /all it may/.test(`${why}`));
  await server.log.find(({ message }) => message === "new connection");
  await server.broadcast("still here");
  assertEquals((await source.next("message"))[0], { message: "still here" });
});
