import { gzipSync } from "node:zlib";
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { connect, type Events, HarkError } from "../lib/client.ts";
import { Wire } from "./e2e/hark.ts";
import { type ClientTimers, close, collect, next, StillServer, toState } from "./support/client.ts";
import { deadline, eventually } from "./support/deadline.ts";
import { SocketClock } from "./support/engineio.ts";
import { freePort } from "./support/free_port.ts";
import { type ServerOptions, startServer, type TestServer } from "./support/server.ts";

/** A server with a fake clock, as the clients have fake timers. */
async function withServer(
  run: (server: TestServer, timers: ClientTimers, clock: SocketClock) => Promise<void>,
  options: ServerOptions = {},
): Promise<void> {
  await using still = await StillServer.start(options);
  await run(still.server, still.timers, still.clock);
}

Deno.test("connect() refuses a url that is not of http", () => {
  assertThrows(() => connect({ url: "ftp://localhost/" }), TypeError, "expected an http url");
});

Deno.test("publish() sends JSON and bytes, and messages come with all they have", () =>
  withServer(async ({ url }) => {
    const client = connect({ url, channels: ["sensor.*"] });
    const { greeting } = await next(client, "welcome");
    assertEquals(greeting, "Welcome to my server");
    const messages: Events["message"][] = [];
    client.on("message", (message) => messages.push(message));

    const first = await client.publish("sensor.attic", { celsius: 17 }, { event: "reading" });
    const second = await client.publish("broadcast", new Uint8Array([0, 127, 255]));
    assertMatch(first.id, /^[a-z0-9]+-1$/);
    assertEquals(messages, [
      { ...first, channel: "sensor.attic", event: "reading", data: { celsius: 17 } },
      { ...second, channel: "broadcast", event: "message", data: new Uint8Array([0, 127, 255]) },
    ]);
    assertEquals(client.position, second.id);

    const refused = await assertRejects(() => client.publish("no channel", 1), HarkError);
    assertEquals(refused.code, "bad-request");
    await close(client);
    await assertRejects(() => client.publish("broadcast", 1), HarkError, "closed");
  }));

Deno.test("subscribe() and unsubscribe() change the channels of the connection that stands", () =>
  withServer(async (server) => {
    const client = connect({ url: server.url });
    const all = collect(client);
    await client.subscribe("ci");
    await server.publish("ci", 1);
    await client.unsubscribe("ci");
    await server.publish("ci", 2);
    await client.publish("broadcast", 3);
    assertEquals(all, [1, 3]);

    const error = next(client, "error");
    await assertRejects(() => client.subscribe("no channel"), HarkError, "expected a channel");
    assertMatch(String(await error), /expected a channel/);
    assertEquals(client.channels, []);
    await close(client);
  }));

Deno.test("presence() lists the clients on a channel, and events their joins and leaves", () =>
  withServer(async ({ url }, _timers, clock) => {
    const watcher = connect({ url, channels: ["ci"], presence: true });
    const own = await next(watcher, "welcome");
    const joined = next(watcher, "presence", ({ joined }) => joined[0]?.client !== own.client);
    const guest = connect({ url, channels: ["ci"] });
    const { client } = await next(guest, "welcome");
    clock.advance(1000);
    assertEquals((await joined).joined.map((entry) => entry.client), [client]);

    const { count, entries } = await watcher.presence("ci");
    assertEquals(count, 2);
    assertEquals(entries.map((entry) => entry.client), [own.client, client]);

    const left = next(
      watcher,
      "presence",
      ({ channel, left }) => channel === "ci" && left.length > 0,
    );
    await close(guest);
    assertEquals((await left).left.map((entry) => entry.client), [client]);
    await close(watcher);
  }));

Deno.test("a lost connection is resumed: nothing is missed, doubled or out of order", () =>
  withServer(async (server, timers) => {
    const wire = new Wire(server.port);
    const client = connect({ url: wire.url, channels: ["ci"] });
    await next(client, "welcome");
    const all = collect(client);
    await server.publish("ci", 1);
    await client.publish("broadcast", 2);
    for (let round = 0; round < 3; round++) {
      const waiting = toState(client, "waiting");
      wire.cut();
      await waiting;
      for (let index = 0; index < 40; index++) await server.publish("ci", 10 * round + index);
      const resumed = next(client, "resumed");
      wire.mend();
      await timers.retry(client);
      assertEquals(await resumed, { count: 40 });
    }
    const missed = [0, 1, 2].flatMap((round) =>
      Array.from({ length: 40 }, (_, index) => 10 * round + index)
    );
    assertEquals(all, [1, 2, ...missed]);
    await close(client);
    await wire.close();
  }));

