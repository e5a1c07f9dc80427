import { assertEquals, assertMatch } from "@std/assert";
import { signToken } from "../../lib/auth/jwt.ts";
import { SocketClock } from "../support/engineio.ts";
import { EventStream } from "../support/events.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { Client, HarkClient } from "../support/socket.ts";
import { untilCount } from "../support/socketio_client.ts";
import { issue, type Issued, makeKeys, NOW_S, SECRET } from "../support/tokens.ts";

const KEY = "a-publish-key";
/** A token that expires a minute after the start of the clock. */
const exp = NOW_S + 60;
const minute = (claims: Issued = {}) => issue({ exp, hark: { subscribe: ["*"] }, ...claims });

/** A server with a clock that stands still. */
async function start(options = {}): Promise<TestServer & { readonly clock: SocketClock }> {
  const clock = new SocketClock();
  const server = await startServer({ clock, tokenSecret: SECRET, publishKey: [KEY], ...options });
  return Object.assign(server, { clock });
}

/** Opens a `hark.v1` client, and also returns the expiry in its welcome. */
async function open(server: TestServer, token: string, query = "") {
  const client = await HarkClient.open(server.socketUrl(`/ws?token=${token}${query}`));
  const { type, expiresInMs } = await client.event();
  assertEquals(type, "welcome");
  return Object.assign(client, { expiresInMs });
}

function refresh(client: HarkClient, token: string) {
  return client.command({ type: "refresh", token });
}

async function publish(server: TestServer, channel: string, text: string): Promise<void> {
  const headers = { authorization: `Bearer ${KEY}` };
  await server.fetch(`/channels/${channel}`, { method: "POST", body: text, headers });
}

/** The texts of the next messages. */
async function texts(client: HarkClient, count: number): Promise<unknown[]> {
  const events = await client.events.take(count);
  return events.map(({ data }) => (data as { message?: string } | undefined)?.message);
}

function code(fields: Record<string, unknown>): unknown {
  return fields.code ?? fields.type;
}

Deno.test("a welcome says when the token expires, if there is a token", async () => {
  await using server = await start({ public: ["*"] });
  await using bearer = await open(server, await minute());
  assertEquals(bearer.expiresInMs, 60_000);
  server.clock.advance(61_000);
  await using late = await open(server, await minute());
  assertEquals(late.expiresInMs, 0);
  await using anyone = await HarkClient.open(server.socketUrl());
  assertEquals((await anyone.event()).expiresInMs, undefined);
  await using holder = await HarkClient.open(server.socketUrl(`/ws?key=${KEY}`));
  assertEquals((await holder.event()).expiresInMs, undefined);
});

