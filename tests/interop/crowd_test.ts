import { assertEquals } from "@std/assert";
import { startServer, type TestServer } from "../support/server.ts";
import { NodeProcess, packageFolder, type Way, WAYS } from "./clients.ts";

const CLIENTS_PER_WAY = 15;
const END = "the end";

/** Publishes numbers until the server takes no more; returns how many it has taken. */
async function publishUntilEnd(server: TestServer): Promise<number> {
  for (let count = 0;; count++) {
    try {
      await server.broadcast(String(count));
    } catch (error) {
      if (error instanceof TypeError) return count; // It does not listen any more.
      throw error;
    }
  }
}

Deno.test("a crowd of socket.io-client 4.8.4 gets everything once while its server stops and starts again", async () => {
  const store = await Deno.makeTempFile({ suffix: ".db" });
  const options = { store, welcome: "", publishPerSecondMax: 100_000, historyCount: 100_000 };
  const first = await startServer({ ...options, drainS: 0.5 });
  const ways = (Object.keys(WAYS) as Way[]).flatMap((way) => Array(CLIENTS_PER_WAY).fill(way));
  const settings = JSON.stringify({
    url: first.url,
    options: ways.map((way: Way) => ({
      transports: WAYS[way],
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    })),
  });
  await using crowd = new NodeProcess("crowd.mjs", await packageFolder("4.8.4"), settings);
  await crowd.events("connect").take(ways.length);

  const publishing = publishUntilEnd(first);
  await first.stop();
  const count = await publishing;
  await using second = await startServer({ ...options, port: first.port });
  await second.broadcast(END);

  const received: string[][] = ways.map(() => []);
  const isComplete = () => received.every((messages) => messages.at(-1) === END);
  while (!isComplete()) {
    const [at, message] = await crowd.next("message") as [number, string];
    received[at]!.push(message);
  }
  const expected = [...Array.from({ length: count }, (_, at) => String(at)), END];
  received.forEach((messages, at) => assertEquals(messages, expected, `${ways[at]} ${at}`));
  await Deno.remove(store);
});
