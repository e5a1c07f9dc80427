import { assertEquals, assertMatch } from "@std/assert";
import { type Encoded, Publication } from "../../../lib/core/publication.ts";
import { SocketClock } from "../../support/engineio.ts";
import { Polling } from "../../support/polling.ts";
import { HANDSHAKE, RawConnection, request } from "../../support/raw.ts";
import { startServer } from "../../support/server.ts";
import { Client } from "../../support/socket.ts";
import {
  connect,
  join,
  open,
  parse,
  PATH,
  publish,
  untilCount,
} from "../../support/socketio_client.ts";

const GREETING = '42["message",{"message":"Welcome to my server"}]';

Deno.test("a client of protocol 4 is greeted in the first answer, and gets publications", async () => {
  // It stops without waiting for the session that is never polled.
  await using server = await startServer({ clock: new SocketClock() });
  const { body } = await server.fetch(`${PATH}?EIO=3&transport=polling`);
  assertMatch(
    body,
    /^\d+:0\{"sid":"[\w-]{22}".*\}2:4048:42\["message",\{"message":"Welcome to my server"\}\]$/,
  );
  const polling = await Polling.open(server, "EIO=3");
  assertEquals([await polling.packet(), await polling.packet()], ["40", GREETING]);
  await using client = await open(server, "EIO=3");
  assertEquals(await client.frames.take(2), ["40", GREETING]);

  await server.broadcast("<b>ü€😀</b>");
  const event = '42["message",{"message":"<b>\\u00fc\\u20ac\\ud83d\\ude00</b>"}]';
  assertEquals([await polling.packet(), await client.text()], [event, event]);
});

Deno.test("a client of protocol 5 joins, is greeted, and gets publications with their ids", async () => {
  await using server = await startServer();
  const polling = await Polling.open(server);
  await polling.post("40");
  await using client = await open(server);
  client.send("40");
  for (const next of [() => polling.packet(), () => client.text()]) {
    const { sid, pid, ...rest } = JSON.parse((await next()).slice(2));
    assertEquals(rest, {});
    assertMatch(sid, /^[\w-]{20}$/);
    assertMatch(pid, /^[\w-]{22}~[a-v0-9]{8}-0$/);
    const [, position] = pid.split("~");
    assertEquals(parse(await next()), ["message", { message: "Welcome to my server" }, position]);
  }
  await server.broadcast("<b>ü€😀</b>");
  const packet = await polling.packet();
  assertEquals(await client.text(), packet);
  assertMatch(packet, /^42\["message",\{"message":"<b>ü€😀<\/b>"\},"[a-v0-9]{8}-1"\]$/);
});

Deno.test("bytes go out as an attachment", async () => {
  await using server = await startServer({ welcome: "" });
  await using modern = await connect(server);
  await using old = await open(server, "EIO=3");
  assertEquals(await old.text(), "40");
  const bytes = new Uint8Array([0, 1, 255]);
  const id = await publish(server, "broadcast", bytes, "application/octet-stream");
  const placeholder = '{"_placeholder":true,"num":0}';
  assertEquals(await modern.frames.take(2), [`451-["message",${placeholder},"${id}"]`, bytes]);
  assertEquals(await old.frames.take(2), [
    `451-["message",${placeholder}]`,
    new Uint8Array([4, ...bytes]),
  ]);
});

Deno.test("Socket.IO is served with and without the last slash, on another path, or not at all", async () => {
  const query = "?EIO=4&transport=polling";
  const ways = [
    [{}, ["/socket.io/", "/socket.io"], ["/socket.io/x", "/socket.iox"]],
    [{ socketioPath: "/a/b/" }, ["/a/b/", "/a/b"], ["/socket.io/", "/a/"]],
    [{ socketio: false }, [], ["/socket.io/", "/socket.io"]],
  ] as const;
  for (const [options, served, others] of ways) {
    await using server = await startServer(options);
    for (const path of served) assertEquals((await server.fetch(path + query)).status, 200, path);
    for (const path of others) assertEquals((await server.fetch(path + query)).status, 404, path);
  }
});

