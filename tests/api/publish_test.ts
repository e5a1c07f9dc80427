import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { deadline } from "../support/deadline.ts";
import { EventStream } from "../support/events.ts";
import { RawConnection } from "../support/raw.ts";
import { startServer } from "../support/server.ts";
import { Client, HarkClient } from "../support/socket.ts";
import { BYTES_TYPE, JSON_TYPE, LINES_TYPE, post, problemOf, publish, read } from "./channels.ts";

Deno.test("POST /channels/:channel publishes each kind of body", async () => {
  await using server = await startServer();
  const posted: readonly (readonly [BodyInit, Record<string, string>, string])[] = [
    ['{"temp":21.5}', JSON_TYPE, '{"temp":21.5}'],
    ["[1.0, 12345678901234567890 ]", JSON_TYPE, "[1.0, 12345678901234567890 ]"],
    ['{"__proto__":{"a":1}}', JSON_TYPE, '{"__proto__":{"a":1}}'],
    ["null", { "content-type": "application/cloudevents+json" }, "null"],
    ["deploy finished", {}, '{"message":"deploy finished"}'],
    [new TextEncoder().encode("untyped"), {}, '{"message":"untyped"}'],
    [
      "deploy=finished&a=%20",
      { "content-type": "application/x-www-form-urlencoded" },
      '{"message":"deploy=finished&a=%20"}',
    ],
    ["1", LINES_TYPE, "1"],
  ];
  await using client = await Client.open(server.socketUrl("/ws?channel=ci"));
  await client.text();
  for (const [body, headers, data] of posted) {
    const { status, headers: answered } = await post(server, "ci", body, headers);
    assertEquals([status, answered.get("content-type")], [200, "application/json"]);
    assertEquals(await client.text(), data);
  }
});

Deno.test("POST /channels/:channel answers with id, channel, event and time", async () => {
  await using server = await startServer();
  const before = Date.now();
  const first = await publish(server, "sensor.kitchen?event=reading", "1", JSON_TYPE);
  const second = await publish(server, "sensor%2Ekitchen", "2", JSON_TYPE);
  const { id, channel, event, time } = first;
  assertEquals([channel, event], ["sensor.kitchen", "reading"]);
  assertMatch(id, /^[a-z0-9]+-1$/);
  assertEquals(time >= before && time <= Date.now(), true);
  assertEquals(Object.keys(first), ["id", "channel", "event", "time"]);
  assertEquals([second.channel, second.event], ["sensor.kitchen", "message"]);
});

Deno.test("bytes arrive as bytes, or as base64 where there are none", async () => {
  await using server = await startServer();
  await using plain = await Client.open(server.socketUrl("/ws?channel=bin"));
  await using hark = await HarkClient.open(server.socketUrl("/ws?channel=bin"));
  await using events = await EventStream.open(`${server.url}/events?channel=bin`);
  assertEquals([await plain.text(), (await hark.event()).type], [
    '{"message":"Welcome to my server"}',
    "welcome",
  ]);
  const bodies = [Uint8Array.from({ length: 256 }, (_, byte) => byte), new Uint8Array()];
  for (const body of bodies) {
    const told = await publish(server, "bin?event=chunk", body, BYTES_TYPE);
    assertEquals(await plain.frames.next(), body);
    const base64 = body.toBase64();
    assertEquals(await hark.event(), { type: "message", ...told, base64 });
    const block = await events.blocks.find((block) => block.includes("data:"));
    assertEquals(block, `id: ${told.id}\nevent: chunk\ndata: {"base64":"${base64}"}`);
    assertEquals((await read(server, "bin")).publications.at(-1), { ...told, base64 });
  }
});

