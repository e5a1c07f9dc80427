import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { configure } from "../../lib/config/configure.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { Access } from "../../lib/http/access.ts";
import { Origins } from "../../lib/http/origin.ts";
import { EventStream } from "../support/events.ts";
import { request } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { Client, HarkClient } from "../support/socket.ts";
import { issue, type Issued, SECRET } from "../support/tokens.ts";

const KEY = "a-publish-key";
const HOLDER = { headers: { authorization: `Bearer ${KEY}` } };

interface Listed {
  readonly client: string;
  readonly user?: string;
  readonly channels: string[];
}

interface Page {
  readonly sessions: Listed[];
  readonly next: string;
  readonly more: boolean;
}

async function list(server: TestServer, query = ""): Promise<Page> {
  const { status, body } = await server.fetch(`/sessions?${query}`, HOLDER);
  assertEquals(status, 200, body);
  return JSON.parse(body);
}

async function end(server: TestServer, query: string): Promise<unknown> {
  const { status, body } = await server.fetch(`/sessions?${query}`, {
    ...HOLDER,
    method: "DELETE",
  });
  assertEquals(status, 200, body);
  return JSON.parse(body);
}

/** Opens a `hark.v1` client, and returns its id too. */
async function open(server: TestServer, user: string | undefined, query = "") {
  const token = await issue({ sub: user, hark: { subscribe: ["*"] } } as Issued);
  const client = await HarkClient.open(server.socketUrl(`/ws?token=${token}${query}`));
  return Object.assign(client, { id: String((await client.event()).client) });
}

const start = (options = {}) => startServer({ tokenSecret: SECRET, publishKey: [KEY], ...options });

Deno.test("GET /sessions lists clients with their transports and channels", async () => {
  const before = Date.now();
  await using server = await start();
  const exp = Math.floor(before / 1000) + 600;
  const token = await issue({ sub: "Zoë", exp, hark: { subscribe: ["*"] } });
  await using client = await HarkClient.open(
    server.socketUrl(`/ws?token=${token}&channel=b.*&channel=a`),
  );
  const { client: id } = await client.event();
  const { sessions, ...page } = await list(server);
  const [{ connected, ...session }] = sessions as [Listed & { connected: number }];
  assertEquals<unknown>(session, {
    client: id,
    user: "Zoë",
    address: "127.0.0.1",
    transport: "websocket",
    channels: ["broadcast", "b.*", "a"],
    expires: exp * 1000,
    unsent: 0,
  });
  assert(connected >= before && connected <= Date.now());
  assertEquals(page, { next: String(id), more: false });

  await using holder = await EventStream.open(`${server.url}/events?key=${KEY}`);
  await holder.blocks.next();
  const { sessions: both } = await list(server);
  const other = both.find(({ client }) => client !== id) as Listed & Record<string, unknown>;
  assertEquals([other.transport, other.user, other.expires], ["sse", undefined, undefined]);
});

Deno.test("GET /sessions finds those of a user and those on a channel", async () => {
  await using server = await start();
  await using a = await open(server, "42", "&channel=news");
  await using b = await open(server, "42", "&channel=news.*");
  await using c = await open(server, "43", "&channel=news");
  await using d = await open(server, undefined);
  const ids = async (query: string) =>
    new Set((await list(server, query)).sessions.map(({ client }) => client));
  const cases: readonly [string, { readonly id: string }[]][] = [
    ["", [a, b, c, d]],
    ["user=42", [a, b]],
    ["user=43", [c]],
    ["user=4", []],
    ["user=", []],
    ["channel=news", [a, c]],
    ["channel=news.*", [b]],
    ["channel=news.eu", []],
    ["channel=*", []],
    ["user=42&channel=news", [a]],
    ["channel=broadcast", [a, b, c, d]],
  ];
  for (const [query, expected] of cases) {
    assertEquals(await ids(query), new Set(expected.map(({ id }) => id)), query);
  }
});

Deno.test("GET /sessions comes in pages, through sessions that come and go", async () => {
  await using server = await start();
  await using stack = new AsyncDisposableStack();
  const clients = await Promise.all(Array.from({ length: 7 }, () => open(server, "42")));
  clients.forEach((client) => stack.use(client));
  const seen: string[] = [];
  let page: Page = { sessions: [], next: "", more: true };
  while (page.more) {
    page = await list(server, `limit=3&after=${page.next}`);
    assert(page.sessions.length <= 3);
    seen.push(...page.sessions.map(({ client }) => client));
    if (seen.length === 3) await end(server, `client=${page.next}`);
  }
  assertEquals(seen, clients.map(({ id }) => id).sort());
  assertEquals(await list(server, `after=${seen.at(-1)}`), {
    sessions: [],
    next: seen.at(-1)!,
    more: false,
  });
});

