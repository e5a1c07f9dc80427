import { assertEquals } from "@std/assert";
import { Polling } from "../../support/polling.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { Client } from "../../support/socket.ts";
import { parse } from "../../support/socketio_client.ts";

/** Connects by polling, upgrades as clients do, and returns the messages that it got up to `last`. */
async function upgradeAndListen(
  server: TestServer,
  query: string,
  onUpgraded: () => void,
  last: string,
): Promise<string[]> {
  const packets: string[] = [];
  const polling = await Polling.open(server, query);
  if (query === "EIO=4") await polling.post("40");
  let isProbed = false;
  const polls = (async () => {
    while (!isProbed) await polling.poll();
  })();
  const client = await Client.open(server.socketUrl(polling.path("websocket")));
  client.send("2probe");
  assertEquals(await client.text(), "3probe");
  isProbed = true;
  await polls;
  packets.push(...polling.takeAll());
  client.send("5");
  onUpgraded();
  while (!packets.at(-1)?.includes(`"${last}"`)) packets.push(await client.text());
  await client.close();
  return packets.filter((packet) => packet.startsWith('42["message"'))
    .map((packet) => (parse(packet)[1] as { message: string }).message);
}

Deno.test("a client that upgrades while messages flow gets each once, in order", async () => {
  await using server = await startServer({ welcome: "0", publishPerSecondMax: 100_000 });
  let upgrading = 0;
  const listening = Array.from({ length: 20 }, (_, at) => {
    upgrading++;
    return upgradeAndListen(server, at % 2 === 0 ? "EIO=4" : "EIO=3", () => upgrading--, "last");
  });
  let published = 0;
  while (upgrading > 0) await server.broadcast(String(++published));
  await server.broadcast("last");
  for (const messages of await Promise.all(listening)) {
    const [greeting, ...numbers] = messages.slice(0, -1);
    assertEquals([greeting, messages.at(-1)], ["0", "last"]);
    const first = Number(numbers[0] ?? published + 1);
    const expected = Array.from({ length: published + 1 - first }, (_, at) => String(first + at));
    assertEquals(numbers, expected);
  }
});
