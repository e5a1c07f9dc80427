import { assertEquals } from "@std/assert";
import { TemporaryFolder } from "../../support/certificates.ts";
import { APP, ask, PusherPeer, trigger } from "../../support/pusher.ts";
import { type ServerOptions, startServer } from "../../support/server.ts";
import { Client } from "../../support/socket.ts";

const OPEN_APP = `${APP}?client-events`;
const start = (options: ServerOptions = {}) => startServer({ pusherApp: [APP], ...options });

Deno.test("a presence channel has each user once, however many connections it has", async () => {
  await using server = await start();
  await using first = await PusherPeer.open(server);
  await using again = await PusherPeer.open(server);
  await using other = await PusherPeer.open(server);
  const room = "presence-room";
  assertEquals((await first.join(room, "7", { name: "Ann" })).data, {
    presence: { ids: ["7"], hash: { 7: { name: "Ann" } }, count: 1 },
  });
  assertEquals((await again.join(room, 7)).data, {
    presence: { ids: ["7"], hash: { 7: { name: "Ann" } }, count: 1 },
  });
  assertEquals(
    (await other.join(room, "__proto__", { a: 1 })).data,
    JSON.parse(
      '{"presence":{"ids":["7","__proto__"],"hash":{"7":{"name":"Ann"},"__proto__":{"a":1}},"count":2}}',
    ),
  );
  const added = { user_id: "__proto__", user_info: { a: 1 } };
  for (const peer of [first, again]) {
    const [frame, ...rest] = await peer.settle();
    assertEquals(frame, { event: "pusher_internal:member_added", channel: room, data: added });
    assertEquals(rest, []);
  }
  assertEquals(JSON.parse((await ask(server, `/channels/${room}/users`)).body), {
    users: [{ id: "7" }, { id: "__proto__" }],
  });
  first.send("pusher:unsubscribe", { channel: room });
  await first.settle();
  assertEquals(await other.settle(), []);
  await again.client.close();
  assertEquals(await other.frame(), {
    event: "pusher_internal:member_removed",
    channel: room,
    data: { user_id: "7" },
  });
  const { data } = await first.join(room, "9");
  assertEquals(data, {
    presence: {
      ids: ["__proto__", "9"],
      hash: JSON.parse('{"__proto__":{"a":1},"9":{}}'),
      count: 2,
    },
  });
});

Deno.test("a presence channel takes no member without a valid id, and no more than 100", async () => {
  await using server = await start();
  await using peer = await PusherPeer.open(server);
  const wrong = [
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"user_id":""}',
    '{"user_id":1.5}',
    '{"user_id":[]}',
  ];
  const long = JSON.stringify({ user_id: "x".repeat(129) });
  const large = JSON.stringify({ user_id: "1", user_info: "x".repeat(1023) });
  for (const data of [...wrong, long, large]) {
    const { event } = await peer.subscribe("presence-a", { channel_data: data });
    assertEquals(event, "pusher:subscription_error", data);
  }
  const unsigned = await peer.subscribe("presence-a", {
    channel_data: '{"user_id":"1"}',
    auth: peer.auth(':presence-a:{"user_id": "1"}'),
  });
  assertEquals(unsigned.event, "pusher:subscription_error");
  const spaced = '{ "user_id" : "1" }';
  const { event } = await peer.subscribe("presence-a", { channel_data: spaced });
  assertEquals(event, "pusher_internal:subscription_succeeded");
  const peers = await Promise.all(Array.from({ length: 99 }, async (_, index) => {
    const another = await PusherPeer.open(server);
    await another.join("presence-a", `u${index}`);
    return another;
  }));
  await using late = await PusherPeer.open(server);
  const { data } = await late.join("presence-a", "late");
  assertEquals((data as { type: string }).type, "LimitReached");
  assertEquals(
    (await late.join("presence-a", "1")).event,
    "pusher_internal:subscription_succeeded",
  );
  await Promise.all(peers.map((each) => each[Symbol.asyncDispose]()));
});

