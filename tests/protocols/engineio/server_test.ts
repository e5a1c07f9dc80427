import { assertEquals, assertMatch } from "@std/assert";
import { EngineHost } from "../../support/engineio.ts";
import { HANDSHAKE, RawConnection, request } from "../../support/raw.ts";
import { Client } from "../../support/socket.ts";

/** The headers that matter of an answer. */
function headersOf(headers: Headers, names: readonly string[]): (string | null)[] {
  return names.map((name) => headers.get(name));
}

const OPEN = (upgrades: string) =>
  `0{"sid":"SID","upgrades":[${upgrades}],"pingInterval":25000,"pingTimeout":20000,` +
  `"maxPayload":1000000}`;

/** The same text whatever the sid is. */
function withoutSid(text: string): string {
  return text.replace(/"sid":"[A-Za-z0-9_-]{22}"/, '"sid":"SID"');
}

Deno.test("a GET with no sid is answered with one open packet", async () => {
  await using host = new EngineHost();
  const old = `120:${OPEN('"websocket"')}`;
  const bodies = new Map([["4", OPEN('"websocket"')], ["3", old], ["2&b64=1", old]]);
  for (const [version, expected] of bodies) {
    const { status, headers, body } = await host.fetch(`EIO=${version}&transport=polling&t=abc`);
    assertEquals(status, 200);
    assertEquals(headersOf(headers, ["content-type", "cache-control"]), [
      "text/plain; charset=UTF-8",
      "no-store",
    ]);
    assertEquals(withoutSid(body), expected);
  }
});

Deno.test("a WebSocket with no sid gets one open packet, and cannot be upgraded further", async () => {
  await using host = new EngineHost();
  for (const version of ["3", "4"]) {
    await using client = await host.connect(`EIO=${version}`);
    assertEquals(withoutSid(await client.text()), OPEN(""));
  }
});

Deno.test("sids are long, random and all different", async () => {
  await using host = new EngineHost();
  const clients = await Promise.all(Array.from({ length: 20 }, () => host.poll()));
  const sids = new Set(clients.map(({ sid }) => sid));
  assertEquals(sids.size, 20);
  for (const sid of sids) assertMatch(sid, /^[A-Za-z0-9_-]{22}$/);
});

const TRANSPORT = '{"code":0,"message":"Transport unknown"}';
const SID = '{"code":1,"message":"Session ID unknown"}';
const METHOD = '{"code":2,"message":"Bad handshake method"}';
const REQUEST = '{"code":3,"message":"Bad request"}';
const VERSION = '{"code":5,"message":"Unsupported protocol version"}';

const refusals: [method: string, query: string, body: string][] = [
  ["GET", "EIO=4", TRANSPORT],
  ["GET", "EIO=4&transport=", TRANSPORT],
  ["GET", "EIO=4&transport=abc", TRANSPORT],
  ["GET", "EIO=4&transport=Polling", TRANSPORT],
  ["GET", "EIO=4&transport=constructor", TRANSPORT],
  ["GET", "EIO=4&transport=__proto__", TRANSPORT],
  ["POST", "EIO=4&transport=toString", TRANSPORT],
  ["GET", "EIO=4&transport=flashsocket&sid=unknown", TRANSPORT],
  ["GET", "EIO=4&transport=polling&sid=unknown", SID],
  ["POST", "EIO=4&transport=polling&sid=unknown", SID],
  ["GET", "EIO=4&transport=polling&sid=", SID],
  ["GET", "EIO=4&transport=polling&sid=__proto__", SID],
  ["GET", "EIO=4&transport=websocket&sid=unknown", SID],
  ["POST", "EIO=4&transport=polling", METHOD],
  ["PUT", "EIO=4&transport=polling", METHOD],
  ["DELETE", "EIO=4&transport=polling", METHOD],
  ["POST", "EIO=4&transport=websocket", METHOD],
  ["GET", "EIO=4&transport=websocket", REQUEST],
  ["GET", "transport=polling", VERSION],
  ["GET", "EIO=&transport=polling", VERSION],
  ["GET", "EIO=1&transport=polling", VERSION],
  ["GET", "EIO=5&transport=polling", VERSION],
  ["GET", "EIO=9&transport=polling", VERSION],
  ["GET", "EIO=04&transport=polling", VERSION],
  ["GET", "EIO=4.0&transport=polling", VERSION],
  ["GET", "EIO=+4&transport=polling", VERSION],
  ["GET", "EIO=abc&transport=polling", VERSION],
];

Deno.test("a request that begins no session and names none is refused with 400 and a code", async () => {
  await using host = new EngineHost();
  for (const [method, query, expected] of refusals) {
    const { status, headers, body } = await host.fetch(query, { method });
    assertEquals([status, headers.get("content-type"), body], [400, "application/json", expected]);
  }
  assertEquals([host.taken, host.server.size, host.faults], [0, 0, []]);
});