Deno.test("each line of x-ndjson is a message, in order, all or none", async () => {
  await using server = await startServer();
  await using client = await Client.open(server.socketUrl("/ws?channel=ci"));
  await client.text();
  const lines = Array.from({ length: 200 }, (_, index) => JSON.stringify({ index }));
  const answer = await post(server, "ci?event=line", lines.join("\r\n") + "\n\n", LINES_TYPE);
  const { publications } = JSON.parse(answer.body);
  assertEquals(await client.frames.take(200), lines);
  const [{ id, time }] = publications;
  const [, epoch] = /^(\w+)-1$/.exec(id)!;
  const expected = lines.map((_, index) => {
    return { id: `${epoch}-${index + 1}`, channel: "ci", event: "line", time };
  });
  assertEquals(publications, expected);

  const wrong = await post(server, "ci", "1\n2\n{\n4\n", LINES_TYPE);
  assertEquals(problemOf(wrong), [
    400,
    "bad-request",
    "Cannot read line 3 as JSON: Expected property name or '}' in JSON at position 1",
  ]);
  await server.broadcast("after");
  assertEquals(await client.text(), '{"message":"after"}');
});

Deno.test("messages of concurrent batches do not mix", async () => {
  await using server = await startServer({ historyCount: 1000 });
  const batches = Array.from({ length: 8 }, (_, batch) => `"${batch}"\n`.repeat(50));
  await Promise.all(batches.map((body) => post(server, "ci", body, LINES_TYPE)));
  const { publications } = await read(server, "ci?limit=1000");
  const runs = publications.filter(({ data }, at) => publications[at - 1]?.data !== data);
  assertEquals([publications.length, runs.length], [400, 8]);
});

Deno.test("POST /channels/:channel refuses wrong requests with a sentence", async () => {
  await using server = await startServer({ publishBytesMax: 100, publishPerSecondMax: 100 });
  const name =
    "Cannot use this as a channel: expected 1 to 200 of A-Z a-z 0-9 _ . : @ = , ; # -, got ";
  const key = "Cannot use this Idempotency-Key: expected 1 to 255 characters of printable ASCII";
  const body = "Cannot take a body of more than";
  const long = "x".repeat(201);
  const refused: readonly (readonly [
    string,
    BodyInit,
    Record<string, string>,
    [number, string, string],
  ])[] = [
    ["a%20b", "x", {}, [400, "bad-request", `${name}"a b"`]],
    ["a%2Fb", "x", {}, [400, "bad-request", `${name}"a/b"`]],
    ["sensor.*", "x", {}, [400, "bad-request", `${name}"sensor.*"`]],
    [long, "x", {}, [400, "bad-request", `${name}"${long.slice(0, 140)}…"`]],
    ["%E0%A4%A", "x", {}, [
      400,
      "bad-request",
      "Cannot decode the path: its percent-encoding is malformed or not UTF-8",
    ]],
    ["a?event=", "x", {}, [
      400,
      "bad-request",
      "Cannot use this event name: expected 1 to 200 printable characters",
    ]],
    ["a?event=a%0Adata:", "x", {}, [
      400,
      "bad-request",
      "Cannot use this event name: expected 1 to 200 printable characters",
    ]],
    ["a?event=disconnect", "x", {}, [
      400,
      "bad-request",
      'Cannot use the event name "disconnect": clients keep it for themselves',
    ]],
    ["a", Uint8Array.of(0xff), {}, [
      400,
      "bad-request",
      "Cannot read the body: it is not UTF-8; send bytes as application/octet-stream, or with ?as=binary",
    ]],
    ["a", "x", { "content-encoding": "gzip" }, [
      415,
      "unsupported",
      "Cannot take a compressed body: send it without encoding",
    ]],
    ["a", new FormData(), {}, [
      415,
      "unsupported",
      "Cannot take a form of several parts: send one message as the body, or application/x-ndjson",
    ]],
    ["a", "x".repeat(101), {}, [413, "too-large", `${body} 100 bytes`]],
    ["a", "x".repeat(87), {}, [
      413,
      "too-large",
      "Cannot publish more than 100 bytes in one message",
    ]],
    ["a", `"${"x".repeat(99)}"`, LINES_TYPE, [
      413,
      "too-large",
      "Cannot publish line 1: it has more than 100 bytes",
    ]],
    ["a", " ".repeat(1601), LINES_TYPE, [413, "too-large", `${body} 1600 bytes`]],
    ["a", "1\n".repeat(101), LINES_TYPE, [
      413,
      "too-large",
      "Cannot publish more than 100 messages at once",
    ]],
    ["a", "x", { "idempotency-key": "" }, [400, "bad-request", key]],
    ["a", "x", { "idempotency-key": "x".repeat(256) }, [400, "bad-request", key]],
    ["a", "x", { "idempotency-key": "\u00e4" }, [400, "bad-request", key]],
  ];
  for (const [target, content, headers, expected] of refused) {
    assertEquals(problemOf(await post(server, target, content, headers)), expected);
  }
  assertEquals((await read(server, "a")).publications, []);
  assertEquals((await publish(server, "a", "x".repeat(86))).id.endsWith("-1"), true);
  assertEquals((await server.fetch("/channels/", { method: "POST", body: "x" })).status, 404);
  const put = await server.fetch("/channels/a", { method: "PUT", body: "x" });
  assertEquals([put.status, put.headers.get("allow")], [405, "GET, HEAD, OPTIONS, POST"]);
});

