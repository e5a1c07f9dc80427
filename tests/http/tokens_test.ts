import { assertEquals, assertMatch } from "@std/assert";
import {
  type Door,
  DOORS,
  MAIN_DOORS,
  NEWS_DOORS,
  type Outcome,
  type Shown,
} from "../support/doors.ts";
import { command } from "../support/child.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { encodePart, issue, makeKeys, SECRET } from "../support/tokens.ts";
import { signToken } from "../../lib/auth/jwt.ts";

const KEY = "a-publish-key";
const NEITHER =
  "Cannot use this: it is neither one of the server's keys nor a token (a JWT, which has three parts)";
const NO_TOKEN =
  "Cannot receive without a token: send it as Authorization: Bearer TOKEN or as ?token=TOKEN";

async function knock(server: TestServer, door: Door, shown: Shown, expected: Outcome) {
  const seen = door.name === "Socket.IO 2" && expected ? ["", expected[1]] : expected;
  assertEquals<unknown>(
    await door.knock(server, shown),
    seen,
    `${door.name} ${Deno.inspect(shown)}`,
  );
}

function isSocketIo({ name }: Door): boolean {
  return name.startsWith("Socket.IO");
}

const refused = (sentence: string): Outcome => ["unauthorized", sentence];
const notAllowed = (channel: string): Outcome => [
  "forbidden",
  `Not allowed on channel ${channel}: it takes a key, or a token whose hark.subscribe has it`,
];

Deno.test("with tokens and without public channels, nobody receives without a token", async () => {
  for (const publishKey of [[], [KEY]]) {
    await using server = await startServer({ tokenSecret: SECRET, publishKey });
    for (const door of DOORS) await knock(server, door, {}, refused(NO_TOKEN));
    const answer = await server.fetch("/events");
    assertEquals(answer.headers.get("www-authenticate"), 'Bearer realm="hark"');
    assertEquals((await server.fetch("/events", { method: "HEAD" })).status, 401);
    assertEquals((await server.fetch("/count")).body, '{"count":0}');
  }
});

Deno.test("a token is accepted in every place", async () => {
  await using server = await startServer({ tokenSecret: SECRET });
  const token = await issue({ hark: { subscribe: ["news"] } });
  const own = { origin: server.url, cookie: `a=b; hark_token=${token}; c=d` };
  const page = { "sec-fetch-site": "same-origin", cookie: `hark_token=${token}` };
  for (const door of DOORS) {
    await knock(server, door, { headers: { authorization: `Bearer ${token}` } }, undefined);
    await knock(server, door, { query: `token=${token}` }, undefined);
    if (door.name !== "Socket.IO 2" && isSocketIo(door)) {
      await knock(server, door, { auth: { token } }, undefined);
    }
    // A raw handshake has another host than fetch().
    if (!door.name.includes("WebSocket") && door.name !== "hark.v1") {
      await knock(server, door, { headers: own }, undefined);
    }
    await knock(server, door, { headers: page }, undefined);
  }
});

Deno.test("the token in the first place counts, even if it is wrong", async () => {
  await using server = await startServer({ tokenSecret: SECRET, publishKey: [KEY] });
  const token = await issue({ hark: { subscribe: ["news"] } });
  const wrong = refused("Cannot use this token: it is not a JWT, which has three parts");
  const wrongKey = refused("Cannot use this key: it is not one of the server's");
  const neither = refused(NEITHER);
  const headers = { authorization: `Bearer ${token}` };
  const cookie = { "sec-fetch-site": "same-origin", cookie: "hark_token=x" };
  for (const door of DOORS) {
    await knock(server, door, { headers, query: "token=x&key=x" }, undefined);
    await knock(server, door, { headers: cookie, query: `token=${token}` }, undefined);
    await knock(server, door, { query: `token=x&key=${KEY}` }, undefined);
    await knock(server, door, { query: `token=x&token=${token}` }, wrong);
    await knock(server, door, { query: `key=x&token=${token}` }, wrongKey);
    await knock(server, door, { query: "token=" }, wrong);
    await knock(server, door, { headers: cookie }, wrong);
    await knock(server, door, { headers: { authorization: "Bearer x" } }, neither);
    await knock(server, door, { headers: { authorization: "Basic x" } }, refused(NO_TOKEN));
    if (!isSocketIo(door) || door.name === "Socket.IO 2") continue;
    await knock(
      server,
      door,
      { auth: { token }, headers: { authorization: "Bearer x" } },
      undefined,
    );
    for (const bad of ["", "x", 7, {}, [token], true]) {
      await knock(server, door, { auth: { token: bad }, headers }, wrong);
    }
    await knock(server, door, { auth: { token: null }, headers }, undefined);
  }
});