Deno.test("a page of any origin may connect, a file too, and every answer says so", async () => {
  await using server = await startServer();
  const queries = ["EIO=4&transport=polling", "EIO=9&transport=polling"];
  for (const origin of ["https://elsewhere.example", "null"]) {
    for (const query of queries) {
      const { headers } = await server.fetch(`${PATH}?${query}`, { headers: { origin } });
      assertEquals(headers.get("access-control-allow-origin"), origin);
      assertEquals(headers.get("access-control-allow-credentials"), "true");
      assertEquals(headers.get("x-content-type-options"), "nosniff");
    }
    const url = server.socketUrl(`${PATH}?EIO=4&transport=websocket`);
    await using client = await Client.open(url, { headers: { origin } });
    assertMatch(await client.text(), /^0/);
  }
});

Deno.test("a client counts while it is there, whatever the way in which it leaves", async () => {
  await using server = await startServer();
  const ends: (() => Promise<void>)[] = [];
  for (const query of ["EIO=3", "EIO=4"]) {
    const byPacket = await Polling.open(server, query);
    if (query === "EIO=4") await byPacket.post("40");
    ends.push(() => byPacket.post("41", "1"));

    const byAbort = await Polling.open(server, query);
    if (query === "EIO=4") await byAbort.post("40");
    byAbort.takeAll();
    const controller = new AbortController();
    if (query === "EIO=4") await byAbort.packet();
    const poll = byAbort.poll({ signal: controller.signal }).catch(() => {});
    ends.push(async () => {
      controller.abort();
      await poll;
    });

    for (const end of ["41", "1"]) {
      const client = await open(server, query);
      if (query === "EIO=4") await join(client);
      else assertEquals(await client.text(), "40");
      ends.push(async () => {
        client.send(end);
        if (end === "1") await client.closed();
        else await client.close();
      });
    }
  }
  for (let left = ends.length; left > 0; left--) {
    await untilCount(server, left);
    await ends.pop()!();
  }
  await untilCount(server, 0);
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_sessions{transport="socketio"}'), 0);
});

Deno.test("a client that has joined nothing does not count", async () => {
  await using server = await startServer();
  await using client = await open(server);
  await Polling.open(server);
  await untilCount(server, 0);
  await join(client);
  await untilCount(server, 1);
  client.send("41");
  await untilCount(server, 0);
});

Deno.test("namespace /news is channel news, and nothing else", async () => {
  await using server = await startServer({ welcome: "" });
  await using modern = await connect(server);
  await join(modern, "/news,");
  await using old = await open(server, "EIO=3");
  old.send("40/news");
  assertEquals(await old.frames.take(2), ["40", "40/news,"]);
  const first = await publish(server, "news", "to readers");
  const second = await publish(server, "broadcast", "to all");
  assertEquals(await modern.frames.take(2), [
    `42/news,["message",{"message":"to readers"},"${first}"]`,
    `42["message",{"message":"to all"},"${second}"]`,
  ]);
  assertEquals(await old.frames.take(2), [
    '42/news,["message",{"message":"to readers"}]',
    '42["message",{"message":"to all"}]',
  ]);
});

Deno.test("a namespace that can be no channel is refused", async () => {
  await using server = await startServer();
  await using client = await open(server);
  const names = ["/a/b", "/a b", "/ü", "/*", "/news.*", `/${"x".repeat(201)}`, "/a?token=1"];
  for (const name of names) {
    client.send(`40${name},`);
    assertEquals(await client.text(), `44${name},{"message":"Invalid namespace"}`);
  }
  await join(client, `/${"x".repeat(128)},`);
});