Deno.test("Hark's own presence names the users of a presence channel", async () => {
  const publishKey = ["0123456789abcdef"];
  await using server = await start({ publishKey });
  const url = `/ws?channel=presence-a&presence=1&key=${publishKey[0]}`;
  await using watcher = await Client.open(server.socketUrl(url), { protocols: ["hark.v1"] });
  await watcher.json();
  const peers = [await PusherPeer.open(server), await PusherPeer.open(server)];
  for (const [index, userId] of [7, "7"].entries()) {
    await peers[index]!.join("presence-b", `other ${index}`);
    await peers[index]!.join("presence-a", userId);
  }
  const present = async (channel: string) => {
    const headers = { authorization: `Bearer ${publishKey[0]}` };
    const { body } = await server.fetch(`/channels/${channel}/presence`, { headers });
    const { count, entries } = JSON.parse(body);
    return [count, entries.map(({ user }: { user?: string }) => user).filter(Boolean).sort()];
  };
  // A watcher is there as well, and each connection is one.
  assertEquals(await present("presence-a"), [3, ["7", "7"]]);
  assertEquals(await present("presence-b"), [2, ["other 0", "other 1"]]);
  const { body } = await ask(server, "/channels/presence-a/users");
  assertEquals(JSON.parse(body), { users: [{ id: "7" }] });
  await Promise.all(peers.map((each) => each[Symbol.asyncDispose]()));
  const users = (kind: "joined" | "left", events: Told[]) =>
    events.flatMap((event) => event[kind] ?? []).map(({ user }) => user);
  const told: Told[] = [];
  while (users("left", told).length < 2) told.push(...await watcher.json() as Told[]);
  assertEquals([users("joined", told), users("left", told)], [["7", "7"], ["7", "7"]]);
});

/** The presence that a watcher gets. */
interface Told {
  readonly joined?: readonly { readonly user?: string }[];
  readonly left?: readonly { readonly user?: string }[];
}

Deno.test("a presence channel has at most 100 members, however many come at once", async () => {
  await using server = await start();
  const peers = await Promise.all(Array.from({ length: 110 }, () => PusherPeer.open(server)));
  const joins = peers.map((peer, index) => peer.join("presence-a", `u${index}`));
  const events = (await Promise.all(joins)).map(({ event }) => event);
  const refused = events.filter((event) => event === "pusher:subscription_error");
  assertEquals(refused.length, 10);
  const { body } = await ask(server, "/channels/presence-a", { query: { info: "user_count" } });
  assertEquals(JSON.parse(body), { occupied: true, user_count: 100 });
  await Promise.all(peers.map((each) => each[Symbol.asyncDispose]()));
});

Deno.test("client events go to the others on a private or presence channel, unchanged", async () => {
  await using server = await start({ pusherApp: [OPEN_APP] });
  await using one = await PusherPeer.open(server);
  await using two = await PusherPeer.open(server);
  for (const peer of [one, two]) {
    for (const name of ["private-a", "private-encrypted-a", "public"]) await peer.subscribe(name);
    await peer.join("presence-a", peer === one ? "1" : "2");
  }
  assertEquals((await one.settle()).length, 1); // The other's member_added.
  one.send("client-a", { n: 1 }, "private-a");
  one.send("client-b", "text", "presence-a");
  one.send("client-c", undefined, "presence-a");
  assertEquals(await one.settle(), []);
  assertEquals(await two.settle(), [
    { event: "client-a", channel: "private-a", data: { n: 1 } },
    { event: "client-b", channel: "presence-a", data: "text", user_id: "1" },
    { event: "client-c", channel: "presence-a", user_id: "1" },
  ]);
  for (const channel of ["public", "private-encrypted-a", "private-other"]) {
    one.send("client-a", {}, channel);
    const { event, data } = await one.frame();
    assertEquals([event, (data as { code: number }).code], ["pusher:error", 4301], channel);
  }
  one.send("client-a", "x".repeat(10 * 1024), "private-a");
  assertEquals((await one.frame()).event, "pusher:error");
  for (let index = 0; index < 20; index++) one.send("client-a", index, "private-a");
  const refused = (await one.settle()).length;
  const got = (await two.settle()).map(({ data }) => data);
  assertEquals(got, Array.from({ length: 20 - refused }, (_, index) => index));
  assertEquals(refused >= 12, true, String(refused));
  assertEquals((await server.metrics()).get("hark_publications_total"), 0);
});