Deno.test("a session ends 10 seconds after its token has expired, on every transport", async () => {
  await using server = await start({ heartbeatS: 3600 });
  const token = await minute();
  await using plain = await Client.open(server.socketUrl(`/ws?token=${token}`));
  await using hark = await open(server, token);
  await using stream = await EventStream.open(`${server.url}/events?token=${token}`);
  const path = "/socket.io/?EIO=4&transport=websocket";
  await using socketio = await Client.open(server.socketUrl(path));
  await socketio.text();
  socketio.send(`40${JSON.stringify({ token })}`);
  assertMatch(await socketio.text(), /^40\{/);

  server.clock.advance(69_000);
  assertEquals((await server.fetch("/count")).body, '{"count":4}');
  await publish(server, "broadcast", "in time");
  assertEquals(await texts(hark, 1), ["in time"]);
  server.clock.advance(1000);
  assertEquals((await server.fetch("/count")).body, '{"count":0}');
  assertEquals(await plain.closed(), { code: 4002, reason: "token expired" });
  assertEquals(await hark.client.closed(), { code: 4002, reason: "token expired" });
  assertMatch((await stream.blocks.rest()).at(-1)!, /in time/);
  // Not by a packet of Socket.IO: so the client comes back by itself.
  assertEquals(
    (await socketio.frames.rest()).filter((frame) => String(frame).startsWith("41")),
    [],
  );
  assertEquals(await socketio.closed(), { code: 4002, reason: "token expired" });
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_disconnects_total{reason="expired"}'), 4);
  assertEquals((await server.fetch(`/events?token=${token}`)).status, 401);
});

Deno.test("refresh keeps the session, and every message meanwhile", async () => {
  await using server = await start();
  await using client = await open(server, await minute({ sub: "42" }), "&channel=news");
  const events: Record<string, unknown>[] = [];
  let sent = 0;
  for (let round = 1; round <= 5; round++) {
    server.clock.advance(40_000);
    await publish(server, "news", `${sent++}`);
    const token = await issue({ exp: exp + round * 60, sub: "42", hark: { subscribe: ["news"] } });
    client.client.send(JSON.stringify({ type: "refresh", token, ref: round }));
    await publish(server, "news", `${sent++}`);
    // The server has read the token once it has replied: only then may time pass.
    events.push(...await client.events.take(3));
  }
  const messages = events.filter(({ type }) => type === "message");
  assertEquals(
    messages.map(({ data }) => data),
    Array.from({ length: 10 }, (_, number) => {
      return { message: `${number}` };
    }),
  );
  const replies = events.filter(({ type }) => type === "ok");
  assertEquals(replies.map(({ ref, expiresInMs }) => [ref, expiresInMs]), [
    ...[[1, 80_000], [2, 100_000], [3, 120_000], [4, 140_000], [5, 160_000]],
  ]);
  server.clock.advance(169_000);
  assertEquals((await server.fetch("/count")).body, '{"count":1}');
  server.clock.advance(1000);
  assertEquals((await client.client.closed()).code, 4002);
});

Deno.test("refresh works until the session ends, and not with an expired token", async () => {
  await using server = await start();
  await using client = await open(server, await minute());
  server.clock.advance(69_999);
  assertEquals(await refresh(client, await issue({ exp: exp + 60 })), {
    type: "ok",
    expiresInMs: 50_001,
  });
  const { code, message } = await refresh(client, await issue({ exp: exp - 1 }));
  assertEquals([code, message], ["unauthorized", "Cannot use this token: it has expired"]);
  server.clock.advance(60_000);
  assertEquals((await server.fetch("/count")).body, '{"count":1}');
  server.clock.advance(1);
  assertEquals((await client.client.closed()).code, 4002);
});

Deno.test("an expired token neither connects nor publishes, beyond 2 seconds of clock skew", async () => {
  await using server = await start({ heartbeatS: 3600 });
  const hark = { subscribe: ["*"], publish: ["*"] };
  const token = await minute({ hark });
  const path = `/socket.io/?EIO=4&transport=websocket&token=${token}`;
  await using client = await open(server, token);
  await using socketio = await Client.open(server.socketUrl(path));
  await socketio.text();
  socketio.send("40");
  assertMatch(await socketio.text(), /^40\{/);
  await socketio.text();
  const statuses = async () => [
    (await server.fetch(`/broadcast/x?token=${token}`)).status,
    (await server.fetch(`/channels/a?token=${token}`)).status,
    (await server.fetch(`/events?token=${token}`, { method: "HEAD" })).status,
  ];
  const answers = async () => {
    const codes: unknown[] = [];
    const commands = [
      { type: "publish", channel: "a", event: "message", data: 1 },
      { type: "subscribe", channels: ["b"] },
      { type: "presence", channel: "b" },
      { type: "unsubscribe", channels: ["b"] },
    ];
    for (const command of commands) codes.push(code(await client.command(command)));
    socketio.send('421["subscribe","b"]');
    while (true) {
      const frame = await socketio.text();
      if (!frame.startsWith("431")) continue;
      const [{ ok, error }] = JSON.parse(frame.slice(3));
      return [...codes, ok || error.code];
    }
  };
  server.clock.advance(61_999);
  assertEquals(await statuses(), [200, 200, 200]);
  assertEquals(await answers(), ["ok", "ok", "ok", "ok", true]);
  server.clock.advance(1);
  assertEquals(await statuses(), [401, 401, 401]);
  const no = "unauthorized";
  assertEquals(await answers(), [no, no, no, "ok", no]);
  const fresh = await refresh(client, await minute({ exp: exp + 60, hark }));
  assertEquals(fresh, { type: "ok", expiresInMs: 58_000 });
  assertEquals((await answers()).slice(0, 4), ["ok", "ok", "ok", "ok"]);
});

Deno.test("refresh changes the permissions of a session at once", async () => {
  await using server = await start();
  const first = { subscribe: ["a", "b.*", "c"], publish: ["a"] };
  await using client = await open(
    server,
    await minute({ hark: first }),
    "&channel=a&channel=b.x&channel=b.*&channel=c",
  );
  assertEquals(code(await client.command({ type: "publish", channel: "a", data: 1 })), "ok");
  assertEquals(code(await client.command({ type: "publish", channel: "d", data: 1 })), "forbidden");
  assertEquals(code(await client.command({ type: "subscribe", channels: ["d"] })), "forbidden");

  const second = { subscribe: ["a", "b.x", "d"], publish: ["d"] };
  const reply = await refresh(client, await minute({ hark: second }));
  assertEquals(reply, { type: "ok", expiresInMs: 60_000, removed: ["b.*", "c"] });
  assertEquals(code(await client.command({ type: "publish", channel: "a", data: 1 })), "forbidden");
  assertEquals(code(await client.command({ type: "subscribe", channels: ["c"] })), "forbidden");
  assertEquals(code(await client.command({ type: "subscribe", channels: ["d"] })), "ok");
  for (const channel of ["c", "b.y", "b.x", "a", "broadcast"]) {
    await publish(server, channel, channel);
  }
  assertEquals(await texts(client, 3), ["b.x", "a", "broadcast"]);
  assertEquals(code(await client.command({ type: "publish", channel: "d", data: 1 })), "ok");
});

Deno.test("refresh refuses the token of another user and what is not a token, and changes nothing", async () => {
  await using server = await start();
  await using client = await open(server, await minute({ sub: "42" }));
  const another = "Cannot refresh with the token of another user: connect again";
  const cases: readonly [token: string, code: string, message: string][] = [
    [await issue({ exp: exp + 600, sub: "43" }), "forbidden", another],
    [await issue({ exp: exp + 600 }), "forbidden", another],
    ["x", "unauthorized", "Cannot use this token: it is not a JWT, which has three parts"],
    [KEY, "unauthorized", "Cannot use this token: it is not a JWT, which has three parts"],
    [
      await issue({ exp: exp + 600, sub: "42", secret: "another secret of 32 or more bytes" }),
      "unauthorized",
      "Cannot use this token: its signature is wrong",
    ],
  ];
  for (const [token, code, message] of cases) {
    assertEquals(await refresh(client, token), { type: "error", code, message });
  }
  assertEquals(code(await client.command({ type: "subscribe", channels: ["a"] })), "ok");
  server.clock.advance(70_000);
  assertEquals((await client.client.closed()).code, 4002);

  await using keyed = await startServer({ publishKey: [KEY] });
  await using anyone = await HarkClient.open(keyed.socketUrl());
  const { code: why, message } = await refresh(anyone, await issue());
  assertEquals([why, message], ["unsupported", "This server takes no tokens"]);
});

Deno.test("tokens count in the order in which they come", async () => {
  await using server = await start();
  await using client = await open(server, await minute());
  for (let ref = 1; ref <= 20; ref++) {
    const token = await issue({ exp: exp + ref, hark: { subscribe: [`c${ref}`] } });
    client.client.send(JSON.stringify({ type: "refresh", token, ref }));
  }
  const replies = await client.events.take(20);
  assertEquals(replies.map(({ ref }) => ref), Array.from({ length: 20 }, (_, at) => at + 1));
  assertEquals(replies.at(-1)!.expiresInMs, 80_000);
  assertEquals(code(await client.command({ type: "subscribe", channels: ["c20"] })), "ok");
  assertEquals(code(await client.command({ type: "subscribe", channels: ["c19"] })), "forbidden");
});

Deno.test("hark.v1 checks each command by its channel", async () => {
  await using server = await start({ public: ["weather"] });
  const hark = { subscribe: ["news.*"], publish: ["chat"] };
  await using client = await open(server, await minute({ sub: "Zoë", hark }), "&channel=news.eu");
  await using anyone = await HarkClient.open(server.socketUrl());
  await anyone.event();
  const sentence = (channel: string, claim: string) =>
    `Not allowed on channel ${channel}: it takes a key, or a token whose hark.${claim} has it`;
  const cases: readonly [HarkClient, Record<string, unknown>, string, string?][] = [
    [client, { type: "subscribe", channels: ["news.us", "weather"] }, "ok"],
    [
      client,
      { type: "subscribe", channels: ["news.us", "chat"] },
      "forbidden",
      sentence("chat", "subscribe"),
    ],
    [client, { type: "subscribe", channels: ["*"] }, "forbidden", sentence("*", "subscribe")],
    [client, { type: "presence", channel: "news.eu" }, "ok"],
    [client, { type: "presence", channel: "chat" }, "forbidden", sentence("chat", "subscribe")],
    [client, { type: "publish", channel: "chat", data: 1 }, "ok"],
    [
      client,
      { type: "publish", channel: "news.eu", data: 1 },
      "forbidden",
      sentence("news.eu", "publish"),
    ],
    [anyone, { type: "subscribe", channels: ["weather"] }, "ok"],
    [
      anyone,
      { type: "subscribe", channels: ["news.eu"] },
      "forbidden",
      sentence("news.eu", "subscribe"),
    ],
    [
      anyone,
      { type: "presence", channel: "news.eu" },
      "forbidden",
      sentence("news.eu", "subscribe"),
    ],
    [
      anyone,
      { type: "publish", channel: "weather", data: 1 },
      "unauthorized",
      "Cannot publish without a key or token: send it as Authorization: Bearer KEY_OR_TOKEN",
    ],
  ];
  for (const [who, command, expected, message] of cases) {
    const reply = await who.command(command);
    assertEquals([code(reply), reply.message], [expected, message], JSON.stringify(command));
  }
  const { entries } = await client.command({ type: "presence", channel: "news.eu" });
  assertEquals((entries as { user: string }[]).map(({ user }) => user), ["Zoë"]);
});

Deno.test("joins of broadcast are sent only to clients that may see them", async () => {
  await using server = await start({ public: ["weather"] });
  const url = (query: string) => server.socketUrl(`/ws?presence=1&channel=weather${query}`);
  await using anyone = await HarkClient.open(url(""));
  const all = await minute({ sub: "42", hark: { subscribe: ["*"] } });
  await using bearer = await HarkClient.open(url(`&token=${all}`));
  await using key = await HarkClient.open(url(`&key=${KEY}`));
  await using _ = await open(server, await minute({ sub: "Zoë", hark: {} }));
  const tellsOfZoe = ({ channel, joined }: Record<string, unknown>) =>
    channel === "broadcast" && JSON.stringify(joined).includes("Zoë");
  server.clock.advance(1000);
  await Promise.all([bearer.events.find(tellsOfZoe), key.events.find(tellsOfZoe)]);
  // With a token that does not allow it, presence stops.
  await refresh(bearer, await minute({ sub: "42", hark: {} }));
  await using __ = await open(server, await minute({ sub: "Zoë", hark: {} }));
  server.clock.advance(1000);
  await key.events.find(tellsOfZoe);
  await publish(server, "weather", "the last");
  for (const client of [anyone, bearer]) {
    const events: Record<string, unknown>[] = [];
    do events.push(await client.event()); while (events.at(-1)!.event !== "message");
    assertEquals(events.filter(tellsOfZoe), []);
  }
});

Deno.test("keys, and tokens that allow it, see who is on a public channel; others get the count", async () => {
  await using server = await start({ public: ["news", "broadcast"] });
  const path = (query = "") => server.socketUrl(`/ws?channel=news&presence=1${query}`);
  const zoe = await minute({ sub: "Zoë", hark: { subscribe: ["news"] } });
  const other = await minute({ sub: "42", hark: { subscribe: ["chat"] } });
  const allowed = await minute({ sub: "43", hark: { subscribe: ["news", "broadcast"] } });
  await using anyone = await HarkClient.open(path());
  await using stranger = await HarkClient.open(path(`&token=${other}`));
  await using member = await HarkClient.open(path(`&token=${allowed}`));
  await using holder = await HarkClient.open(path(`&key=${KEY}`));
  await using _ = await HarkClient.open(path(`&token=${zoe}`));
  const users = (entries: unknown) => (entries as { user?: string }[]).map(({ user }) => user);
  const everybody = [undefined, "42", "43", undefined, "Zoë"];
  for (const channel of ["news", "broadcast"]) {
    const cases: [HarkClient, query: string, unknown[]][] = [
      [anyone, "", []],
      [stranger, `?token=${other}`, []],
      [member, `?token=${allowed}`, everybody],
      [holder, `?key=${KEY}`, everybody],
    ];
    for (const [client, query, expected] of cases) {
      const reply = await client.command({ type: "presence", channel });
      assertEquals([reply.type, reply.count, users(reply.entries)], ["ok", 5, expected], query);
      const { status, body } = await server.fetch(`/channels/${channel}/presence${query}`);
      const { count, entries } = JSON.parse(body);
      assertEquals([status, count, users(entries)], [200, 5, expected], query);
    }
    const { status } = await server.fetch(`/channels/${channel}/presence?token=junk`);
    assertEquals(status, 401);
  }
  server.clock.advance(1000);
  const joins = ({ type }: Record<string, unknown>) => type === "presence";
  await member.events.find(joins);
  await holder.events.find(joins);
  // A channel is no longer watched once a token does not allow it.
  await refresh(member, await minute({ sub: "43", hark: {} }));
  await using __ = await HarkClient.open(path(`&token=${zoe}`));
  server.clock.advance(1000);
  await holder.events.find(joins);
  await publish(server, "news", "the last");
  for (const client of [anyone, stranger, member]) {
    const events: Record<string, unknown>[] = [];
    do events.push(await client.event()); while (events.at(-1)!.type !== "message");
    assertEquals(events.filter((event) => JSON.stringify(event).includes("Zoë")), []);
  }
});

/** Joins a namespace over WebSocket, and reads everything up to the answer. */
async function join(server: TestServer, auth: object, namespace = ""): Promise<[Client, string]> {
  const path = "/socket.io/?EIO=4&transport=websocket";
  const client = await Client.open(server.socketUrl(path));
  await client.text();
  client.send(`40${namespace}${JSON.stringify(auth)}`);
  return [client, await client.text()];
}

Deno.test("Socket.IO checks later subscriptions too, and shows the user in presence", async () => {
  await using server = await start();
  const token = await minute({ sub: "42", hark: { subscribe: ["news.*", "chat"] } });
  const [client] = await join(server, { token });
  await using _ = client;
  await client.text();
  const answers: unknown[] = [];
  for (const channel of ["news.eu", "secret", "chat", "*"]) {
    client.send(`421${JSON.stringify(["subscribe", channel])}`);
    answers.push(JSON.parse((await client.text()).slice(3)));
  }
  const refusal = (channel: string) => ({
    ok: false,
    error: {
      code: "forbidden",
      message:
        `Not allowed on channel ${channel}: it takes a key, or a token whose hark.subscribe has it`,
    },
  });
  assertEquals(answers, [[{ ok: true }], [refusal("secret")], [{ ok: true }], [refusal("*")]]);
  for (const channel of ["secret", "chat"]) await publish(server, channel, channel);
  assertMatch(await client.text(), /^42\["message",\{"message":"chat"\}/);
  const { body } = await server.fetch(`/channels/chat/presence?token=${token}`);
  assertEquals(JSON.parse(body).entries.map(({ user }: { user: string }) => user), ["42"]);
});

Deno.test("a Socket.IO client joins with the token of its first request until that expires", async () => {
  await using server = await start({ heartbeatS: 3600 });
  const first = await minute({ hark: { subscribe: ["secret"] } });
  const path = `/socket.io/?EIO=4&transport=websocket&token=${first}`;
  await using client = await Client.open(server.socketUrl(path));
  await client.text();
  const other = await minute({ exp: exp + 600, hark: { subscribe: ["news"] } });
  client.send(`40/news,${JSON.stringify({ token: other })}`);
  assertMatch(await client.text(), /^40\/news,\{/);
  await client.text();
  server.clock.advance(61_999);
  client.send("40/secret,");
  assertMatch(await client.text(), /^40\/secret,\{/);
  await client.text();
  client.send("41/secret,");
  await untilCount(server, 1);
  server.clock.advance(1);
  client.send("40/secret,");
  assertEquals(
    await client.text(),
    '44/secret,{"message":"Cannot use this token: it has expired","data":{"code":"unauthorized"}}',
  );
});

Deno.test("a Socket.IO client that comes back gets only what its new token allows", async () => {
  await using server = await start();
  const [client, joined] = await join(server, {
    token: await minute({ hark: { subscribe: ["a", "b"] } }),
  });
  await client.text();
  client.send('421["subscribe",["a","b"]]');
  await client.text();
  const { pid } = JSON.parse(joined.slice(2));
  await client.close();
  for (const channel of ["a", "b", "broadcast"]) await publish(server, channel, channel);

  const token = await minute({ hark: { subscribe: ["b"] } });
  const [again, rejoined] = await join(server, { token, pid });
  await using _ = again;
  assertEquals(JSON.parse(rejoined.slice(2)).pid, pid);
  await publish(server, "a", "later");
  await publish(server, "b", "later");
  const messages = (await again.frames.take(3)).map((frame) =>
    JSON.parse(String(frame).slice(2))[1]
  );
  assertEquals(messages, ["b", "broadcast", "later"].map((message) => ({ message })));
});

Deno.test("a Socket.IO client that leaves while its token is checked leaves nothing behind", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // A pipe: reading waits until something is written.
    const tokenJwks = `${folder}/keys.json`;
    await new Deno.Command("mkfifo", { args: [tokenJwks] }).output();
    const [first, second] = [await makeKeys("EdDSA", "1"), await makeKeys("EdDSA", "2")];
    const write = (...keys: unknown[]) => Deno.writeTextFile(tokenJwks, JSON.stringify({ keys }));
    const [started] = await Promise.all([start({ tokenSecret: "", tokenJwks }), write(first.jwk)]);
    await using server = started;
    server.clock.advance(60_000);

    const token = await signToken({ exp: exp + 600 }, second.signing);
    const leaving = await Client.open(server.socketUrl("/socket.io/?EIO=4&transport=websocket"));
    await leaving.text();
    leaving.send(`40${JSON.stringify({ token })}`);
    const opening = open(server, token);
    await leaving.close();
    await write(first.jwk, second.jwk);
    await using _ = await opening;
    assertEquals((await server.fetch("/count")).body, '{"count":1}');
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
