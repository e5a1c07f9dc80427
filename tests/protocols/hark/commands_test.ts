import { assertEquals, assertMatch } from "@std/assert";
import { systemClock } from "../../../lib/core/clock.ts";
import { eventually } from "../../support/deadline.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { Client, HarkClient } from "../../support/socket.ts";

type Fields = Record<string, unknown>;

async function open(server: TestServer, query = "", headers = {}): Promise<HarkClient> {
  const client = await HarkClient.open(server.socketUrl(`/ws${query}`), headers);
  assertEquals((await client.event()).type, "welcome");
  return client;
}

/** The parts of a message that do not depend on the server. */
async function message(client: HarkClient): Promise<Fields> {
  const { type, channel, event, data, base64 } = await client.event();
  assertEquals(type, "message");
  return { channel, event, ...(base64 === undefined ? { data } : { base64 }) };
}

Deno.test("hark.v1 begins with a welcome that has the client's id and position", async () => {
  await using server = await startServer();
  await server.broadcast("before");
  await using client = await HarkClient.open(server.socketUrl());
  const { client: id, position, ...rest } = await client.event();
  assertMatch(String(id), /^[A-Za-z0-9_-]{22}$/);
  assertMatch(String(position), /^[a-z0-9]+-1$/);
  assertEquals(rest, { type: "welcome", greeting: "Welcome to my server" });
  const line = await server.log.find(({ message }) => message === "new connection");
  assertEquals([line.id, line.transport, line.address], [id, "websocket", "127.0.0.1"]);

  await using silent = await startServer({ welcome: "" });
  await using other = await HarkClient.open(silent.socketUrl());
  assertEquals(Object.keys(await other.event()), ["type", "client", "position"]);
});

Deno.test("hark.v1 sends each message with its id, channel, event, data and time", async () => {
  const now = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
  await using server = await startServer({ clock: { ...systemClock, now: () => now } });
  await using client = await open(server, "?channel=news");
  await server.broadcast("<b>ü€😀</b>");
  await server.fetch("/channels/news?event=bytes", {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: new Uint8Array([0, 255]),
  });
  const [first, second] = await client.events.take(2);
  const epoch = String(first!.id).split("-")[0];
  assertEquals(first, {
    type: "message",
    id: `${epoch}-1`,
    channel: "broadcast",
    event: "message",
    data: { message: "<b>ü€😀</b>" },
    time: now,
  });
  assertEquals(second, {
    type: "message",
    id: `${epoch}-2`,
    channel: "news",
    event: "bytes",
    base64: "AP8=",
    time: now,
  });
});

Deno.test("hark.v1 puts all of one turn into one frame, in order", async () => {
  await using server = await startServer();
  await using watcher = await Client.open(server.socketUrl(), { protocols: ["hark.v1"] });
  assertEquals((await watcher.json() as Fields[]).length, 1);
  const lines = Array.from({ length: 20 }, (_, number) => `${number}\n`).join("");
  await server.fetch("/channels/broadcast", {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines,
  });
  const events = await watcher.json() as Fields[];
  assertEquals(events.map(({ data }) => data), Array.from({ length: 20 }, (_, number) => number));
});

Deno.test("subscribe and unsubscribe take effect before their reply", async () => {
  await using server = await startServer();
  await using client = await open(server);
  const subscribed = await client.command({ type: "subscribe", channels: ["a", "b.*", "a"] });
  assertMatch(String(subscribed.position), /^[a-z0-9]+-0$/);
  assertEquals(Object.keys(subscribed), ["type", "position"]);
  for (const channel of ["a", "b.c", "b", "c"]) await server.broadcast("x", `?channel=${channel}`);
  assertEquals((await message(client)).channel, "a");
  assertEquals((await message(client)).channel, "b.c");

  assertEquals(await client.command({ type: "unsubscribe", channels: ["a", "never"] }), {
    type: "ok",
  });
  for (const channel of ["a", "b.c"]) await server.broadcast("x", `?channel=${channel}`);
  assertEquals((await message(client)).channel, "b.c");
});

