import { assertEquals } from "@std/assert";
import { APP, APP_ID, ask, type Asked, PusherPeer, signedPath } from "../../support/pusher.ts";
import { type ServerOptions, startServer } from "../../support/server.ts";

const start = (options: ServerOptions = {}) => startServer({ pusherApp: [APP], ...options });
/** So many parameters, beside the five that each request with a body has. */
const numbered = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, ""]));
const EVENT = { name: "my-event", channel: "ci", data: "1" };

Deno.test("a request needs the app's signature of it, and a recent one", async () => {
  await using server = await start();
  const now = Math.floor(Date.now() / 1000);
  const cases: [Asked, number][] = [
    [{}, 200],
    [{ timestamp: now - 595 }, 200],
    [{ timestamp: now + 595 }, 200],
    [{ timestamp: now - 605 }, 401],
    [{ timestamp: now + 605 }, 401],
    [{ timestamp: NaN }, 401],
    [{ secret: "other" }, 401],
    [{ key: "other" }, 401],
    [{ id: "4712" }, 404],
    [{ query: { auth_version: "1.1" } }, 401],
    [{ query: { body_md5: "0".repeat(32) } }, 401],
    [{ query: { zeta: "1", alpha: "2" } }, 200],
    [{ query: numbered(95) }, 200],
    [{ query: numbered(96) }, 401],
  ];
  for (const [asked, status] of cases) {
    const answer = await ask(server, "/events", { body: EVENT, ...asked });
    assertEquals(answer.status, status, `${Deno.inspect(asked)} ${answer.body}`);
  }
  const path = signedPath("/events", { method: "POST", body: EVENT });
  const post = (path: string, body: string) => server.fetch(path, { method: "POST", body });
  const body = JSON.stringify(EVENT);
  assertEquals((await post(path, body)).status, 200);
  assertEquals((await post(path, `${body} `)).status, 401);
  assertEquals((await post(path.replace("/events", "/batch_events"), body)).status, 401);
  assertEquals((await post(`${path}&more=1`, body)).status, 401);
  assertEquals((await post(path.replace(/.$/, "x"), body)).status, 401);
  assertEquals((await post(path.replace(/&body_md5=[^&]*/, ""), body)).status, 401);
  // One SDK hashes the body of GET too, which is none.
  const md5 = { query: { body_md5: "d41d8cd98f00b204e9800998ecf8427e" } };
  assertEquals((await ask(server, "/channels", md5)).status, 200);
  assertEquals((await post(`/apps/${APP_ID}/events`, body)).status, 401);
});