Deno.test("an app that does not allow client events refuses them", async () => {
  await using server = await start();
  await using peer = await PusherPeer.open(server);
  await peer.subscribe("private-a");
  peer.send("client-a", {}, "private-a");
  assertEquals(await peer.frame(), {
    event: "pusher:error",
    data: {
      code: 4301,
      message: "Cannot send this to other clients: the app does not allow it",
    },
  });
});

Deno.test("an app with subscription counts sends each channel the number of its subscribers", async () => {
  await using server = await start({ pusherApp: [`${APP}?subscription-counts`] });
  await using one = await PusherPeer.open(server);
  await one.subscribe("ci");
  const two = await PusherPeer.open(server);
  await two.subscribe("ci");
  await two.client.close();
  const event = "pusher_internal:subscription_count";
  assertEquals(
    await one.events(3),
    [1, 2, 1].map((count) => [event, { subscription_count: count }]),
  );
});

Deno.test("a cache channel begins with its last message, or with a miss", async () => {
  await using server = await start();
  await using early = await PusherPeer.open(server);
  early.ask("cache-a");
  const miss = ["pusher_internal:subscription_succeeded", "pusher:cache_miss"];
  assertEquals((await early.events(2)).map(([event]) => event), miss);
  for (const text of ["old", '{"n": 2}']) await trigger(server, "cache-a", text);
  await using late = await PusherPeer.open(server);
  late.ask("cache-a");
  const [, [event, data]] = await late.events(2) as [unknown, [string, unknown]];
  assertEquals([event, data], ["my-event", { n: 2 }]);
  assertEquals(await late.settle(), []);
  const { body } = await ask(server, "/channels/cache-a", { query: { info: "cache" } });
  const { cache } = JSON.parse(body);
  assertEquals([cache.data, cache.ttl > 3590 && cache.ttl <= 3600], ['{"n": 2}', true]);
  await late.subscribe("private-cache-b");
  assertEquals((await late.frame()).event, "pusher:cache_miss");
});

Deno.test("a user signs in, has a channel, and is disconnected", async () => {
  await using server = await start();
  await using peer = await PusherPeer.open(server);
  const refused = await peer.subscribe("#server-to-user-7", { auth: "" });
  assertEquals(refused.event, "pusher:subscription_error");
  peer.signIn(7);
  assertEquals(await peer.frame(), {
    event: "pusher:signin_success",
    data: { user_data: '{"id":7}' },
  });
  const { event } = await peer.subscribe("#server-to-user-7", { auth: "" });
  assertEquals(event, "pusher_internal:subscription_succeeded");
  assertEquals(
    (await peer.subscribe("#server-to-user-8")).event,
    "pusher:subscription_error",
  );
  await trigger(server, "#server-to-user-7", "1");
  assertEquals((await peer.frame()).event, "my-event");
  peer.signIn("8");
  assertEquals((await peer.frame()).event, "pusher:error");
  assertEquals(
    (await peer.join("presence-a", undefined)).event,
    "pusher:subscription_error",
  );
  assertEquals((await peer.subscribe("presence-a")).data, {
    presence: { ids: ["7"], hash: { 7: {} }, count: 1 },
  });
  await using other = await PusherPeer.open(server);
  other.signIn("8");
  await other.settle();
  const { status, body } = await ask(server, "/users/7/terminate_connections", { method: "POST" });
  assertEquals([status, body], [200, "{}"]);
  assertEquals((await peer.client.closed()).code, 4009);
  await other.settle();
  other.send("pusher:signin", { auth: other.auth("::user::x"), user_data: "y" });
  assertEquals((await other.frame()).event, "pusher:error");
  assertEquals((await other.client.closed()).code, 4009);
});

