import { assert, assertEquals } from "@std/assert";
import { startServer } from "../support/server.ts";
import { Client, HarkClient } from "../support/socket.ts";

const KEY = "first-Secret.1";
const OTHER_KEY = "second/Secret+2=";

/** Credentials of a request, in a header and in the query, and the result. */
const CREDENTIALS: readonly [string | undefined, string, number][] = [
  [`Bearer ${KEY}`, "", 200],
  [`Bearer ${OTHER_KEY}`, "", 200],
  [`bearer   ${KEY}`, "", 200],
  [`BEARER ${KEY} `, "", 200],
  [undefined, `?key=${KEY}`, 200],
  [undefined, `?key=${encodeURIComponent(OTHER_KEY)}`, 200],
  [undefined, `?channel=broadcast&key=${KEY}`, 200],
  [`Bearer ${KEY}`, "?key=wrong", 200],
  ["Basic Zm9vOmJhcg==", `?key=${KEY}`, 200],
  [undefined, "", 401],
  [undefined, "?key=", 401],
  [undefined, "?Key=" + KEY, 401],
  [undefined, `?key=${KEY}x`, 401],
  [undefined, `?key=${KEY.slice(1)}`, 401],
  [undefined, `?key=${KEY.toLowerCase()}`, 401],
  [undefined, `?key=wrong&key=${KEY}`, 401],
  ["Bearer wrong", `?key=${KEY}`, 401],
  ["Bearer", "", 401],
  [`Bearer ${KEY} ${KEY}`, "", 401],
  [`Bearer ${KEY},${OTHER_KEY}`, "", 401],
  [`Basic ${KEY}`, "", 401],
  [KEY, "", 401],
  [`Bearer ${"a".repeat(10_000)}`, "", 401],
];

Deno.test("with keys, only callers with a key publish", async () => {
  await using server = await startServer({ publishKey: [KEY, OTHER_KEY] });
  let accepted = 0;
  let refused = 0;
  for (const [authorization, query, expected] of CREDENTIALS) {
    const headers = authorization === undefined ? {} : { authorization };
    for (const method of ["GET", "POST", "HEAD"]) {
      const answer = await server.fetch(`/broadcast/x${query}`, { method, headers });
      assertEquals(answer.status, expected, `${authorization} ${query}`);
      if (expected === 401) refused++;
      else if (method !== "HEAD") accepted++;
      const challenge = expected === 401 ? 'Bearer realm="hark"' : null;
      assertEquals(answer.headers.get("www-authenticate"), challenge);
      if (expected === 200 || method === "HEAD") continue;
      const { type, detail } = JSON.parse(answer.body);
      assertEquals(type, "urn:hark:problem:unauthorized");
      assert(/^Cannot publish with(out a| this) key: /.test(detail), detail);
    }
  }
  const metrics = await server.metrics();
  assertEquals(metrics.get("hark_publications_total"), accepted);
  assertEquals(metrics.get('hark_rejected_total{reason="unauthorized"}'), refused);
});

Deno.test("a key is in no answer, no log line and no metric", async () => {
  const wrong = "wrong-Secret";
  await using server = await startServer({ publishKey: [KEY] });
  const answers = [];
  for (const key of [KEY, wrong]) {
    for (const path of [`/broadcast/x?key=${key}`, `/ws?key=${key}`, `/nothing?key=${key}`]) {
      answers.push(await server.fetch(path));
    }
    const headers = { authorization: `Bearer ${key}` };
    answers.push(await server.fetch("/broadcast/%FF", { headers }));
    answers.push(await server.fetch("/broadcast/x?channel=*", { headers }));
    answers.push(await server.fetch("/broadcast/x", { headers }));
    await using client = await HarkClient.open(server.socketUrl(`/ws?key=${key}`));
    answers.push(await client.command({ type: "publish", channel: "a", data: 1 }));
    answers.push(await client.command({ type: "publish", channel: "*", data: 1 }));
  }
  answers.push(await server.fetch(`/metrics?key=${encodeURIComponent(KEY)}`));
  answers.push(await server.fetch(`/metrics?key=${wrong}`));
  const said = JSON.stringify([answers, server.log.takeAll()]) +
    answers.map((answer) => "headers" in answer ? [...(answer.headers as Headers)] : "").join();
  assert(said.includes("unauthorized"));
  for (const secret of ["Secret", encodeURIComponent(KEY)]) assert(!said.includes(secret));
});

