import { assertEquals } from "@std/assert";
import { ConnectError, type ServerSocket } from "../../../lib/protocols/socketio/server.ts";
import { Inbox } from "../../support/inbox.ts";
import { join, SocketHost } from "../../support/socketio.ts";

Deno.test("middleware runs in order before a socket is let in, and sees its handshake", async () => {
  await using host = new SocketHost();
  const steps: string[] = [];
  host.io.of("/guarded")
    .use(({ handshake, connected }) => void steps.push(`first ${handshake.auth.name} ${connected}`))
    .use(async () => {
      await Promise.resolve();
      steps.push("second");
    })
    .use(() => void steps.push("third"))
    .on("connection", ({ connected }) => void steps.push(`in ${connected}`));
  const client = await host.connect();
  await client.text();
  await join(client, "/guarded,", '{"name":"ann"}');
  assertEquals(steps, ["first ann false", "second", "third", "in true"]);
  await client.close();
});

Deno.test("middleware refuses by throwing, and what is behind it does not run", async () => {
  await using host = new SocketHost();
  const ran: string[] = [];
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
    host.io.of(namespace).use(refuse).use(() => void ran.push(namespace))
      .on("connection", () => void ran.push(namespace));
    client.send(`40${namespace},`);
    assertEquals(await client.text(), `44${namespace},${answer}`);
    client.send(`40${namespace},`);
    assertEquals(await client.text(), `44${namespace},${answer}`, "it may try again");
  }
  assertEquals([ran, host.thrown], [[], []]);
  await client.close();
});

Deno.test("a client that leaves while middleware waits is not let in", async () => {
  await using host = new SocketHost();
  const gate = Promise.withResolvers<void>();
  const asked = new Inbox<ServerSocket>();
  host.io.of("/slow").use((socket) => {
    asked.push(socket);
    return gate.promise;
  }).on("connection", (socket) => host.sockets.push(socket));
  const client = await host.connect();
  client.send("40/slow,");
  const socket = await asked.next();
  await client.close();
  await host.holds(0);
  assertEquals(socket.ended, true);
  gate.resolve();
  await gate.promise;
  assertEquals(host.sockets.takeAll(), []);
});

Deno.test("an event that comes while middleware waits closes the connection", async () => {
  await using host = new SocketHost();
  host.io.of("/slow").use(() => new Promise(() => {}));
  const client = await host.connect();
  client.send("40/slow,");
  client.send('42/slow,["early"]');
  assertEquals((await client.closed()).code, 4500);
});

Deno.test("a connection handler that throws is reported, and the client is in", async () => {
  await using host = new SocketHost();
  host.io.of("/broken").on("connection", () => {
    throw new Error("broken handler");
  });
  const client = await host.connect();
  await client.text();
  await join(client, "/broken,");
  await join(client);
  assertEquals(host.thrown.map(String), ["Error: broken handler"]);
  await client.close();
});