Deno.test("subscribe with since replays what was missed before its reply", async () => {
  await using server = await startServer();
  await using client = await open(server);
  const position = (await client.command({ type: "subscribe", channels: ["a"] })).position;
  await client.command({ type: "unsubscribe", channels: ["a"] });
  for (const text of ["1", "2", "3"]) await server.broadcast(text, "?channel=a");
  const ref = "again";
  client.client.send(JSON.stringify({ type: "subscribe", channels: ["a"], since: position, ref }));
  for (const text of ["1", "2", "3"]) {
    assertEquals(await message(client), {
      channel: "a",
      event: "message",
      data: { message: text },
    });
  }
  const { position: end, ...reply } = await client.event();
  assertEquals(reply, { type: "ok", ref: "again", recovered: true });
  assertMatch(String(end), /^[a-z0-9]+-3$/);
});

Deno.test("publish reaches every subscriber, the publisher too", async () => {
  await using server = await startServer();
  await using client = await open(server, "?channel=a");
  await using other = await open(server, "?channel=a");
  const cases: [Fields, Fields][] = [
    [{ data: { x: ["ü€😀", null, 1.5] } }, { data: { x: ["ü€😀", null, 1.5] } }],
    [{ data: null }, { data: null }],
    [{ data: false, event: "off" }, { data: false, event: "off" }],
    [{ base64: "AP8=" }, { base64: "AP8=" }],
    [{ base64: "" }, { base64: "" }],
  ];
  for (const [sent, expected] of cases) {
    client.client.send(JSON.stringify({ type: "publish", channel: "a", ref: 1, ...sent }));
    for (const receiver of [client, other]) {
      assertEquals(await message(receiver), { channel: "a", event: "message", ...expected });
    }
    const { id, time, ...reply } = await client.event();
    assertEquals(reply, { type: "ok", ref: 1 });
    assertMatch(String(id), /^[a-z0-9]+-\d+$/);
    assertEquals(typeof time, "number");
  }
  await using plain = await Client.open(server.socketUrl());
  await plain.text();
  await client.command({ type: "publish", channel: "broadcast", data: "to all" });
  assertEquals(await plain.json(), "to all");
});

Deno.test("presence lists who is on a channel, and then sends joins and leaves", async () => {
  await using server = await startServer({ presenceMax: 2 });
  await using watcher = await open(server);
  const empty = await watcher.command({ type: "presence", channel: "room" });
  assertEquals(empty, { type: "ok", count: 0, entries: [] });
  await watcher.command({ type: "subscribe", channels: ["room"], presence: true });
  const ownEntry = (await watcher.command({ type: "presence", channel: "room" }))
    .entries as Fields[];

  const guest = await open(server, "?channel=room");
  const joined = await watcher.events.find(({ joined }) => (joined as Fields[])?.length === 1);
  const entry = (joined.joined as Fields[])[0]!;
  assertEquals(joined, { type: "presence", channel: "room", joined: [entry], left: [] });
  assertEquals(Object.keys(entry), ["client", "joined"]);

  await using third = await open(server, "?channel=room");
  const full = await third.command({ type: "presence", channel: "room" });
  assertEquals(full, { type: "ok", count: 3, entries: [...ownEntry, entry] });
  await watcher.events.find(({ joined }) => (joined as Fields[])?.length === 1);

  await guest.client.close();
  const left = await watcher.events.find(({ left }) => (left as Fields[])?.length === 1);
  assertEquals(left, { type: "presence", channel: "room", joined: [], left: [entry] });
});

