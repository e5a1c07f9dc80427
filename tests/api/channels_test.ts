import { assertEquals, assertMatch } from "@std/assert";
import { startServer } from "../support/server.ts";
import { HarkClient } from "../support/socket.ts";
import { JSON_TYPE, post, problemOf, publish, read, readPages, type Told } from "./channels.ts";

Deno.test("channels may be named like what every object has", async () => {
  await using server = await startServer();
  for (const name of ["__proto__", "constructor", "hasOwnProperty", "toString"]) {
    const told = await publish(server, `${name}?event=${name}`, "1", JSON_TYPE);
    assertEquals((await read(server, name)).publications, [{ ...told, data: 1 }]);
    const presence = await server.fetch(`/channels/${name}/presence`);
    assertEquals(presence.body, `{"channel":"${name}","count":0,"entries":[]}`);
  }
});

Deno.test("GET /channels/:channel pages through a history, newest last", async () => {
  await using server = await startServer();
  const told: Told[] = [];
  for (let index = 0; index < 5; index++) {
    told.push({ ...await publish(server, "ci", String(index), JSON_TYPE), data: index });
    await publish(server, "other", "x");
  }
  const all = await read(server, "ci");
  const last = told.at(-1)!.id.replace("-9", "-10");
  const whole = { channel: "ci", publications: told, complete: true, next: last, more: false };
  assertEquals(all, whole);

  const pages = await readPages(server, "ci?limit=2");
  assertEquals(pages.map(({ publications }) => publications.length), [2, 2, 1]);
  assertEquals(pages.flatMap(({ publications }) => publications), told);
  assertEquals(pages.map(({ next, more, complete }) => [next, more, complete]), [
    [told[1]!.id, true, true],
    [told[3]!.id, true, true],
    [last, false, true],
  ]);
  assertEquals(await read(server, `ci?since=${last}`), { ...whole, publications: [] });
});

Deno.test("GET /channels/:channel?order=newest gives the latest first, of a pattern too", async () => {
  await using server = await startServer();
  for (const channel of ["a.x", "b", "a.y", "a.x"]) {
    await publish(server, channel, JSON.stringify(channel), JSON_TYPE);
  }
  const table: [string, string[], number, boolean][] = [
    ["a.x?order=newest&limit=1", ["a.x-4"], 4, true],
    ["a.x?order=newest", ["a.x-4", "a.x-1"], 4, false],
    ["a.*?order=newest&limit=2", ["a.x-4", "a.y-3"], 4, true],
    ["*?order=newest&limit=9", ["a.x-4", "a.y-3", "b-2", "a.x-1"], 4, false],
    ["*?order=oldest&limit=2", ["a.x-1", "b-2"], 2, true],
    ["*?limit=2", ["a.x-1", "b-2"], 2, true],
    ["none?order=newest", [], 4, false],
  ];
  for (const [target, expected, next, more] of table) {
    const page = await read(server, target);
    const found = page.publications.map(({ id, channel }) => `${channel}-${id.split("-")[1]}`);
    const told = [page.channel, found, page.next.split("-")[1], page.complete, page.more];
    assertEquals(told, [target.split("?")[0], expected, String(next), true, more], target);
  }
});

Deno.test("GET /channels/:channel?order=newest goes on behind a page that is cut", async () => {
  await using server = await startServer({ outboundBytesMax: 1 });
  for (const data of ["1", "2", "3"]) await publish(server, "a", data, JSON_TYPE);
  const page = await read(server, "a?order=newest");
  assertEquals(page.publications.map(({ data }) => data), [3]);
  assertEquals([page.next.split("-")[1], page.more], ["3", true]);
});

Deno.test("GET /channels/:channel reports when something is evicted", async () => {
  await using server = await startServer({ historyCount: 2 });
  const told: Told[] = [];
  for (const data of [1, 2, 3, 4]) {
    told.push({ ...await publish(server, "ci", String(data), JSON_TYPE), data });
  }
  const kept = told.slice(2);
  const page = async (since: string) => {
    const { publications, complete } = await read(server, `ci?since=${since}`);
    return { publications, complete };
  };
  assertEquals(await page(""), { publications: kept, complete: true });
  assertEquals(await page(told[0]!.id), { publications: kept, complete: false });
  assertEquals(await page(told[1]!.id), { publications: kept, complete: true });
  assertEquals(await page("otherlog-3"), { publications: kept, complete: false });
});

Deno.test("GET /channels/:channel ends a page before it becomes too large", async () => {
  await using server = await startServer({ outboundBytesMax: 1024 });
  const bodies = [400, 400, 400, 2000, 10].map((length) => `"${"x".repeat(length)}"`);
  for (const body of bodies) await publish(server, "ci", body, JSON_TYPE);
  const pages = await readPages(server, "ci?");
  const lengths = pages.map(({ publications }) => {
    return publications.map(({ data }) => String(data).length);
  });
  assertEquals(lengths, [[400, 400], [400], [2000], [10]]);
});