Deno.test("since all begins with the messages that are kept, and never again once all have come", () =>
  withServer(async (server) => {
    await server.publish("ci", 1);
    const last = await server.publish("ci", 2);
    for (const since of ["all", "1h", "1970-01-01T00:00:00Z"]) {
      const client = connect({ url: server.url, channels: ["ci"], since });
      const all = collect(client);
      client.on("gap", () => all.push("gap"));
      const { count } = await next(client, "resumed");
      assertEquals([all, count, client.position], [[1, 2], 2, last], since);
      await close(client);
    }
    const client = connect({ url: server.url, channels: ["none"], since: "all" });
    await next(client, "resumed");
    assertEquals(client.position, last);
    await close(client);
  }));

Deno.test("since replays later messages, also in the first connection", () =>
  withServer(async (server) => {
    const since = await server.publish("ci", 1);
    await server.publish("ci", 2);
    await server.publish("ci", 3);
    const client = connect({ url: server.url, channels: ["ci"], since });
    const all = collect(client);
    assertEquals(await next(client, "resumed"), { count: 2 });
    assertEquals(all, [2, 3]);
    await close(client);
  }));

Deno.test("a server that has forgotten makes a gap, and the client goes on in its new log", () =>
  withServer(async (server, timers) => {
    const client = connect({ url: server.url });
    await next(client, "welcome");
    await client.publish("broadcast", "before");
    const since = client.position;
    const all = collect(client);
    const gap = next(client, "gap");
    const resumed = next(client, "resumed");
    await server.stop();
    await using _again = await startServer({ port: server.port, clock: new SocketClock() });
    await timers.retry(client);
    assertEquals(await gap, { since: since! });
    await resumed;
    const { id } = await client.publish("broadcast", "after");
    assertEquals([all, client.position], [["after"], id]);
    await close(client);
  }, { port: freePort() }));

Deno.test("without WebSocket it reads server-sent events and publishes over HTTP", () =>
  withServer(async (server, timers) => {
    const proxy = Deno.serve({ port: 0, hostname: "localhost", onListen() {} }, (request) => {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/ws") return new Response("no", { status: 502 });
      const { method, body, signal } = request;
      const headers = new Headers(request.headers);
      headers.delete("host");
      return fetch(`${server.url}${pathname}${search}`, { method, headers, body, signal });
    });
    const client = connect({ url: `http://localhost:${proxy.addr.port}/` });
    const messages: Events["message"][] = [];
    client.on("message", (message) => messages.push(message));
    const welcome = next(client, "welcome");
    for (const _failure of ["first", "second"]) await timers.retry(client);
    await welcome;
    assertEquals(client.transport, "sse");

    const first = await client.publish("broadcast", { text: "a\nb\u2028c\u2029" }, {
      event: "said",
    });
    const second = await client.publish("broadcast", new Uint8Array([1, 255]));
    const third = await client.publish("broadcast", { base64: "no" });
    await eventually(() => messages.length, (length) => length === 3);
    assertEquals(messages, [
      { id: first.id, channel: "broadcast", event: "said", data: { text: "a\nb\u2028c\u2029" } },
      { id: second.id, channel: "broadcast", event: "message", data: new Uint8Array([1, 255]) },
      { id: third.id, channel: "broadcast", event: "message", data: { base64: "no" } },
    ]);

    const resumed = next(client, "resumed");
    const subscribed = client.subscribe("ci");
    await timers.retry(client);
    await subscribed;
    assertEquals(await resumed, { count: 0 });
    await server.publish("ci", 3);
    await eventually(() => messages.length, (length) => length === 4);
    assertEquals(messages[3]?.data, 3);
    const error = await assertRejects(() => client.publish("no channel", 1), HarkError);
    assertEquals(error.code, "bad-request");
    await assertRejects(() => client.presence("ci"), HarkError, "without WebSocket");
    await close(client);
    await proxy.shutdown();
  }));

Deno.test("for await reads every message, and ends at close()", () =>
  withServer(async ({ url }) => {
    const client = connect({ url });
    await next(client, "welcome");
    const read: unknown[] = [];
    const reading = (async () => {
      for await (const { data } of client) {
        read.push(data);
        if (data === 3) break;
      }
      for await (const { data } of client) read.push(data);
    })();
    for (const data of [1, 2, 3]) await client.publish("broadcast", data);
    await eventually(() => read.length, (length) => length === 3);
    await client.publish("broadcast", 4);
    await close(client);
    await deadline(reading);
    assertEquals(read, [1, 2, 3, 4]);
  }));

Deno.test("client.js is smaller than 6 KB with gzip", async () => {
  const module = await Deno.readFile(new URL("../static/client.js", import.meta.url));
  const bytes = gzipSync(module, { level: 9 }).length;
  assert(bytes < 6000, `${bytes} bytes`);
});
