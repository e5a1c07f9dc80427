import { assertEquals } from "@std/assert";
import { startWorkers } from "../support/workers.ts";
import { NodeProcess, packageFolder, SocketIoClient, VERSIONS, type Way, WAYS } from "./clients.ts";

const WORKERS = 4;
const CROWD = 500;
const BROADCASTS = 50;

const messages = Array.from({ length: BROADCASTS }, (_, at) => String(at));

Deno.test("every version of socket.io-client, over each transport, gets all from 4 workers", async () => {
  await using server = await startWorkers(WORKERS);
  const ways = VERSIONS.flatMap((version) =>
    (Object.keys(WAYS) as Way[]).map((way) => [version, way] as const)
  );
  await using closing = new AsyncDisposableStack();
  const clients = await Promise.all(ways.map(async ([version, way]) => {
    return closing.use(await SocketIoClient.start(version, way, server.url, ["message"]));
  }));
  for (const client of clients) {
    assertEquals((await client.next("message"))[0], { message: "Welcome to my server" });
  }
  for (const message of messages) await server.broadcast(message);
  for (const [at, client] of clients.entries()) {
    const received = (await client.events("message").take(BROADCASTS)).map(([data]) => data);
    assertEquals(received, messages.map((message) => ({ message })), ways[at]!.join(" "));
  }
});

Deno.test("500 clients at once connect to 4 workers and get everything once", async () => {
  await using server = await startWorkers(WORKERS, ["--welcome", ""]);
  const all = Object.keys(WAYS) as Way[];
  const ways = Array.from({ length: CROWD }, (_, at) => all[at % all.length]!);
  const settings = JSON.stringify({
    url: server.url,
    options: ways.map((way) => ({ transports: WAYS[way], reconnection: false })),
  });
  await using crowd = new NodeProcess("crowd.mjs", await packageFolder("4.8.4"), settings);
  await crowd.events("connect").take(CROWD);
  for (const message of messages) await server.broadcast(message);
  const received: string[][] = ways.map(() => []);
  for (let count = 0; count < CROWD * BROADCASTS; count++) {
    const [at, message] = await crowd.next("message") as [number, string];
    received[at]!.push(message);
  }
  received.forEach((got, at) => assertEquals(got, messages, `${ways[at]} ${at}`));
});