Deno.test("the query names more channels for /, and a bad one is refused with the reason", async () => {
  await using server = await startServer({ welcome: "" });
  await using client = await connect(server, {}, "EIO=4&channel=news&channel=sensor.*");
  for (const channel of ["other", "news", "sensor.kitchen", "broadcast"]) {
    await publish(server, channel, channel);
  }
  const messages = (await client.frames.take(3)).map((packet) => parse(String(packet))[1]);
  assertEquals(messages, ["news", "sensor.kitchen", "broadcast"].map((message) => ({ message })));

  await using bad = await open(server, "EIO=4&channel=a%20b");
  bad.send("40");
  const refusal =
    /^44\{"message":"Cannot subscribe: expected a channel .*","data":\{"code":"bad-request"\}\}$/;
  assertMatch(await bad.text(), refusal);
  await using old = await open(server, "EIO=3&channel=a%20b");
  assertMatch(await old.text(), /^44"Cannot subscribe: expected a channel .*"$/);
});

Deno.test("a client that is cut while it joins leaves nothing behind", async () => {
  await using server = await startServer({ outboundBytesMax: 1000 });
  const polling = await Polling.open(server);
  // The first is refused, and its answer waits: the second is too much.
  await polling.post(`40/!${"x".repeat(1100)},`, "40/news,");
  assertEquals((await server.fetch("/count")).body, '{"count":0}');
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_sessions{transport="socketio"}'), 0);
  assertEquals(metrics.get('hark_disconnects_total{reason="slow"}'), 1);
});

Deno.test("a client gets heartbeat-s and the fixed bounds when it connects", async () => {
  await using server = await startServer({ heartbeatS: 7 });
  const { body } = await server.fetch(`${PATH}?EIO=4&transport=polling`);
  const { pingInterval, pingTimeout, maxPayload } = JSON.parse(body.slice(1));
  assertEquals([pingInterval, pingTimeout, maxPayload], [7000, 20_000, 1_000_000]);
});

Deno.test("how many namespaces one client is in is bounded, and counted where it is met", async () => {
  await using server = await startServer({ namespacesMax: 2 });
  await using client = await connect(server);
  await client.text();
  await join(client, "/a,");
  await client.text();
  client.send("40/b,");
  assertEquals(await client.text(), '44/b,{"message":"At most 2 namespaces"}');
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_rejected_total{reason="over-limit"}'), 1);
});

Deno.test("an event that is too large is not read: one of Hark's is refused, any other ignored", async () => {
  await using server = await startServer({ welcome: "", inboundBytesMax: 1024 });
  await using client = await connect(server);
  const answer = async () => JSON.parse((await client.text()).replace(/^43\d+/, ""))[0];
  // Of 1024 characters, and of one more.
  const pad = (chars: number) => `421["subscribe",["news"${" ".repeat(chars - 22)}]]`;
  assertEquals(pad(1024).length, 1024 + "421".length);
  client.send(pad(1024));
  assertEquals(await answer(), { ok: true });
  client.send(`42["chat","${"x".repeat(500_000)}"]`);
  client.send(`452-["chat",{"_placeholder":true,"num":0},"${"x".repeat(2000)}"]`);
  for (let count = 0; count < 2; count++) client.send(new Uint8Array(1));
  for (const event of ["subscribe", "unsubscribe"]) {
    client.send(pad(1025).replace("subscribe", event));
    assertEquals(await answer(), {
      ok: false,
      error: {
        code: "too-large",
        message:
          "Cannot take more characters of channels than inbound-bytes-max: name fewer at a time",
      },
    });
  }
  await publish(server, "news", "n");
  assertEquals(parse(await client.text())[1], { message: "n" });
  assertEquals((await server.metrics()).get('hark_rejected_total{reason="too-large"}'), 2);
});