Deno.test("POST /channels/:channel tells a publisher that is too fast when to retry", async () => {
  await using server = await startServer({ publishPerSecondMax: 3 });
  await publish(server, "a", "1\n2\n3", LINES_TYPE);
  const refused = await post(server, "a", "4");
  assertEquals([refused.status, refused.headers.get("retry-after")], [429, "1"]);
});

Deno.test("JSON that is nested too deep is refused, and the server goes on", async () => {
  await using server = await startServer({ publishBytesMax: 1_000_000 });
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  const deep = await post(server, "deep", nested(100_000), JSON_TYPE);
  assertEquals(deep.status, 400);
  await publish(server, "deep", nested(100), JSON_TYPE);
  const { body } = await server.fetch("/channels/deep");
  assertEquals(body.includes(`"data":${nested(100)},"time"`), true);
});

Deno.test("a request repeated under its Idempotency-Key is answered again, not carried out", async () => {
  await using server = await startServer({ historyCount: 100 });
  const headers = { "idempotency-key": "8e03978e-40d5 \u{7e}" };
  const bodies: readonly (readonly [BodyInit, Record<string, string>])[] = [
    ["text", {}],
    ["1\n2", { ...LINES_TYPE, "idempotency-key": "lines" }],
    [Uint8Array.of(1), { ...BYTES_TYPE, "idempotency-key": "bytes" }],
  ];
  for (const [body, own] of bodies) {
    const first = await post(server, "ci?event=e", body, { ...headers, ...own });
    assertEquals(first.status, 200);
    const again = await post(server, "ci?event=e", body, { ...headers, ...own });
    assertEquals([again.status, again.body], [200, first.body]);
  }
  assertEquals((await read(server, "ci")).publications.length, 4);
});

Deno.test("an Idempotency-Key is for one body, channel, event and type", async () => {
  await using server = await startServer();
  const headers = { "idempotency-key": "k" };
  await publish(server, "ci", "1", headers);
  const others: readonly (readonly [string, string, Record<string, string>])[] = [
    ["ci", "2", {}],
    ["cd", "1", {}],
    ["ci?event=e", "1", {}],
    ["ci", "1", JSON_TYPE],
  ];
  for (const [target, body, own] of others) {
    assertEquals(problemOf(await post(server, target, body, { ...headers, ...own })), [
      422,
      "conflict",
      "This Idempotency-Key stands for another request: send each request under a key of its own",
    ]);
  }
});

Deno.test("concurrent requests with one Idempotency-Key publish once", async () => {
  await using server = await startServer();
  const headers = { "idempotency-key": "k" };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => post(server, "ci", "once", headers)),
  );
  const { publications } = await read(server, "ci");
  assertEquals(publications.length, 1);
  const { data: _, ...told } = publications[0]!;
  assertEquals(answers.map(({ body }) => JSON.parse(body)), answers.map(() => told));
});

Deno.test("an Idempotency-Key is free again when its request failed, and each key's holder has its own", async () => {
  await using server = await startServer({
    publishKey: ["one", "two"],
    publishPerSecondMax: 1,
  });
  const as = (key: string) => ({ authorization: `Bearer ${key}`, "idempotency-key": "k" });
  const first = await publish(server, "ci", "a", as("one"));
  const other = await publish(server, "ci", "b", as("two"));
  assertNotEquals(first.id, other.id);
  assertEquals(
    (await post(server, "ci", "c", { ...as("one"), "idempotency-key": "l" })).status,
    429,
  );
  assertEquals((await post(server, "ci", "{", { ...as("one"), ...JSON_TYPE })).status, 400);
  assertEquals(await publish(server, "ci", "a", as("one")), first);
});