Deno.test("GET on channels refuses wrong parameters with a sentence", async () => {
  await using server = await startServer();
  const limit = "Cannot read limit: expected an integer from 1 to 1000, got ";
  const since =
    "Cannot parse since: expected an id (<epoch>-<offset>), all, a duration such as 10m or " +
    "2h, or a date-time such as 2026-01-31T09:30:00Z, got ";
  const refused: readonly (readonly [string, string])[] = [
    ["/channels/ci?limit=0", `${limit}"0"`],
    ["/channels/ci?limit=1001", `${limit}"1001"`],
    ["/channels/ci?limit=", `${limit}""`],
    ["/channels/ci?limit=1e1", `${limit}"1e1"`],
    ["/channels?limit=-1", `${limit}"-1"`],
    ["/channels/ci?since=x", `${since}"x"`],
    ["/channels/ci?since=2026-02-30T00:00:00Z", `${since}"2026-02-30T00:00:00Z"`],
    ["/channels/ci?order=desc", 'Cannot read order: expected oldest or newest, got "desc"'],
    [
      "/channels?after=a%20b",
      'Cannot use this as a channel: expected 1 to 200 of A-Z a-z 0-9 _ . : @ = , ; # -, got "a b"',
    ],
    [
      "/channels/a%20b/presence",
      'Cannot use this as a channel: expected 1 to 200 of A-Z a-z 0-9 _ . : @ = , ; # -, got "a b"',
    ],
  ];
  for (const [path, detail] of refused) {
    assertEquals(problemOf(await server.fetch(path)), [400, "bad-request", detail]);
  }
});

Deno.test("GET /channels lists channels with clients or a history, in pages", async () => {
  await using server = await startServer();
  const a = await publish(server, "a", "1");
  await publish(server, "m", "1");
  const m = await publish(server, "m", "2");
  await using _first = await HarkClient.open(server.socketUrl("/ws?channel=m&channel=z.*"));
  await using _second = await HarkClient.open(server.socketUrl("/ws?channel=k&channel=m"));
  const list = async (query: string) => JSON.parse((await server.fetch(`/channels${query}`)).body);
  const channels = [
    { channel: "a", sessions: 0, publications: 1, last: a.id },
    { channel: "broadcast", sessions: 2, publications: 0, last: null },
    { channel: "k", sessions: 1, publications: 0, last: null },
    { channel: "m", sessions: 2, publications: 2, last: m.id },
  ];
  assertEquals(await list(""), { channels, next: "m", more: false });
  for (const [from, after] of ["", "a", "broadcast", "k", "m"].entries()) {
    for (const limit of [1, 2, 3, 4]) {
      const page = channels.slice(from, from + limit);
      const next = page.at(-1)?.channel ?? after;
      const more = from + limit < channels.length;
      assertEquals(await list(`?after=${after}&limit=${limit}`), { channels: page, next, more });
    }
  }
});

Deno.test("GET /channels is for those who may publish", async () => {
  await using keyed = await startServer({ publishKey: ["k"] });
  assertEquals((await keyed.fetch("/channels")).status, 401);
  const headers = { authorization: "Bearer k" };
  assertEquals((await keyed.fetch("/channels", { headers })).status, 200);
  await using open = await startServer();
  const foreign = { headers: { origin: "https://evil.example" } };
  assertEquals((await open.fetch("/channels", foreign)).status, 403);
  assertEquals((await open.fetch("/channels/ci", foreign)).status, 200);
});

Deno.test("GET /channels/:channel/presence lists the clients that are on it by its name", async () => {
  await using server = await startServer({ presenceMax: 2 });
  await using _pattern = await HarkClient.open(server.socketUrl("/ws?channel=*"));
  const clients: HarkClient[] = [];
  const ids: unknown[] = [];
  const presence = async () => JSON.parse((await server.fetch("/channels/ci/presence")).body);
  for (let count = 0; count < 3; count++) {
    const client = await HarkClient.open(server.socketUrl("/ws?channel=ci"));
    clients.push(client);
    ids.push((await client.event()).client);
    const { entries, ...rest } = await presence();
    assertEquals(rest, { channel: "ci", count: count + 1 });
    assertEquals(entries.map(({ client }: { client: unknown }) => client), ids.slice(0, 2));
    for (const { joined } of entries) assertEquals(Math.abs(Date.now() - joined) < 60_000, true);
  }
  for (const client of clients) await client[Symbol.asyncDispose]();
});

Deno.test("a page of an allowed origin may publish after a preflight, any page may read", async () => {
  await using server = await startServer({ origins: ["https://app.example"] });
  const preflight = (origin: string, method: string) =>
    server.fetch("/channels/ci", {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type, idempotency-key",
      },
    });
  const allowed = await preflight("https://app.example", "POST");
  assertEquals(allowed.status, 204);
  assertEquals(allowed.headers.get("access-control-allow-origin"), "https://app.example");
  assertEquals(allowed.headers.get("access-control-allow-methods"), "POST");
  assertMatch(allowed.headers.get("access-control-allow-headers")!, /idempotency-key/);
  const foreign = await preflight("https://evil.example", "POST");
  assertEquals(foreign.headers.get("access-control-allow-origin"), null);
  const from = (origin: string) => ({ headers: { origin } });
  const read = await server.fetch("/channels/ci", from("https://evil.example"));
  assertEquals(read.headers.get("access-control-allow-origin"), "*");
  const sent = await post(server, "ci", "x", { origin: "https://app.example" });
  assertEquals(sent.headers.get("access-control-allow-origin"), "https://app.example");
  assertEquals((await post(server, "ci", "x", { origin: "https://evil.example" })).status, 403);
});

Deno.test("HEAD on a channel answers the headers of GET", async () => {
  await using server = await startServer();
  await publish(server, "ci", "x");
  const { body } = await server.fetch("/channels/ci");
  const head = await server.fetch("/channels/ci", { method: "HEAD" });
  assertEquals([head.status, head.body], [200, ""]);
  assertEquals(head.headers.get("content-length"), String(body.length));
});