/** Commands that are refused, with the code and the sentence. */
const REFUSED: readonly [string, string, RegExp][] = [
  ["", "bad-request", /^Cannot read the command: expected JSON$/],
  ["{", "bad-request", /expected JSON$/],
  ["[".repeat(200), "bad-request", /expected JSON$/],
  ["[".repeat(102) + "]".repeat(102), "bad-request", /at most 101 levels of arrays and objects$/],
  ["[]", "bad-request", /expected a JSON object$/],
  ["null", "bad-request", /expected a JSON object$/],
  ['"subscribe"', "bad-request", /expected a JSON object$/],
  [
    "{}",
    "bad-request",
    /expected type to be subscribe, unsubscribe, publish, presence or refresh$/,
  ],
  ['{"type":"constructor"}', "bad-request", /expected type to be/],
  ['{"type":"subscribe"}', "bad-request", /expected channels to be a list of names$/],
  ['{"type":"subscribe","channels":[]}', "bad-request", /expected channels to be a list/],
  ['{"type":"subscribe","channels":[1]}', "bad-request", /expected channels to be a list/],
  ['{"type":"subscribe","channels":["a b"]}', "bad-request", /^Cannot subscribe: expected/],
  ['{"type":"subscribe","channels":["a","*b"]}', "bad-request", /^Cannot subscribe: expected/],
  ['{"type":"subscribe","channels":["a"],"since":1}', "bad-request", /since to be a string$/],
  ['{"type":"subscribe","channels":["a"],"since":"x"}', "bad-request", /^Cannot parse since/],
  ['{"type":"subscribe","channels":["a","b","c"]}', "over-limit", /a session has at most 2/],
  ['{"type":"unsubscribe","channels":"a"}', "bad-request", /expected channels to be a list/],
  ['{"type":"publish","data":1}', "bad-request", /expected channel to be a string$/],
  ['{"type":"publish","channel":"a"}', "bad-request", /expected data or base64$/],
  ['{"type":"publish","channel":"a","base64":"!"}', "bad-request", /expected base64 to be base64$/],
  ['{"type":"publish","channel":"*","data":1}', "bad-request", /^Cannot use this as a channel/],
  ['{"type":"publish","channel":"","data":1}', "bad-request", /^Cannot use this as a channel/],
  ['{"type":"publish","channel":"a","event":1,"data":1}', "bad-request", /event to be a string$/],
  ['{"type":"publish","channel":"a","event":"","data":1}', "bad-request", /event name/],
  [
    '{"type":"publish","channel":"a","event":"error","data":1}',
    "bad-request",
    /event name "error"/,
  ],
  ['{"type":"publish","channel":"a","data":"123456789"}', "too-large", /more than 10 bytes/],
  ['{"type":"presence"}', "bad-request", /expected channel to be a string$/],
  ['{"type":"presence","channel":"a.*"}', "bad-request", /^Cannot use this as a channel/],
  ['{"type":"refresh"}', "bad-request", /expected token to be a string$/],
  ['{"type":"refresh","token":"t"}', "unsupported", /takes no tokens/],
  ['{"type":"refresh","token":"t","ref":1.5}', "bad-request", /expected ref to be an integer/],
];

Deno.test("a wrong command is refused with a code and a sentence, and the client stays", async () => {
  await using server = await startServer({
    channelsPerSessionMax: 2,
    publishBytesMax: 10,
    inboundPerSecondMax: 1000,
  });
  await using client = await open(server);
  const counts: Record<string, number> = {};
  for (const [text, code, words] of REFUSED) {
    client.client.send(text);
    const { message, ...event } = await client.event();
    assertEquals(event, { type: "error", code }, text);
    assertMatch(String(message), words);
    counts[code] = (counts[code] ?? 0) + 1;
  }
  assertEquals((await client.command({ type: "presence", channel: "a" })).count, 0);
  const metrics = await server.metrics();
  for (const [code, count] of Object.entries(counts)) {
    assertEquals(metrics.get(`hark_rejected_total{reason="${code}"}`), count, code);
  }
  assertEquals(metrics.get("hark_publications_total"), 0);
});

Deno.test("every reply carries the ref of its command", async () => {
  await using server = await startServer();
  await using client = await open(server);
  const refs = [0, -1, 7, Number.MAX_SAFE_INTEGER, "", "a", "ü".repeat(64)];
  for (const ref of refs) {
    client.client.send(JSON.stringify({ type: "presence", channel: "a", ref }));
    client.client.send(JSON.stringify({ type: "presence", channel: "*", ref }));
    client.client.send(JSON.stringify({ type: "unknown", ref }));
    const replies = await client.events.take(3);
    // Malformed commands are refused at once, others are answered a turn later.
    const byType = replies.map(({ type, ref }) => [type, ref]).toSorted();
    assertEquals(byType, [["error", ref], ["error", ref], ["ok", ref]]);
  }
  for (const ref of [1.5, null, true, {}, "a".repeat(65), 2 ** 53]) {
    client.client.send(JSON.stringify({ type: "presence", channel: "a", ref }));
    const event = await client.event();
    assertEquals([event.type, "ref" in event], ["error", false]);
  }
});

