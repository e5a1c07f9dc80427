import { assertEquals } from "@std/assert";
import { Refusal } from "../../../lib/core/errors.ts";
import type { ServerSocket } from "../../../lib/protocols/socketio/socket.ts";
import { Inbox } from "../../support/inbox.ts";
import { join, SocketHost } from "../../support/socketio.ts";

Deno.test("a socket is checked before it connects, at once or later", async () => {
  await using host = new SocketHost();
  const seen = new Inbox<ServerSocket>();
  const steps: string[] = [];
  const look = (socket: ServerSocket) => {
    seen.push(socket);
    steps.push(`${socket.request.auth.name} ${socket.connected}`);
  };
  host.guards.set("/sync", look);
  host.guards.set("/async", async (socket) => {
    await Promise.resolve();
    look(socket);
  });
  const client = await host.connect();
  await client.text();
  for (const namespace of ["/sync", "/async"]) {
    await join(client, `${namespace},`, '{"name":"ann"}');
    assertEquals((await seen.next()).connected, true);
  }
  assertEquals(steps, ["ann false", "ann false"]);
  await client.close();
});

Deno.test("a socket is refused at once or later, and may ask again", async () => {
  await using host = new SocketHost();
  const refusal = new Refusal("forbidden", "not you, €");
  host.guards.set("/sync", () => {
    throw refusal;
  });
  host.guards.set("/async", () => Promise.reject(refusal));
  const client = await host.join();
  for (const namespace of ["/sync", "/async", "/sync", "/async"]) {
    client.send(`40${namespace},`);
    const answer = '{"message":"not you, €","data":{"code":"forbidden"}}';
    assertEquals(await client.text(), `44${namespace},${answer}`);
  }
  assertEquals(host.refusals, Array(4).fill(["forbidden", "not you, €", "192.0.2.1"]));
  assertEquals(host.thrown, []);
  await client.close();
});

Deno.test("an admission that fails is reported, and its client is to come back", async () => {
  await using host = new SocketHost();
  host.guards.set("/sync", () => {
    throw new Error("a secret");
  });
  host.guards.set("/async", () => Promise.reject(new Error("a secret")));
  for (const namespace of ["/sync", "/async"]) {
    const client = await host.join();
    client.send(`40${namespace},`);
    const { code, reason } = await client.closed();
    assertEquals([code, reason, client.frames.takeAll()], [1011, "internal error", []]);
  }
  assertEquals(host.thrown.map(String), ["Error: a secret", "Error: a secret"]);
});

Deno.test("a client that leaves while it waits for admission is not connected", async () => {
  await using host = new SocketHost();
  const gate = Promise.withResolvers<void>();
  const asked = new Inbox<ServerSocket>();
  host.guards.set("/slow", (socket) => {
    asked.push(socket);
    return gate.promise;
  });
  const client = await host.connect();
  client.send("40/slow,");
  const socket = await asked.next();
  await client.close();
  await host.holds(0);
  assertEquals(socket.ended, true);
  gate.resolve();
  await gate.promise;
  assertEquals([socket.connected, host.thrown], [false, []]);
});

Deno.test("an event that comes before a client is admitted closes the connection", async () => {
  await using host = new SocketHost();
  host.guards.set("/slow", () => new Promise(() => {}));
  const client = await host.connect();
  client.send("40/slow,");
  client.send('42/slow,["early"]');
  assertEquals((await client.closed()).code, 4500);
});