Deno.test("GET /sessions bounds the names of channels in an answer", async () => {
  await using server = await start({ channelsPerSessionMax: 6000 });
  await using stack = new AsyncDisposableStack();
  const channels = Array.from({ length: 6000 }, (_, number) => `c${number}`);
  for (let count = 0; count < 3; count++) {
    const client = stack.use(await open(server, "42"));
    for (let from = 0; from < 6000; from += 3000) {
      const reply = await client.command({
        type: "subscribe",
        channels: channels.slice(from, from + 3000),
      });
      assertEquals(reply.type, "ok");
    }
  }
  let page = await list(server);
  for (let left = 2; left >= 0; left--) {
    assertEquals([page.sessions.length, page.sessions[0]!.channels.length, page.more], [
      ...[1, 6001, left > 0],
    ]);
    page = await list(server, `after=${page.next}`);
  }
});

Deno.test("GET /sessions refuses wrong parameters", async () => {
  await using server = await start();
  const cases: readonly [query: string, detail: RegExp][] = [
    ["limit=0", /^Cannot read limit: expected an integer from 1 to 1000/],
    ["limit=1001", /^Cannot read limit/],
    ["after=x", /^Cannot read after: expected the id of a client, 22 characters$/],
    [`after=${"x".repeat(23)}`, /^Cannot read after/],
    ["channel=a%20b", /^Cannot subscribe: expected a channel/],
  ];
  for (const [query, detail] of cases) {
    const { status, body } = await server.fetch(`/sessions?${query}`, HOLDER);
    assertEquals(status, 400);
    assertMatch(JSON.parse(body).detail, detail);
  }
});

Deno.test("DELETE /sessions ends all of a user, or one, and harms no other", async () => {
  await using server = await start();
  await using a = await open(server, "42");
  await using b = await open(server, "42");
  await using c = await open(server, "43");
  await using d = await open(server, "43");
  assertEquals(await end(server, "user=42"), { ended: 2 });
  for (const { client } of [a, b]) {
    assertEquals(await client.closed(), { code: 4003, reason: "ended by the server's operator" });
  }
  assertEquals(await end(server, `client=${c.id}`), { ended: 1 });
  assertEquals((await c.client.closed()).code, 4003);
  assertEquals((await list(server)).sessions.map(({ client }) => client), [d.id]);
  assertEquals(
    await d.command({ type: "subscribe", channels: ["a"] }).then(({ type }) => type),
    "ok",
  );
  for (
    const query of ["user=42", "user=nobody", "user=", `client=${c.id}`, "client=x", "client="]
  ) {
    assertEquals(await end(server, query), { ended: 0 }, query);
  }
  assertEquals((await server.metrics()).get('hark_disconnects_total{reason="revoked"}'), 3);
});

Deno.test("DELETE /sessions lets clients of every transport come back by themselves", async () => {
  await using server = await start();
  const token = await issue({ sub: "42" });
  await using plain = await Client.open(server.socketUrl(`/ws?token=${token}`));
  await using stream = await EventStream.open(`${server.url}/events?token=${token}`);
  await using socketio = await Client.open(
    server.socketUrl(`/socket.io/?EIO=4&transport=websocket&token=${token}`),
  );
  await socketio.text();
  socketio.send("40");
  await socketio.frames.take(2);
  assertEquals(await end(server, "user=42"), { ended: 3 });
  assertEquals((await plain.closed()).code, 4003);
  await stream.blocks.rest();
  assertEquals(await socketio.frames.rest(), []);
  assertEquals((await socketio.closed()).code, 4003);
  await using again = await Client.open(server.socketUrl(`/ws?token=${token}`));
  assertEquals(await again.json(), { message: "Welcome to my server" });
});

Deno.test("DELETE /sessions needs exactly one of user and client", async () => {
  await using server = await start();
  await using client = await open(server, "42");
  for (const query of ["", "channel=a", `user=42&client=${client.id}`, "users=42"]) {
    const { status, body } = await server.fetch(`/sessions?${query}`, {
      ...HOLDER,
      method: "DELETE",
    });
    assertEquals([status, JSON.parse(body).detail], [
      400,
      "Cannot end sessions: expected ?user=USER or ?client=CLIENT",
    ]);
  }
  assertEquals((await server.fetch("/count")).body, '{"count":1}');
});