Deno.test("a wrong trigger publishes nothing, and gets an error that says what is wrong", async () => {
  await using server = await start();
  const many = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`);
  const cases: [body: unknown, status: number, detail: string][] = [
    ["", 400, "Cannot read the body as JSON"],
    ["[]", 400, "expected a JSON object"],
    [{ ...EVENT, name: undefined }, 400, "expected name to be a string"],
    [{ ...EVENT, name: "e".repeat(201) }, 400, "Cannot use this event name"],
    [{ ...EVENT, name: "pusher:error" }, 400, 'Cannot use the event name "pusher:error"'],
    [{ ...EVENT, data: 1 }, 400, "expected data to be a string"],
    [{ ...EVENT, data: "x".repeat(10_241) }, 413, "Cannot trigger more than 10240 bytes"],
    [{ ...EVENT, data: "é".repeat(5121) }, 413, "Cannot trigger more than 10240 bytes"],
    [{ ...EVENT, channel: "a b" }, 400, "Cannot use this as a channel"],
    [{ ...EVENT, channel: "#a" }, 400, "Cannot use this as a channel"],
    [{ ...EVENT, channel: undefined }, 400, "expected channel"],
    [{ ...EVENT, channels: [] }, 400, "expected channel"],
    [{ ...EVENT, channels: many(101) }, 400, "expected channel"],
    [{ ...EVENT, channels: ["a", "b c"] }, 400, "Cannot use this as a channel"],
    [{ ...EVENT, socket_id: "1" }, 400, "expected socket_id"],
    [{ ...EVENT, socket_id: 1.2 }, 400, "expected socket_id"],
  ];
  for (const [body, status, detail] of cases) {
    const answer = await ask(server, "/events", { body });
    const shown = JSON.stringify(body).slice(0, 100);
    assertEquals(answer.status, status, `${shown} ${answer.body}`);
    assertEquals(JSON.parse(answer.body).detail.includes(detail), true, answer.body);
  }
  const batches: [unknown, number][] = [
    [{}, 400],
    [{ batch: Array.from({ length: 11 }, () => EVENT) }, 400],
    [{ batch: [EVENT, 1] }, 400],
    [{ batch: [EVENT, { ...EVENT, channel: "a b" }] }, 400],
    [{ batch: [EVENT, { ...EVENT, data: "x".repeat(10_241) }] }, 413],
  ];
  for (const [body, status] of batches) {
    assertEquals((await ask(server, "/batch_events", { body })).status, status);
  }
  assertEquals((await server.metrics()).get("hark_publications_total"), 0);
  const right = { ...EVENT, channel: undefined, channels: many(100), data: "x".repeat(10_240) };
  assertEquals((await ask(server, "/events", { body: right })).status, 200);
  assertEquals((await server.metrics()).get("hark_publications_total"), 100);
  const large = { ...EVENT, more: "x".repeat(1024 ** 2) };
  assertEquals((await ask(server, "/events", { body: large })).status, 413);
});

Deno.test("a trigger and a batch answer with the attributes that they ask for", async () => {
  await using server = await start();
  await using peer = await PusherPeer.open(server);
  await peer.subscribe("ci");
  await peer.join("presence-a", "1");
  const info = "user_count,subscription_count";
  const trigger = { ...EVENT, channels: ["presence-a", "ci", "ci"], info };
  assertEquals(JSON.parse((await ask(server, "/events", { body: trigger })).body), {
    channels: {
      "presence-a": { user_count: 1, subscription_count: 1 },
      ci: { subscription_count: 1 },
    },
  });
  const batch = [{ ...EVENT, info: "subscription_count" }, { ...EVENT, channel: "other" }];
  assertEquals(JSON.parse((await ask(server, "/batch_events", { body: { batch } })).body), {
    batch: [{ subscription_count: 1 }, {}],
  });
  const plain = { batch: [EVENT] };
  assertEquals((await ask(server, "/batch_events", { body: plain })).body, "{}");
  assertEquals((await ask(server, "/batch_events", { body: { batch: [] } })).body, "{}");
  const got = (await peer.settle()).map(({ channel, data }) => [channel, data]);
  assertEquals(got, [["presence-a", 1], ["ci", 1], ["ci", 1], ["ci", 1]]);
});

Deno.test("the API lists occupied channels and their users", async () => {
  await using server = await start();
  await using peer = await PusherPeer.open(server);
  for (const name of ["ci", "private-a"]) await peer.subscribe(name);
  await peer.join("presence-a", "1");
  const cases: [path: string, query: Record<string, string>, expected: unknown][] = [
    ["/channels", {}, { channels: { ci: {}, "private-a": {}, "presence-a": {} } }],
    ["/channels", { filter_by_prefix: "p" }, { channels: { "private-a": {}, "presence-a": {} } }],
    ["/channels", { filter_by_prefix: "presence-", info: "user_count" }, {
      channels: { "presence-a": { user_count: 1 } },
    }],
    ["/channels", { info: "user_count" }, 400],
    ["/channels/presence-a", { info: "user_count,subscription_count" }, {
      occupied: true,
      user_count: 1,
      subscription_count: 1,
    }],
    ["/channels/ci", {}, { occupied: true }],
    ["/channels/ci", { info: "user_count" }, 400],
    ["/channels/nobody", {}, { occupied: false }],
    ["/channels/a%20b", {}, 400],
    ["/channels/cache-a", { info: "cache" }, { occupied: false, cache: null }],
    ["/channels/presence-a/users", {}, { users: [{ id: "1" }] }],
    ["/channels/presence-b/users", {}, { users: [] }],
    ["/channels/ci/users", {}, 400],
  ];
  for (const [path, query, expected] of cases) {
    const { status, body } = await ask(server, path, { query });
    const what = `${path} ${JSON.stringify(query)}: ${body}`;
    if (typeof expected === "number") assertEquals(status, expected, what);
    else assertEquals([status, JSON.parse(body)], [200, expected], what);
  }
});
