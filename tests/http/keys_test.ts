import { assert, assertEquals } from "@std/assert";
import { startServer } from "../support/server.ts";
import { Client, HarkClient } from "../support/socket.ts";

const KEY = "first-Secret.1";
const OTHER_KEY = "second/Secret+2=";

/** What a request may carry, as header and as query, and what comes of it. */
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

Deno.test("with keys, only who shows one publishes", async () => {
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
  answers.push(await server.fetch("/metrics"));
  const said = JSON.stringify([answers, server.log.takeAll()]) +
    answers.map((answer) => "headers" in answer ? [...(answer.headers as Headers)] : "").join();
  assert(said.includes("unauthorized"));
  for (const secret of ["Secret", encodeURIComponent(KEY)]) assert(!said.includes(secret));
});

Deno.test("with keys, everyone may still receive", async () => {
  await using server = await startServer({ publishKey: [KEY] });
  await using client = await Client.open(server.socketUrl());
  await client.text();
  await server.broadcast("hello", `?key=${KEY}`);
  assertEquals(await client.json(), { message: "hello" });
});

Deno.test("with keys, a page of another site that has one may publish", async () => {
  await using server = await startServer({ publishKey: [KEY] });
  const headers = { authorization: `Bearer ${KEY}`, origin: "https://evil.example" };
  const answer = await server.fetch("/broadcast/x", { headers });
  assertEquals(answer.status, 200);
  assertEquals(answer.headers.get("access-control-allow-origin"), null);
});