Deno.test("a key may manage channels and sessions; a token is not enough", async () => {
  const token = await issue({ sub: "root", hark: { subscribe: ["*"], publish: ["*"] } });
  const bearer = { authorization: `Bearer ${token}` };
  const enough = "This takes a publish key: a token is not enough";
  const none = "This takes a publish key: start the server with --publish-key KEY to have one";
  const without = "This takes a publish key: send it as Authorization: Bearer KEY or as ?key=KEY";
  const page = { origin: "https://evil.example" };
  const cases: readonly [options: object, Record<string, string>, status: number, string?][] = [
    [{ tokenSecret: SECRET, publishKey: [KEY] }, HOLDER.headers, 200],
    [{ tokenSecret: SECRET, publishKey: [KEY] }, bearer, 403, enough],
    [{ tokenSecret: SECRET, publishKey: [KEY] }, {}, 401, without],
    [{ tokenSecret: SECRET }, bearer, 403, none],
    [{ tokenSecret: SECRET }, {}, 403, none],
    [{ publishKey: [KEY] }, HOLDER.headers, 200],
    [{ publishKey: [KEY] }, {}, 401, without],
    [{ publishKey: [KEY] }, { authorization: "Bearer x" }, 401, "Cannot publish with this key"],
    [{}, {}, 200],
    [{}, page, 403, "Cannot publish from a page of another site"],
  ];
  for (const [options, headers, expected, sentence] of cases) {
    await using server = await startServer({ public: ["*"], ...options });
    const asked: [string, string][] = [
      ["GET", "/channels"],
      ["GET", "/sessions"],
      ["DELETE", "/sessions?user=42"],
    ];
    for (const [method, path] of asked) {
      const { status, body } = await server.fetch(path, { method, headers });
      assertEquals(status, expected, `${method} ${path} ${JSON.stringify([options, headers])}`);
      if (sentence !== undefined) assert(JSON.parse(body).detail.startsWith(sentence), body);
    }
  }
});

Deno.test("on an open server only its own machine manages sessions, not by a proxy or a page", async () => {
  const lookAfter = async (server: TestServer, lines: string[]) => {
    const statuses: number[] = [];
    for (const target of ["GET /sessions", "DELETE /sessions?user=42"]) {
      const { status } = await request(server.port, [`${target} HTTP/1.1`, ...lines]);
      statuses.push(status);
    }
    assertEquals(statuses[0], statuses[1], lines.join());
    return statuses[0];
  };
  const publicHost = ["push.example"];
  await using server = await startServer({ publicHost });
  const cases: [lines: string[], status: number][] = [
    [["Host: localhost"], 200],
    [["Host: LOCALHOST:3000"], 200],
    [["Host: hark.localhost:80"], 200],
    [["Host: 127.0.0.1:3000"], 200],
    [["Host: 127.8.9.1"], 200],
    [["Host: [::1]:3000"], 200],
    [["Host: push.example"], 403],
    [["Host: localhost", "Sec-Fetch-Site: same-origin"], 200],
    [["Host: localhost", "Sec-Fetch-Site: cross-site"], 403],
    [["Host: localhost", "Sec-Fetch-Site: same-site"], 403],
    [["Host: localhost", "Origin: https://evil.example"], 403],
    [["Host: localhost", "Origin: null"], 403],
    ...[
      ...["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https", "Forwarded: for=127.0.0.1"],
      ...["X-Real-IP: 127.0.0.1", "Via: 1.1 proxy", "CF-Connecting-IP: ::1", "Client-IP: ::1"],
    ].map((header): [string[], number] => [["Host: localhost", header], 403]),
  ];
  for (const [lines, status] of cases) {
    assertEquals(await lookAfter(server, lines), status, lines.join());
  }
  await using behind = await startServer({ trustProxy: 1 });
  assertEquals(await lookAfter(behind, ["Host: localhost"]), 403);
  await using holder = await startServer({ publishKey: [KEY], trustProxy: 1, publicHost });
  const lines = ["Host: push.example", `Authorization: Bearer ${KEY}`, "X-Forwarded-For: 1.2.3.4"];
  assertEquals(await lookAfter(holder, lines), 200);
});

Deno.test("on an open server other machines may neither list nor end sessions", async () => {
  const config = { ...configure(), isOpen: true };
  const originPolicy = new Origins(config);
  const access = new Access({
    ...config,
    tokens: undefined,
    originPolicy,
    isGuarded: undefined,
  });
  const check = (address: string) => {
    const asked = new Request("http://localhost/sessions", { headers: { host: "localhost" } });
    const query = new URLSearchParams();
    return access.checkSessions({ request: asked, path: "/sessions", query, params: {}, address });
  };
  for (const address of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]) await check(address);
  for (const address of ["192.0.2.1", "::ffff:192.0.2.1", "::", "0.0.0.0", "unix", "fe80::1"]) {
    const { type } = await assertRejects(() => check(address), Refusal, "from anywhere but");
    assertEquals(type, "forbidden");
  }
});