Deno.test("a cookie counts only if an allowed page made the request", async () => {
  const origins = ["https://app.example", "https://*.pages.example", "tauri://localhost", "null"];
  await using server = await startServer({ tokenSecret: SECRET, origins });
  const cookie = `hark_token=${await issue({ hark: { subscribe: ["news"] } })}`;
  const unknown = "the request has no Origin, so that a page of any site may have made it";
  const opaque = "the origin null may be a page of any site";
  const foreign = "the page's origin is not among --origins";
  const cases: readonly [headers: Record<string, string>, why: string | undefined][] = [
    [{ origin: "https://app.example" }, undefined],
    [{ origin: "https://app.example", "sec-fetch-site": "cross-site" }, undefined],
    [{ "sec-fetch-site": "same-origin" }, undefined],
    [{}, unknown],
    [{ "sec-fetch-site": "none" }, unknown],
    [{ "sec-fetch-site": "same-site" }, unknown],
    [{ "sec-fetch-site": "cross-site" }, unknown],
    [{ origin: "https://evil.example" }, foreign],
    [{ origin: "https://evil.example", "sec-fetch-site": "same-origin" }, foreign],
    [{ origin: "https://a.pages.example" }, undefined],
    [{ origin: "https://a.b.pages.example" }, foreign],
    [{ origin: "tauri://localhost" }, undefined],
    [{ origin: "null" }, opaque],
    [{ origin: "null", "sec-fetch-site": "same-origin" }, opaque],
  ];
  for (const door of DOORS) {
    for (const [headers, why] of cases) {
      const seen = `${NO_TOKEN}. The cookie hark_token did not count: ${why}`;
      const expected = why === undefined ? undefined : refused(seen);
      await knock(server, door, { headers: { ...headers, cookie } }, expected);
    }
  }
});

/** Tokens that do not count, and the reasons. */
async function wrongTokens(): Promise<[token: string, why: string][]> {
  const nowS = Date.now() / 1000;
  const { signing } = await makeKeys("ES256");
  const exp = nowS + 60;
  return [
    ["a.b.c", "its header is not base64url"],
    [
      `${encodePart({ alg: "none" })}.${encodePart({ exp })}.AAAA`,
      "its algorithm is not that of the key",
    ],
    [await signToken({ exp }, signing), "its algorithm is not that of the key"],
    [await issue({ secret: "another secret of 32 or more bytes" }), "its signature is wrong"],
    [await issue({ exp: nowS - 3 }), "it has expired"],
    [await issue({ exp: undefined }), "it has no exp, and never to end is not allowed"],
    [await issue({ nbf: nowS + 60 }), "it is not valid yet, by its nbf"],
    [await issue({ iss: "https://issuer.example" }), "it is for another audience"],
    [await issue({ aud: "hark" }), "it is of another issuer"],
    [
      await issue({ aud: "hark", iss: "https://issuer.example", hark: { subscribe: "news" } }),
      "its hark.subscribe is not a list of at most 100 channels or patterns",
    ],
    [`${"a".repeat(8193)}`, "it has more than 8192 characters"],
  ];
}

Deno.test("a token that does not count is refused with the reason, and never ignored", async () => {
  await using server = await startServer({
    tokenSecret: SECRET,
    tokenAudience: "hark",
    tokenIssuer: "https://issuer.example",
    public: ["*"],
  });
  const right = { aud: "hark", iss: "https://issuer.example" };
  await knock(server, DOORS[0]!, { query: `token=${await issue(right)}` }, undefined);
  for (const [token, why] of await wrongTokens()) {
    const expected = refused(`Cannot use this token: ${why}`);
    const headers = { authorization: `Bearer ${token}` };
    for (const door of DOORS) await knock(server, door, { headers }, expected);
    const { status, body } = await server.fetch("/broadcast/x", { headers });
    assertEquals([status, JSON.parse(body).detail], [401, expected![1]]);
  }
  const seen = JSON.stringify(server.log.takeAll()) + JSON.stringify([...await server.metrics()]);
  for (const [token] of await wrongTokens()) assertEquals(seen.includes(token.slice(0, 30)), false);
});

