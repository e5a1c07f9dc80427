import { assertEquals } from "@std/assert";
import { systemClock } from "../../lib/core/clock.ts";
import { request } from "../support/raw.ts";
import type { Answer } from "../support/reachable.ts";
import { startServer } from "../support/server.ts";
import { Client, HarkClient } from "../support/socket.ts";
import { issue, SECRET } from "../support/tokens.ts";

Deno.test("/broadcast answers its message and nothing else", async () => {
  await using server = await startServer();
  const { status, headers, body } = await server.fetch("/broadcast/hello");
  assertEquals([status, body], [200, '{"message":"hello"}']);
  assertEquals(headers.get("content-type"), "application/json");
  assertEquals(headers.get("content-length"), "19");
});

Deno.test("/broadcast decodes every message exactly, and everyone gets it", async () => {
  await using server = await startServer();
  await using client = await Client.open(server.socketUrl());
  assertEquals(await client.json(), { message: "Welcome to my server" });
  const messages: Record<string, string> = {
    "hello": "hello",
    "happy%20birthday": "happy birthday",
    "%C3%BC%E2%82%AC%F0%9F%98%80": "ü€😀",
    "ü€😀": "ü€😀",
    "%2F": "/",
    "a%2Fb%2Fc": "a/b/c",
    "%2e%2E": "..",
    "..": "..",
    ".": ".",
    "a+b": "a+b",
    "100%25": "100%",
    "%22%5C%0A%00%7F": '"\\\n\0\x7f',
    "%3Cb%3E": "<b>",
    "%E2%80%A8": "\u2028",
    "null": "null",
    "a&b=c": "a&b=c",
    "a:b@c": "a:b@c",
    "a\\b": "a\\b",
    ["a".repeat(8192)]: "a".repeat(8192),
    ["%F0%9F%98%80".repeat(2048)]: "😀".repeat(2048),
  };
  for (const [path, message] of Object.entries(messages)) {
    const { status, body } = await request(server.port, [
      `GET /broadcast/${path} HTTP/1.1`,
      "Host: localhost",
    ]);
    assertEquals([status, body], [200, JSON.stringify({ message })], path.slice(0, 80));
    assertEquals(await client.text(), JSON.stringify({ message }), path.slice(0, 80));
  }
});

Deno.test("/broadcast refuses malformed requests, publishes nothing and goes on", async () => {
  await using server = await startServer();
  await using client = await Client.open(server.socketUrl());
  await client.text();
  for (const path of ["%E0%A4%A", "%", "%zz", "a%", "%FF", "%ED%A0%80", "%C0%AF"]) {
    for (const method of ["GET", "POST", "HEAD"]) {
      const { status, headers, body } = await server.fetch(`/broadcast/${path}`, { method });
      assertEquals([status, headers.get("content-type")], [400, "application/problem+json"], path);
      if (method === "HEAD") continue;
      assertEquals(JSON.parse(body), {
        type: "urn:hark:problem:bad-request",
        title: "Bad Request",
        status: 400,
        detail: "Cannot decode the path: its percent-encoding is malformed or not UTF-8",
        help: "/docs/errors.md#bad-request",
      });
    }
  }
  await server.broadcast("alive");
  assertEquals(await client.json(), { message: "alive" });
});

Deno.test("/broadcast publishes by every method but HEAD and OPTIONS", async () => {
  await using server = await startServer();
  await using client = await Client.open(server.socketUrl());
  await client.text();
  for (const method of ["GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"]) {
    const { status } = await server.fetch(`/broadcast/${method}`, { method });
    assertEquals(status, method === "OPTIONS" ? 204 : 200);
  }
  const got = await client.frames.take(5);
  assertEquals(
    got,
    ["GET", "POST", "PUT", "PATCH", "DELETE"].map((message) => `{"message":"${message}"}`),
  );
  assertEquals((await server.metrics()).get("hark_publications_total"), 5);
});

Deno.test("/broadcast leaves a body unread and the connection usable", async () => {
  await using server = await startServer();
  for (const size of [0, 10, 1_000_000]) {
    const { status, body } = await server.fetch("/broadcast/hello", {
      method: "POST",
      body: "x".repeat(size),
    });
    assertEquals([status, body], [200, '{"message":"hello"}']);
  }
  assertEquals((await server.fetch("/count")).body, '{"count":0}');
});

Deno.test("/broadcast works with no client connected", async () => {
  await using server = await startServer();
  await server.broadcast("is anybody there?");
  const metrics = await server.metrics();
  assertEquals(metrics.get("hark_publications_total"), 1);
  assertEquals(metrics.get("hark_deliveries_total"), 0);
});

Deno.test("/broadcast takes a channel and an event", async () => {
  await using server = await startServer();
  await using client = await HarkClient.open(server.socketUrl("/ws?channel=news"));
  await client.event();
  await server.broadcast("hi", "?channel=news&event=headline");
  const { type, channel, event, data } = await client.event();
  assertEquals({ type, channel, event, data }, {
    type: "message",
    channel: "news",
    event: "headline",
    data: { message: "hi" },
  });
});

