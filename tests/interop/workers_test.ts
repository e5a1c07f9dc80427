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

Deno.test("500 clients of all versions at once connect to 4 workers and get everything once", async () => {
  await using server = await startWorkers(WORKERS, ["--welcome", ""]);
  const all = Object.keys(WAYS) as Way[];
  const ways = Array.from({ length: CROWD / VERSIONS.length }, (_, at) => all[at % all.length]!);
  const settings = JSON.stringify({
    url: server.url,
    options: ways.map((way) => ({ transports: WAYS[way], reconnection: false })),
  });
  await using closing = new AsyncDisposableStack();
  const folders = await Promise.all(VERSIONS.map(packageFolder));
  const crowds = folders.map((folder) => {
    return closing.use(new NodeProcess("crowd.mjs", folder, settings));
  });
  await Promise.all(crowds.map((crowd) => crowd.events("connect").take(ways.length)));
  for (const message of messages) await server.broadcast(message);
  await Promise.all(crowds.map(async (crowd, index) => {
    const received: string[][] = ways.map(() => []);
    for (let count = 0; count < ways.length * BROADCASTS; count++) {
      const [at, message] = await crowd.next("message") as [number, string];
      received[at]!.push(message);
    }
    const who = (at: number) => `${VERSIONS[index]} ${ways[at]} ${at}`;
    received.forEach((got, at) => assertEquals(got, messages, who(at)));
    assertEquals(crowd.events("failed").takeAll(), []);
  }));
});