Deno.test("a request that its session does not take is refused, and the session lives", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  for (const method of ["PUT", "DELETE", "PATCH"]) {
    const { status, body } = await client.poll("", { method });
    assertEquals([status, body], [400, REQUEST]);
  }
  const { status, body } = await host.fetch(`EIO=4&transport=websocket&sid=${client.sid}`);
  assertEquals([status, body], [400, REQUEST]);
  client.session.send("still here");
  assertEquals((await client.poll()).body, "4still here");
});

const socketRefusals: [query: string, body: string][] = [
  ["EIO=4", "Transport unknown"],
  ["EIO=4&transport=abc", "Transport unknown"],
  ["EIO=4&transport=constructor", "Transport unknown"],
  ["EIO=4&transport=websocket&sid=unknown", "Session ID unknown"],
  ["EIO=4&transport=polling", "Bad request"],
  ["transport=websocket", "Unsupported protocol version"],
  ["EIO=9&transport=websocket", "Unsupported protocol version"],
  ["EIO=abc&transport=websocket", "Unsupported protocol version"],
];

Deno.test("a WebSocket request that is refused gets 400 with the text", async () => {
  await using host = new EngineHost();
  for (const [query, expected] of socketRefusals) {
    const { status, body } = await request(host.port, [`GET /?${query} HTTP/1.1`, ...HANDSHAKE]);
    assertEquals([query, status, body], [query, 400, expected]);
  }
  const old = HANDSHAKE.map((line) => line.replace("Version: 13", "Version: 8"));
  const { status, body } = await request(host.port, [
    "GET /?EIO=4&transport=websocket HTTP/1.1",
    ...old,
  ]);
  assertEquals([status, body], [400, "Bad request"]);
  assertEquals([host.taken, host.server.size], [0, 0]);
});

const CORS = [
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "vary",
];

Deno.test("every answer reflects the origin and lets credentials be sent, never with *", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const queries: [query: string, init?: RequestInit][] = [
    ["EIO=4&transport=polling"],
    ["EIO=4"],
    [`EIO=4&transport=polling&sid=${client.sid}`, { method: "POST", body: "4x" }],
  ];
  for (const [query, init] of queries) {
    for (const origin of ["https://app.example", "null"]) {
      const { headers } = await host.fetch(query, { ...init, headers: { origin } });
      assertEquals(headersOf(headers, CORS), [origin, "true", null, null, "Origin"]);
    }
    const { headers } = await host.fetch(query, init);
    assertEquals(headersOf(headers, CORS), [null, null, null, null, "Origin"]);
  }
});

Deno.test("OPTIONS is answered for every request that a page may ask about", async () => {
  await using host = new EngineHost();
  const headers = {
    origin: "https://app.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type, x-requested-with",
  };
  for (const query of ["EIO=4&transport=polling&sid=unknown", "EIO=4&transport=polling", ""]) {
    const answer = await host.fetch(query, { method: "OPTIONS", headers });
    assertEquals([answer.status, answer.body], [204, ""]);
    assertEquals(headersOf(answer.headers, CORS), [
      "https://app.example",
      "true",
      "GET, POST",
      "content-type, x-requested-with",
      "Origin",
    ]);
  }
  assertEquals(host.server.size, 0);
});

Deno.test("a session knows address, query and headers of its first request, on both transports", async () => {
  await using host = new EngineHost();
  const headers = { "x-app": "a: b", "cookie": "name=value" };
  await host.fetch("EIO=4&transport=polling&token=%C3%BC", { headers });
  const { firstRequest } = (await host.sessions.next()).engine;
  const url = `ws://127.0.0.1:${host.port}/?EIO=4&transport=websocket&token=%C3%BC`;
  await using client = await Client.open(url, { headers });
  await client.text();
  for (
    const { address, query, headers } of [
      firstRequest,
      (await host.sessions.next()).engine.firstRequest,
    ]
  ) {
    assertEquals([address, query.get("token")], ["192.0.2.1", "ü"]);
    assertEquals(headersOf(headers, ["x-app", "cookie", "host", "none"]), [
      "a: b",
      "name=value",
      `127.0.0.1:${host.port}`,
      null,
    ]);
  }
});