Deno.test("a new Idempotency-Key is refused if no more can be kept", async () => {
  await using server = await startServer({ idempotencyKeysMax: 2, idempotencyAgeS: 100 });
  const first = await publish(server, "ci", "a", { "idempotency-key": "1" });
  const refused = await post(server, "ci", "b", { "idempotency-key": "2" });
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "100"]);
  assertEquals(await publish(server, "ci", "a", { "idempotency-key": "1" }), first);
  await publish(server, "ci", "b");
  assertEquals((await read(server, "ci")).publications.length, 2);
});

Deno.test("a body that does not come whole holds up neither others nor stopping", async () => {
  const server = await startServer();
  let stopped: Promise<void>;
  {
    using connection = await RawConnection.open(server.port);
    await connection.request([
      "POST /channels/ci HTTP/1.1",
      "Host: localhost",
      "Content-Length: 9",
    ]);
    await publish(server, "ci", "whole");
    assertEquals((await read(server, "ci")).publications.length, 1);
    stopped = server.stop();
    assertEquals((await connection.head()).status, 503);
  }
  await deadline(stopped);
});

Deno.test("POST /channels/:channel reads a body as ?as= says", async () => {
  await using server = await startServer({ publishBytesMax: 100 });
  const post = async (query: string, body: string, type: string, headers = {}) => {
    const init = { method: "POST", body, headers: { "content-type": type, ...headers } };
    return await server.fetch(`/channels/hooks?${query}`, init);
  };
  const form = "application/x-www-form-urlencoded";
  const payload = `payload=${encodeURIComponent('{"ref":"main"}')}&x=1`;
  const cases: readonly [query: string, body: string, type: string, published: object][] = [
    ["", payload, form, { data: { message: payload } }],
    ["as=text", "[1]", "application/json", { data: { message: "[1]" } }],
    ["as=json", "[1]", "text/plain", { data: [1] }],
    ["as=json", "[1]", "application/x-ndjson", { data: [1] }],
    ["as=binary", "[1]", "application/json", { base64: btoa("[1]") }],
    ["as=form", payload, "text/plain", { data: { payload: '{"ref":"main"}', x: "1" } }],
    ["as=form&field=payload", payload, form, { data: { ref: "main" } }],
    ["", "<a/>", "application/xml", { data: { message: "<a/>" } }],
    // What counts is the message, not how much longer the form makes it.
    ["as=form&field=a", `a=${encodeURIComponent(`"${"ü".repeat(48)}"`)}`, form, {
      data: "ü".repeat(48),
    }],
  ];
  for (const [query, body, type, published] of cases) {
    const { status, body: answer } = await post(query, body, type);
    assertEquals(status, 200, answer);
    const { publications } = JSON.parse((await server.fetch("/channels/hooks")).body);
    const { data, base64 } = publications.at(-1);
    assertEquals<unknown>(
      JSON.parse(JSON.stringify({ data, base64 })),
      published,
      `${query} ${type}`,
    );
  }
  for (const [query, body] of [["as=xml", "1"], ["as=form&field=b", "a=1"], ["field=a", "a=1"]]) {
    assertEquals((await post(query!, body!, form)).status, 400, query);
  }
  assertEquals((await post("as=form&field=a", `a=${"1".repeat(101)}`, form)).status, 413);
  assertEquals((await post("as=form", `a=${"1".repeat(299)}`, form)).status, 413);

  // The same body that is read in another way is another request.
  const key = { "idempotency-key": "k" };
  assertEquals((await post("as=form&field=payload", payload, form, key)).status, 200);
  assertEquals((await post("as=form&field=payload", payload, form, key)).status, 200);
  assertEquals((await post("as=form&field=x", payload, form, key)).status, 422);
  assertEquals((await post("as=form", payload, form, key)).status, 422);
});