Deno.test("/broadcast refuses invalid channels and events", async () => {
  await using server = await startServer();
  const queries = [
    ...["channel=", "channel=a%20b", "channel=a/b", "channel=*", "channel=%FF", "channel=ü"],
    ...[`channel=${"a".repeat(201)}`, "event=", "event=disconnect", "event=a%0Ab", "event=%00"],
    ...[`event=${"a".repeat(201)}`],
  ];
  for (const query of queries) {
    const { status, body } = await server.fetch(`/broadcast/hi?${query}`);
    assertEquals([status, JSON.parse(body).type], [400, "urn:hark:problem:bad-request"], query);
  }
  assertEquals((await server.metrics()).get("hark_publications_total"), 0);
});

Deno.test("/broadcast refuses more than publish-bytes-max with 413", async () => {
  await using server = await startServer({ publishBytesMax: 20 });
  await server.broadcast("123456"); // {"message":"123456"} has 20 bytes.
  for (const message of ["1234567", "é12345", "😀123"]) {
    const { status, body } = await server.fetch(`/broadcast/${message}`);
    assertEquals([status, JSON.parse(body)], [413, {
      type: "urn:hark:problem:too-large",
      title: "Content Too Large",
      status: 413,
      detail: "Cannot publish more than 20 bytes in one message",
      help: "/docs/errors.md#too-large",
    }]);
  }
  const { address, why } = await server.log.find(({ message }) => message === "refused");
  assertEquals([address, why], ["127.0.0.1", "Cannot publish more than 20 bytes in one message"]);
  const metrics = await server.metrics();
  assertEquals(metrics.get("hark_publications_total"), 1);
  assertEquals(metrics.get('hark_rejected_total{reason="too-large"}'), 3);
});

Deno.test("/broadcast refuses more than publish-per-second-max with 429 until a second is over", async () => {
  let now = 0;
  const clock = { ...systemClock, monotonic: () => now };
  await using server = await startServer({ publishPerSecondMax: 3, clock });
  const publish = async () => (await server.fetch("/broadcast/x")).status;
  const first = [await publish(), await publish(), await publish(), await publish()];
  assertEquals(first, [200, 200, 200, 429]);
  const { headers, body } = await server.fetch("/broadcast/x");
  assertEquals(headers.get("retry-after"), "1");
  assertEquals(JSON.parse(body).type, "urn:hark:problem:too-many-requests");
  now = 334;
  assertEquals([await publish(), await publish()], [200, 429]);
  now = 10_000;
  const later = [await publish(), await publish(), await publish(), await publish()];
  assertEquals(later, [200, 200, 200, 429]);
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_rejected_total{reason="too-many-requests"}'), 4);
});

Deno.test("each key has a rate of its own, whoever shows it", async () => {
  const clock = { ...systemClock, monotonic: () => 0 };
  await using server = await startServer({
    publishPerSecondMax: 1,
    publishKey: ["one", "two"],
    clock,
  });
  const publish = async (key: string) => (await server.fetch(`/broadcast/x?key=${key}`)).status;
  assertEquals([await publish("one"), await publish("one")], [200, 429]);
  assertEquals([await publish("two"), await publish("two")], [200, 429]);
});

Deno.test("each accepted publication is one line of the log at level debug", async () => {
  const key = "a-publish-key";
  await using server = await startServer({
    publishKey: ["another-key", key],
    tokenSecret: SECRET,
    public: ["*"],
    publishBytesMax: 20,
    linesPerPeerMax: 1,
  });
  const token = await issue({ sub: "Zoë", hark: { publish: ["chat"] } });
  const post = (path: string, body: string, headers: Record<string, string>) => {
    return server.fetch(path, { method: "POST", body, headers });
  };
  const holder = { authorization: `Bearer ${key}` };
  const ids: string[] = [];
  const accept = async (answer: Promise<Answer>) => {
    const { publications, ...one } = JSON.parse((await answer).body);
    ids.push(...(publications ?? [one]).map(({ id }: { id: string }) => id));
  };
  const lines = { ...holder, "content-type": "application/x-ndjson" };
  await accept(post("/channels/ci?event=build", '{"ok":true}\n"ü"', lines));
  const once = { ...holder, "idempotency-key": "k", "content-type": "application/json" };
  await accept(post("/channels/ci", "1", once));
  // What was published before is not accepted again.
  assertEquals(JSON.parse((await post("/channels/ci", "1", once)).body).id, ids.at(-1));
  await accept(post("/channels/chat?as=json", "22", { authorization: `Bearer ${token}` }));
  assertEquals((await post("/channels/chat", "x".repeat(21), holder)).status, 413);
  assertEquals((await post("/channels/chat", "x", {})).status, 401);
  await using client = await HarkClient.open(server.socketUrl(`/ws?key=${key}`));
  await client.event();
  const reply = await client.command({
    type: "publish",
    channel: "chat",
    event: "a b",
    data: null,
  });
  ids.push(String(reply.id));

  const told = server.log.takeAll().filter(({ message }) => message === "published")
    .map(({ time: _, message: __, ...fields }) => fields);
  assertEquals<unknown>(told, [
    { level: "debug", channel: "ci", event: "build", bytes: 11, id: ids[0], caller: "key 1" },
    { level: "debug", channel: "ci", event: "build", bytes: 4, id: ids[1], caller: "key 1" },
    { level: "debug", channel: "ci", event: "message", bytes: 1, id: ids[2], caller: "key 1" },
    { level: "debug", channel: "chat", event: "message", bytes: 2, id: ids[3], caller: "user Zoë" },
    { level: "debug", channel: "chat", event: "a b", bytes: 4, id: ids[4], caller: "key 1" },
  ]);
});