Deno.test("a client subscribes and unsubscribes by events, with an ack", async () => {
  await using server = await startServer({ welcome: "", channelsPerSessionMax: 2 });
  await using client = await connect(server);
  const ask = async (id: number, event: string, ...args: unknown[]) => {
    client.send(`42${id}${JSON.stringify([event, ...args])}`);
    const [, answered, json] = /^43(\d+)\[(.*)\]$/.exec(await client.text())!;
    assertEquals(answered, String(id));
    return JSON.parse(json!);
  };
  assertEquals(await ask(0, "subscribe", "news"), { ok: true });
  assertEquals(await ask(1, "subscribe", ["news", "a.*", "a.*"]), { ok: true });
  await publish(server, "news", "n");
  await publish(server, "a.b", "ab");
  assertEquals((await client.frames.take(2)).map((packet) => parse(String(packet))[1]), [
    { message: "n" },
    { message: "ab" },
  ]);
  assertEquals((await ask(2, "subscribe", "third")).error.code, "over-limit");
  assertEquals(await ask(3, "unsubscribe", ["news", "unknown"]), { ok: true });
  assertEquals(await ask(4, "subscribe", "third"), { ok: true });
  for (const bad of ["a b", ["fine", ""], 7, null, {}, [["nested"]]]) {
    const { ok, error } = await ask(5, "subscribe", bad);
    assertEquals([ok, error.code], [false, "bad-request"]);
  }
  const { error } = await ask(5, "subscribe");
  assertEquals(error, { code: "bad-request", message: "Expected a channel or a list of channels" });
  assertEquals(await ask(5, "subscribe", "third", "more"), { ok: true });
  await publish(server, "news", "not any more");
  client.send('42["subscribe","no ack, bad name"]');
  client.send('42["unsubscribe","a.*"]');
  assertEquals(await ask(6, "unsubscribe", "third"), { ok: true });
  await publish(server, "a.b", "not any more");
  await publish(server, "broadcast", "still");
  assertEquals(parse(await client.text())[1], { message: "still" });
});

Deno.test("events of a client reach no other client", async () => {
  await using server = await startServer({ welcome: "" });
  await using sender = await connect(server);
  await using receiver = await connect(server);
  for (const name of ["message", "broadcast", "publish", "gap", "__proto__"]) {
    sender.send(`420${JSON.stringify([name, { message: "x" }])}`);
  }
  await server.broadcast("from the server");
  for (const client of [sender, receiver]) {
    assertEquals(parse(await client.text())[1], { message: "from the server" });
  }
});

Deno.test("a client that polls too slowly is cut, and others miss nothing", async () => {
  await using server = await startServer({ welcome: "", outboundBytesMax: 10_000 });
  const slow = await Polling.open(server, "EIO=3");
  await using other = await connect(server);
  await untilCount(server, 2);
  const message = "x".repeat(3000);
  for (let count = 0; count < 10; count++) {
    await server.broadcast(message);
    assertEquals(parse(await other.text())[1], { message });
  }
  await untilCount(server, 1);
  assertEquals((await server.fetch(slow.path())).status, 400);
  assertEquals((await server.metrics()).get('hark_disconnects_total{reason="slow"}'), 1);
});

Deno.test("the scripts of Socket.IO's own server are found on the public CDN, by pages of any site", async () => {
  await using server = await startServer({ socketioPath: "/chat/io/" });
  for (const name of ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"]) {
    for (const method of ["GET", "HEAD"]) {
      const { status, headers } = await server.fetch(`/chat/io/${name}`, {
        method,
        redirect: "manual",
        headers: { origin: "https://elsewhere.test" },
      });
      assertEquals([status, headers.get("location"), headers.get("access-control-allow-origin")], [
        302,
        `https://cdn.jsdelivr.net/npm/socket.io-client@4/dist/${name}`,
        "*",
      ]);
    }
  }
  assertEquals((await server.fetch("/chat/io/other.js")).status, 404);
  await using without = await startServer({ socketio: false });
  assertEquals((await without.fetch("/socket.io/socket.io.js")).status, 404);
});

Deno.test("a server that stops lets its clients come back: none gets a disconnect packet", async () => {
  const server = await startServer({ welcome: "" });
  const polling = await Polling.open(server, "EIO=3");
  assertEquals(polling.takeAll(), ["40"]);
  const poll = server.fetch(polling.path());
  const modern = await connect(server);
  const old = await open(server, "EIO=3");
  assertEquals(await old.text(), "40");
  await server.stop();
  assertEquals((await poll).status, 400);
  for (const client of [modern, old]) {
    assertEquals(await client.closed(), { code: 1001, reason: "going away" });
    assertEquals(client.frames.takeAll(), []);
  }
});

