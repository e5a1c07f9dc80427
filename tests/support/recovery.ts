import { assertEquals } from "@std/assert";
import type { Reachable } from "./reachable.ts";
import type { Client } from "./socket.ts";
import { connect, type Joined, parse } from "./socketio_client.ts";

/** A client of Socket.IO 4 that has joined. */
export type Connected = Client & Joined;

/** A client on `later`, which it subscribed to by a command, and then left `gone`. */
export async function subscriber(server: Reachable): Promise<Connected> {
  const client = await connect(server);
  client.send('420["subscribe",["later","gone"]]');
  client.send('421["unsubscribe","gone"]');
  assertEquals(await client.frames.take(2), ['430[{"ok":true}]', '431[{"ok":true}]']);
  return client;
}

/** Asserts that a client that comes back to `server` is recovered, with what it has missed. */
export async function assertRecovers(server: Reachable, { pid, sid }: Joined): Promise<void> {
  for (const channel of ["gone", "later"]) await server.publish(channel, `on ${channel}`);
  await using client = await connect(server, { pid });
  assertEquals([client.pid, client.sid], [pid, sid]);
  assertEquals(parse(await client.text())[1], { message: "on later" });
}