Deno.test("an excluded socket does not get a message, also after a resume or a restart", async () => {
  await using folder = new TemporaryFolder();
  const store = `${folder.path}/hark.db`;
  const first = await start({ store });
  const one = await PusherPeer.open(first);
  const two = await PusherPeer.open(first);
  const { id: since } = await one.subscribe("ci");
  await two.subscribe("ci");
  await trigger(first, "ci", "1", { socket_id: one.socketId });
  await trigger(first, "ci", "2", { socket_id: null });
  await trigger(first, "ci", "text", { socket_id: two.socketId });
  assertEquals((await one.settle()).map(({ data }) => data), [2, "text"]);
  assertEquals((await two.settle()).map(({ data }) => data), [1, 2]);
  const was = one.socketId;
  await Promise.all([one.client.close(), two.client.close()]);
  await first.stop();

  await using server = await start({ store });
  await using back = await PusherPeer.open(server);
  back.ask("ci", { since, socket_ids: [was] });
  const [head, ...missed] = await back.settle();
  assertEquals([head!.event, head!.id], ["pusher_internal:subscription_succeeded", since]);
  assertEquals(missed.map(({ data }) => data), [2, "text"]);
});

Deno.test("a client that resumes gets what it missed once, or a gap", async () => {
  await using server = await start({ historyCount: 2 });
  await using peer = await PusherPeer.open(server);
  const { id: since } = await peer.subscribe("ci");
  for (const text of ["1", "2"]) await trigger(server, "ci", text);
  await using back = await PusherPeer.open(server);
  back.ask("ci", { since });
  const [head, ...missed] = await back.settle();
  await trigger(server, "ci", "3");
  missed.push(...await back.settle());
  assertEquals(head!.event, "pusher_internal:subscription_succeeded");
  assertEquals(missed.map(({ data }) => data), [1, 2, 3]);
  await using late = await PusherPeer.open(server);
  late.ask("ci", { since });
  const frames = await late.settle();
  assertEquals(frames.map(({ event }) => event), [
    "pusher_internal:subscription_succeeded",
    "hark:gap",
    "my-event",
    "my-event",
  ]);
  assertEquals(frames[1]!.data, { since });
});

Deno.test("the channels of a second app are apart, under its id", async () => {
  const second = "4712:key-2:secret-2";
  await using server = await start({ pusherApp: [APP, second], publishKey: ["k"] });
  await using one = await PusherPeer.open(server);
  await using two = await PusherPeer.open(server, { key: "key-2", secret: "secret-2" });
  for (const peer of [one, two]) {
    await peer.subscribe("ci");
    await peer.subscribe("private-a");
  }
  const asked = { id: "4712", key: "key-2", secret: "secret-2" };
  const body = { name: "e", data: "2", channels: ["ci", "private-a"] };
  assertEquals((await ask(server, "/events", { ...asked, body })).status, 200);
  await trigger(server, "ci", "1");
  await server.publish("4712%3Aci", 3, "k");
  const told = async (peer: PusherPeer) => (await peer.settle()).map((f) => [f.channel, f.data]);
  assertEquals(await told(one), [["ci", 1]]);
  assertEquals(await told(two), [["ci", 2], ["private-a", 2], ["ci", 3]]);
  assertEquals((await one.subscribe("4712:ci")).event, "pusher:subscription_error");
  const foreign = { name: "e", data: "2", channel: "4712:ci" };
  assertEquals((await ask(server, "/events", { body: foreign })).status, 400);
  const list = async (asked = {}) => JSON.parse((await ask(server, "/channels", asked)).body);
  assertEquals(await list(), { channels: { ci: {}, "private-a": {} } });
  assertEquals(await list(asked), { channels: { ci: {}, "private-a": {} } });
});