Deno.test("over the limits a new connection is refused with 503, and the others stay", async () => {
  await using server = await startServer({ welcome: "", connectionsMax: 1 });
  await using client = await connect(server);
  const polling = await server.fetch(`${PATH}?EIO=4&transport=polling`);
  const lines = [`GET ${PATH}?EIO=4&transport=websocket HTTP/1.1`, ...HANDSHAKE];
  const socket = await request(server.port, lines);
  for (const { status, headers } of [polling, socket]) {
    assertEquals([status, headers.get("retry-after")], [503, "5"]);
  }
  await server.broadcast("untouched");
  assertEquals(parse(await client.text())[1], { message: "untouched" });
});

Deno.test("a sid is sent only to its client, and is not in the log", async () => {
  await using server = await startServer();
  const polling = await Polling.open(server, "EIO=3");
  await using client = await connect(server, {}, "EIO=4&channel=news");
  await server.fetch(polling.path(), { method: "POST", body: "abc" });
  client.send("4abc");
  await client.closed();
  await untilCount(server, 0);
  const log = JSON.stringify(server.log.takeAll());
  const presence = await server.fetch("/channels/news/presence");
  for (const secret of [polling.sid, client.sid, client.pid]) {
    assertEquals((log + presence.body).includes(secret), false);
  }
  assertMatch(log, /client cut/);
});

Deno.test("malformed packets and payloads are counted, and end their own session alone", async () => {
  await using server = await startServer({ welcome: "" });
  await using other = await connect(server);
  const polling = await Polling.open(server);
  await server.fetch(polling.path(), { method: "POST", body: "abc" });
  await using client = await connect(server);
  client.send("42{}");
  assertEquals((await client.closed()).code, 4500);
  await untilCount(server, 1);
  assertEquals((await server.metrics()).get('hark_rejected_total{reason="protocol"}'), 2);
  await server.broadcast("untouched");
  assertEquals(parse(await other.text())[1], { message: "untouched" });
});

Deno.test("a message is encoded once for each protocol, however many clients poll or have a socket", async () => {
  await using server = await startServer({ welcome: "" });
  const polling = await Promise.all(["EIO=3", "EIO=3", "EIO=4", "EIO=4"].map(async (query) => {
    const client = await Polling.open(server, query);
    if (query === "EIO=4") await client.post("40");
    await client.packet();
    return client;
  }));
  const sockets = await Promise.all(["EIO=3", "EIO=3"].map(async (query) => {
    const client = await open(server, query);
    await client.text();
    return client;
  }));
  sockets.push(await connect(server), await connect(server));

  const encoded = new Set<Encoded>();
  const { encoded: original } = Publication.prototype;
  Publication.prototype.encoded = function (encoder) {
    const found = original.call(this, encoder);
    encoded.add(found);
    return found;
  };
  try {
    await server.broadcast("hello");
    for (const client of polling) {
      assertEquals(parse(await client.packet())[1], { message: "hello" });
    }
    for (const client of sockets) assertEquals(parse(await client.text())[1], { message: "hello" });
    assertEquals(encoded.size, 2);
  } finally {
    Publication.prototype.encoded = original;
    for (const client of sockets) await client.close();
  }
});

Deno.test("a client whose requests have no headers is greeted", async () => {
  await using server = await startServer({ clock: new SocketClock() });
  using connection = await RawConnection.open(server.port);
  await connection.request(["GET /socket.io/?EIO=3&transport=polling HTTP/1.0"]);
  const text = new TextDecoder().decode(await connection.rest());
  assertMatch(text, /2:4048:42\["message",\{"message":"Welcome to my server"\}\]$/);
  assertEquals(server.log.takeAll().filter(({ level }) => level === "error"), []);
});