Deno.test("with keys, everybody may still receive", async () => {
  await using server = await startServer({ publishKey: [KEY] });
  await using client = await Client.open(server.socketUrl());
  await client.text();
  await server.broadcast("hello", `?key=${KEY}`);
  assertEquals(await client.json(), { message: "hello" });
});

Deno.test("with keys, a page of another site with a key may publish", async () => {
  await using server = await startServer({ publishKey: [KEY] });
  const headers = { authorization: `Bearer ${KEY}`, origin: "https://evil.example" };
  const answer = await server.fetch("/broadcast/x", { headers });
  assertEquals(answer.status, 200);
  assertEquals(answer.headers.get("access-control-allow-origin"), null);
});

const basic = (text: string) => `Basic ${new TextEncoder().encode(text).toBase64()}`;

Deno.test("a key is accepted as the password of Basic authentication, but only for POST", async () => {
  const keys = [KEY, "with:colons::"];
  await using server = await startServer({ publishKey: keys });
  const post = async (authorization: string, path = "/channels/ci", headers = {}) => {
    const init = { method: "POST", body: "x", headers: { authorization, ...headers } };
    const answer = await server.fetch(path, init);
    const challenge = answer.status === 401 ? 'Bearer realm="hark"' : null;
    assertEquals(answer.headers.get("www-authenticate"), challenge);
    return answer.status;
  };
  for (const user of ["", "hark", "Zoë", KEY]) {
    for (const key of keys) {
      assertEquals(await post(basic(`${user}:${key}`)), 200, `${user}:${key}`);
    }
  }
  assertEquals(await post(basic(`:${KEY}`).replace("Basic", "bAsIc ")), 200);
  assertEquals(await post(basic(`:${KEY}`), "/broadcast/x"), 200);
  const wrong = [
    ...[basic(`:${KEY}x`), basic(`${KEY}:`), basic(KEY), basic(`:${KEY}:`), basic(""), "Basic"],
    ...["Basic =", "Basic a", "Basic !!!!", `Basic :${KEY}`, `Basic ${"A".repeat(40_000)}`],
  ];
  for (const authorization of wrong) assertEquals(await post(authorization), 401, authorization);
  // Credentials for a proxy in front do not hide a key in the query.
  assertEquals(await post(basic("proxy:password"), `/channels/ci?key=${KEY}`), 200);

  const headers = { authorization: basic(`:${KEY}`) };
  for (const method of ["GET", "PUT", "PATCH", "DELETE", "HEAD"]) {
    const { status } = await server.fetch("/broadcast/x", { method, headers });
    assertEquals(status, 401, method);
  }
  assertEquals((await server.fetch("/sessions", { headers })).status, 401);
  assertEquals((await server.fetch("/sessions?user=a", { method: "DELETE", headers })).status, 401);
});

Deno.test("Basic authentication never counts for a page of another site", async () => {
  await using server = await startServer({ publishKey: [KEY], origins: ["https://app.example"] });
  const cases: [headers: Record<string, string>, status: number][] = [
    [{}, 200],
    [{ origin: server.url }, 200],
    [{ origin: "https://app.example" }, 200],
    [{ "sec-fetch-site": "none" }, 200],
    [{ "sec-fetch-site": "same-origin" }, 200],
    [{ origin: "https://evil.example" }, 401],
    [{ origin: "https://evil.example", "sec-fetch-site": "same-origin" }, 401],
    [{ origin: "null" }, 401],
    [{ "sec-fetch-site": "cross-site" }, 401],
    [{ "sec-fetch-site": "same-site" }, 401],
  ];
  for (const [headers, status] of cases) {
    const init = {
      method: "POST",
      body: "x",
      headers: { authorization: basic(`:${KEY}`), ...headers },
    };
    assertEquals(
      (await server.fetch("/channels/ci", init)).status,
      status,
      JSON.stringify(headers),
    );
  }
});

Deno.test("Basic authentication is ignored if no key is needed", async () => {
  const init = { method: "POST", body: "x", headers: { authorization: basic("a:wrong") } };
  await using open = await startServer();
  assertEquals((await open.fetch("/channels/ci", init)).status, 200);
  await using tokensOnly = await startServer({ tokenSecret: "x".repeat(32) });
  const { status, body, headers } = await tokensOnly.fetch("/channels/ci", init);
  assertEquals([status, JSON.parse(body).detail], [
    401,
    "Cannot publish without a token: send it as Authorization: Bearer TOKEN",
  ]);
  assertEquals(headers.get("www-authenticate"), 'Bearer realm="hark"');
});
