import { assertEquals } from "@std/assert";
import { ConnectError } from "../../../lib/protocols/socketio/server.ts";
import type { ServerSocket } from "../../../lib/protocols/socketio/socket.ts";
import { Inbox } from "../../support/inbox.ts";
import { join, SocketHost } from "../../support/socketio.ts";

Deno.test("a socket is looked at before it is let in, with its handshake, at once or later", async () => {
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

Deno.test("a socket is refused by an exception, at once or later, and may try again", async () => {
  await using host = new SocketHost();
  const refusals: [namespace: string, refuse: () => void | Promise<void>, answer: string][] = [
    ["/sync", () => {
      throw new Error("not you");
    }, '{"message":"not you"}'],
    ["/async", () => Promise.reject(new Error("nor you")), '{"message":"nor you"}'],
    ["/data", () => {
      throw new ConnectError("€", { code: 7 });
    }, '{"message":"€","data":{"code":7}}'],
    ["/text", () => Promise.reject("a text"), '{"message":"a text"}'],
  ];
  const client = await host.join();
  for (const [namespace, refuse, answer] of refusals) {
    host.guards.set(namespace, refuse);
    client.send(`40${namespace},`);
    assertEquals(await client.text(), `44${namespace},${answer}`);
    client.send(`40${namespace},`);
    assertEquals(await client.text(), `44${namespace},${answer}`, "it may try again");
  }
  assertEquals(host.thrown, []);
  await client.close();
});

Deno.test("a client that leaves while it waits to be admitted is not let in", async () => {
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