Deno.test("a token allows the channels that it names, and broadcast", async () => {
  await using server = await startServer({ tokenSecret: SECRET });
  const cases: readonly [subscribe: string[], channel: string, allowed: boolean][] = [
    [[], "broadcast", true],
    [[], "news", false],
    [["news"], "news", true],
    [["news"], "news.eu", false],
    [["news"], "news.*", false],
    [["news.*"], "news.*", true],
    [["news.*"], "news.eu", true],
    [["news.*"], "news.eu.*", true],
    [["news.*"], "news", false],
    [["news.*"], "*", false],
    [["news.*", "*"], "*", true],
    [["*"], "anything.*", true],
  ];
  for (const [subscribe, channel, allowed] of cases) {
    const token = await issue({ hark: { subscribe } });
    const shown = { query: `token=${token}&channel=${encodeURIComponent(channel)}` };
    for (const door of MAIN_DOORS) {
      await knock(server, door, shown, allowed ? undefined : notAllowed(channel));
    }
    if (channel !== "news") continue;
    for (const door of NEWS_DOORS) {
      await knock(
        server,
        door,
        { query: `token=${token}` },
        allowed ? undefined : notAllowed("news"),
      );
    }
  }
});

Deno.test("public channels need no token", async () => {
  await using server = await startServer({ tokenSecret: SECRET, public: ["news", "weather.*"] });
  const token = await issue({ hark: { subscribe: ["user.42"] } });
  const { status } = await server.fetch("/channels/broadcast");
  assertEquals(status, 200);
  for (const door of DOORS) await knock(server, door, {}, undefined);
  for (const door of MAIN_DOORS) {
    for (const channel of ["news", "weather.*", "weather.eu"]) {
      for (const who of ["", `&token=${token}`]) {
        await knock(server, door, { query: `channel=${channel}${who}` }, undefined);
      }
    }
    for (const channel of ["user.42", "weather", "*"]) {
      await knock(server, door, { query: `channel=${channel}` }, notAllowed(channel));
    }
    await knock(server, door, { query: `channel=user.42&token=${token}` }, undefined);
  }
});

Deno.test("with keys alone all channels are public, unless --public names some", async () => {
  await using server = await startServer({ publishKey: [KEY] });
  const ignored = { query: "token=x", auth: { token: "x" } };
  for (const door of DOORS) await knock(server, door, ignored, undefined);

  await using limited = await startServer({ publishKey: [KEY], public: ["weather"] });
  for (const door of MAIN_DOORS) {
    await knock(limited, door, { query: "channel=weather" }, undefined);
    await knock(limited, door, { query: "channel=news" }, notAllowed("news"));
    await knock(limited, door, { query: `channel=news&key=${KEY}` }, undefined);
  }
  for (const door of NEWS_DOORS) {
    await knock(limited, door, {}, notAllowed("news"));
    const headers = { authorization: `Bearer ${KEY}` };
    await knock(limited, door, { headers, ...ignored }, undefined);
  }
});

Deno.test("an open server ignores tokens and keys", async () => {
  await using server = await startServer();
  const shown = {
    query: "token=x&key=x",
    headers: { authorization: "Bearer x" },
    auth: { token: 7 },
  };
  for (const door of DOORS) await knock(server, door, shown, undefined);
  assertEquals(
    (await server.fetch("/broadcast/x?token=x", { headers: shown.headers })).status,
    200,
  );

  await using limited = await startServer({ public: ["weather"] });
  for (const door of NEWS_DOORS) await knock(limited, door, {}, notAllowed("news"));
});

Deno.test("keys and tokens decide who publishes what", async () => {
  const WITHOUT =
    "Cannot publish without a key or token: send it as Authorization: Bearer KEY_OR_TOKEN";
  const on = (channel: string) =>
    `Not allowed on channel ${channel}: it takes a key, or a token whose hark.publish has it`;
  await using server = await startServer({ tokenSecret: SECRET, publishKey: [KEY], public: ["*"] });
  const token = await issue({ hark: { publish: ["chat", "room.*"], subscribe: ["*"] } });
  const cases: readonly [
    credential: string | undefined,
    channel: string,
    status: number,
    string?,
  ][] = [
    [KEY, "anything", 200],
    [token, "chat", 200],
    [token, "room.7", 200],
    [token, "room", 403, on("room")],
    [token, "broadcast", 403, on("broadcast")],
    [await issue(), "chat", 403, on("chat")],
    [undefined, "chat", 401, WITHOUT],
    [`${KEY}x`, "chat", 401, NEITHER],
    ["a.b.c", "chat", 401, NEITHER],
  ];
  for (const [credential, channel, expected, sentence] of cases) {
    const headers: Record<string, string> = credential === undefined
      ? {}
      : { authorization: `Bearer ${credential}` };
    const asked: [string, RequestInit][] = [
      [`/channels/${channel}`, { method: "POST", body: "x", headers }],
      [`/broadcast/x?channel=${channel}`, { headers }],
      [`/broadcast/x?channel=${channel}`, { method: "HEAD", headers }],
    ];
    for (const [path, init] of asked) {
      const { status, body } = await server.fetch(path, init);
      assertEquals(status, expected, `${init.method} ${path} ${credential}`);
      if (status !== 200 && init.method !== "HEAD") assertEquals(JSON.parse(body).detail, sentence);
    }
  }
  assertEquals((await server.metrics()).get("hark_publications_total"), 6);

  await using tokensOnly = await startServer({ tokenSecret: SECRET });
  const { status, body } = await tokensOnly.fetch("/broadcast/x");
  assertEquals([status, JSON.parse(body).detail], [
    401,
    "Cannot publish without a token: send it as Authorization: Bearer TOKEN",
  ]);
});