Deno.test("publish is refused to pages of other sites, which may still receive", async () => {
  await using server = await startServer({ origins: ["https://app.example"] });
  const cases: [Record<string, string>, boolean][] = [
    [{}, true],
    [{ origin: server.url }, true],
    [{ origin: "https://app.example" }, true],
    [{ origin: "https://evil.example" }, false],
    [{ origin: "null" }, false],
    [{ "sec-fetch-site": "cross-site" }, false],
  ];
  for (const [headers, mayPublish] of cases) {
    await using client = await open(server, "", headers);
    const command = { type: "publish", channel: "a", data: 1 };
    const { type, code } = await client.command(command);
    const expected = mayPublish ? ["ok", undefined] : ["error", "forbidden"];
    assertEquals([type, code], expected, JSON.stringify(headers));
    assertEquals((await client.command({ type: "subscribe", channels: ["a"] })).type, "ok");
  }
});

Deno.test("with keys, publish needs one in the handshake", async () => {
  await using server = await startServer({ publishKey: ["secret"] });
  const cases: [string, Record<string, string>, string | undefined][] = [
    ["?key=secret", {}, undefined],
    ["", { authorization: "Bearer secret" }, undefined],
    ["", {}, "unauthorized"],
    ["?key=wrong", {}, "unauthorized"],
  ];
  for (const [query, headers, expected] of cases) {
    await using client = await open(server, query, headers);
    const { code } = await client.command({ type: "publish", channel: "a", data: 1 });
    assertEquals(code, expected, query);
  }
  assertEquals((await server.metrics()).get("hark_publications_total"), 2);
});

Deno.test("publishing over WebSocket and over HTTP share one rate", async () => {
  const clock = { ...systemClock, monotonic: () => 0 };
  await using server = await startServer({ publishPerSecondMax: 2, clock });
  await using client = await open(server);
  await server.broadcast("one");
  const command = { type: "publish", channel: "a", data: 1 };
  assertEquals((await client.command(command)).type, "ok");
  assertEquals((await client.command(command)).code, "too-many-requests");
  assertEquals((await server.fetch("/broadcast/x")).status, 429);
});

Deno.test("a flood of any commands ends the connection with 4502", async () => {
  const clock = { ...systemClock, monotonic: () => 0 };
  for (const text of ["", "{", '{"type":"presence","channel":"a"}']) {
    await using server = await startServer({ inboundPerSecondMax: 20, clock });
    await using client = await open(server);
    for (let count = 0; count < 500; count++) client.client.send(text);
    const { code, reason } = await client.client.closed();
    assertEquals([code, reason], [4502, "over a limit: at most 20 frames a second"]);
    const replies = await client.events.rest();
    assertEquals(replies.length, 20);
    const metrics = await eventually(
      () => server.metrics(),
      (metrics) => metrics.get("hark_closing_sessions") === 0,
    );
    assertEquals(metrics.get('hark_disconnects_total{reason="limit"}'), 1);
    const warnings = server.log.takeAll().filter(({ message }) => message === "client cut");
    assertEquals(warnings.length, 1);
  }
});

Deno.test("a binary frame is a protocol error", async () => {
  await using server = await startServer();
  await using client = await open(server);
  client.client.send(new Uint8Array([123, 125]));
  const { code, reason } = await client.client.closed();
  assertEquals([code, reason], [4500, "protocol error: expected a text frame"]);
});

Deno.test("commands of a client that has left harm nobody", async () => {
  await using server = await startServer({ inboundPerSecondMax: 1000 });
  const texts = [
    { type: "subscribe", channels: ["a", "b"], presence: true },
    { type: "publish", channel: "a", data: 1 },
    { type: "subscribe", channels: ["c"], since: "x-0" },
    { type: "presence", channel: "a" },
  ].map((command) => JSON.stringify(command));
  for (let round = 0; round < 10; round++) {
    const client = await open(server);
    for (const text of texts) client.client.send(text);
    client.client.socket.close();
    await client.client.closed();
  }
  await eventually(
    async () => (await server.fetch("/count")).body,
    (body) => body === '{"count":0}',
  );
  const complaints = server.log.takeAll().filter(({ level }) =>
    level === "warn" || level === "error"
  );
  assertEquals(complaints, []);
});