Deno.test("sessions whose client never comes back are freed on time, and give way to new ones", async () => {
  await using host = new EngineHost({ newcomersMax: 2 });
  const first = await host.poll("EIO=4");
  const second = await host.poll("EIO=3");
  // A client that comes back with its sid is no newcomer any more.
  assertEquals((await first.post("3")).body, "ok");
  const third = await host.poll();
  assertEquals([host.server.size, host.taken, host.faults], [3, 3, []]);

  const fourth = await host.poll();
  assertEquals(await second.session.closed(), "limit");
  assertEquals((await second.poll()).body, SID);
  assertEquals([host.server.size, host.taken, host.faults], [3, 3, ["limit"]]);
  // A session that begins on a WebSocket is no newcomer.
  await using socket = await host.connect();
  assertEquals((await socket.text()).slice(0, 2), "0{");
  assertEquals([host.server.size, host.faults], [4, ["limit"]]);

  host.clock.advance(44_999);
  assertEquals(host.server.size, 4);
  host.clock.advance(1);
  assertEquals([host.server.size, await third.session.closed()], [0, "ping timeout"]);
  assertEquals((await fourth.poll()).body, SID);
});

Deno.test("a first request with more than can be kept of it is refused, a later one is not", async () => {
  await using host = new EngineHost();
  const padding = "x".repeat(16_000);
  const long = `EIO=4&x=${padding}&transport=`;
  const wide = { headers: { "x-padding": padding } };
  const message = "Cannot connect: URL and headers have more than 16384 characters";
  assertEquals((await host.fetch(`${long}polling`, wide)).body, message);
  await assertRefused(host, 503, `/?${long}websocket`, [`X-Padding: ${padding}`]);
  assertEquals([host.server.size, host.taken], [0, 0]);

  const client = await host.poll(long.slice(0, -"&transport=".length));
  assertEquals((await client.post("3", wide)).status, 200);
});

/** Makes sure that a WebSocket is refused. */
async function assertRefused(
  host: EngineHost,
  status: number,
  target = "/?EIO=4&transport=websocket",
  headers: readonly string[] = [],
): Promise<void> {
  const lines = [`GET ${target} HTTP/1.1`, ...HANDSHAKE, ...headers];
  assertEquals((await request(host.port, lines)).status, status);
}

Deno.test("a connection takes one slot on either transport, and gives it back", async () => {
  await using host = new EngineHost({ slots: 2 });
  const polling = await host.poll();
  const { client, session } = await host.open();
  assertEquals(host.taken, 2);
  assertEquals((await host.fetch("EIO=4&transport=polling")).status, 503);
  await assertRefused(host, 503);

  await client.close();
  assertEquals(await session.closed(), "client closed");
  await host.holds(1);
  await using upgraded = await polling.upgrade();
  upgraded.send("4hello");
  assertEquals(await polling.session.messages.next(), "hello");
  assertEquals(host.taken, 1);
  await upgraded.close();
  await host.holds(0);
  assertEquals(await polling.session.closed(), "client closed");
});

Deno.test("a WebSocket that upgrades a session takes a slot of its own, and then that of the session is free", async () => {
  await using host = new EngineHost({ slots: 2 });
  const polling = await host.poll();
  await using first = await polling.connect();
  assertEquals(host.taken, 2);
  const lines = [`GET /?EIO=4&transport=websocket&sid=${polling.sid} HTTP/1.1`, ...HANDSHAKE];
  assertEquals((await request(host.port, lines)).status, 503);
  await first.close();
  await host.holds(1);
});

Deno.test("a WebSocket that is lost gives its slot back", async () => {
  await using host = new EngineHost();
  using connection = await RawConnection.open(host.port);
  const path = "/?EIO=4&transport=websocket";
  await connection.handshake(path);
  assertEquals(withoutSid(await connection.text()), OPEN(""));
  const session = await host.sessions.next();
  connection[Symbol.dispose]();
  assertEquals(await session.closed(), "connection lost");
  await host.holds(0);
});

Deno.test("close() ends every session, by a close frame or a failed poll", async () => {
  await using host = new EngineHost();
  const waiting = await host.poll();
  const { answer } = await waiting.openPoll();
  const away = await host.poll("EIO=3");
  const { client, session } = await host.open();
  host.server.close();
  assertEquals((await answer).status, 400);
  assertEquals(await client.closed(), { code: 1001, reason: "going away" });
  assertEquals((await away.poll()).body, SID);
  for (const each of [waiting.session, away.session, session]) {
    assertEquals(await each.closed(), "shutdown");
  }
});

Deno.test("a Java client, which sees no close frame, gets an unreadable packet first", async () => {
  await using host = new EngineHost();
  for (const agent of ["okhttp/4.12.0", "Mozilla/5.0"]) {
    using connection = await RawConnection.open(host.port);
    await connection.handshake("/?EIO=4&transport=websocket", [`User-Agent: ${agent}`]);
    await connection.text();
    (await host.sessions.next()).engine.close({ name: "shutdown", code: 1001, reason: "bye" });
    if (agent.startsWith("okhttp")) assertEquals(await connection.text(), "9");
    assertEquals(await connection.closeFrame(), { code: 1001, reason: "bye" });
  }
});