Deno.test("a cookie publishes only for an allowed page", async () => {
  const origins = ["https://app.example"];
  await using server = await startServer({ tokenSecret: SECRET, origins });
  const cookie = `hark_token=${await issue({ hark: { publish: ["*"] } })}`;
  const post = async (headers: Record<string, string>) => {
    const init = { method: "POST", body: "x", headers: { ...headers, cookie } };
    return (await server.fetch("/channels/chat", init)).status;
  };
  assertEquals(await post({ origin: "https://app.example" }), 200);
  assertEquals(await post({ origin: server.url }), 200);
  assertEquals(await post({ origin: "https://evil.example" }), 401);
  assertEquals(await post({}), 401);
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", cookie };
  assertEquals((await server.fetch("/broadcast/x", { headers: link })).status, 401);
});

Deno.test("publishes count for the user, whichever address they come from", async () => {
  await using server = await startServer({ tokenSecret: SECRET, publishPerSecondMax: 2 });
  const hark = { publish: ["*"] };
  const publish = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const statuses = [];
    const body = "1\n2";
    for (const type of ["application/x-ndjson", "text/plain"]) {
      const init = { method: "POST", body, headers: { ...headers, "content-type": type } };
      statuses.push((await server.fetch("/channels/a", init)).status);
    }
    return statuses;
  };
  assertEquals(await publish(await issue({ sub: "42", hark, jti: "1" })), [200, 429]);
  assertEquals((await publish(await issue({ sub: "43", hark })))[0], 200);
});

Deno.test("tokens are checked with keys from a file", async () => {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    const [first, second] = [await makeKeys("EdDSA", "1"), await makeKeys("ES256", "2")];
    await Deno.writeTextFile(file, JSON.stringify({ keys: [first.jwk, second.jwk] }));
    await using server = await startServer({ tokenJwks: file });
    const claims = { exp: Date.now() / 1000 + 60, hark: { subscribe: ["news"] } };
    for (const { signing } of [first, second]) {
      const query = `token=${await signToken(claims, signing)}`;
      for (const door of DOORS) await knock(server, door, { query }, undefined);
    }
    const unknown = await signToken(claims, { ...first.signing, id: "3" });
    const expected = refused("Cannot use this token: its key is unknown");
    for (const door of DOORS) await knock(server, door, { query: `token=${unknown}` }, expected);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("a server that cannot read its keys accepts no token, and calls none wrong", async () => {
  const tokenJwks = "https://127.0.0.1:1/jwks.json?secret=s3cret";
  await using server = await startServer({ tokenJwks, public: ["news"], publishKey: [KEY] });
  const { signing } = await makeKeys("ES256", "1");
  const query = `token=${await signToken({ exp: Date.now() / 1000 + 60 }, signing)}`;
  const sentence = "Cannot check tokens now, as their keys cannot be had: retry";
  for (const door of DOORS) await knock(server, door, { query }, ["unavailable", sentence]);
  const { status, headers } = await server.fetch(`/channels/news?${query}`);
  assertEquals([status, headers.get("retry-after")], [503, "5"]);
  for (const door of DOORS) await knock(server, door, {}, undefined);
  for (const door of DOORS) await knock(server, door, { query: `key=${KEY}` }, undefined);
  const line = await server.log.find(({ message }) => message === "keys failed");
  assertEquals(line.level, "warn");
  assertMatch(String(line.why), /^Cannot read the keys of https:\/\/127.0.0.1:1\/jwks.json: /);
});

Deno.test("no server starts with a file of keys that it cannot read, and the error says so", async () => {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    const start = async () => {
      const { code, stderr } = await command(["--port", "0", "--token-jwks", file]).output();
      return [code, new TextDecoder().decode(stderr)];
    };
    const seen = (why: string) =>
      `Cannot read the options:\n  Cannot read the keys of ${file}: ${why}\n`;
    assertEquals(await start(), [2, seen("expected JSON")]);
    await Deno.writeTextFile(file, '{"keys":[]}');
    const none = "expected a key for HS256, ES256, RS256 or EdDSA, found none that is usable";
    assertEquals(await start(), [2, seen(none)]);
  } finally {
    await Deno.remove(file);
  }
});
