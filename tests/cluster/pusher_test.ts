import { assertEquals } from "@std/assert";
import { eventually } from "../support/deadline.ts";
import { Inbox } from "../support/inbox.ts";
import { APP, ask, PusherPeer, trigger } from "../support/pusher.ts";
import { NO_REDIS, RedisServer } from "../support/redis.ts";
import { type Reachable, type ServerOptions, startServer } from "../support/server.ts";
import { startWorkers } from "../support/workers.ts";

const ROOM = "presence-room";

/** Who is on the room, as a server knows it. */
async function users(server: Reachable): Promise<string[]> {
  const { body } = await ask(server, `/channels/${ROOM}/users`);
  return JSON.parse(body).users.map(({ id }: { id: string }) => id).sort();
}

async function info(server: Reachable, path: string, info?: string): Promise<unknown> {
  const query = info === undefined ? {} : { info };
  return JSON.parse((await ask(server, path, { query })).body);
}

const test = NO_REDIS ? Deno.test.ignore : Deno.test;

test("two nodes have the same members, and tell each other of client events and users", async () => {
  await using redis = await RedisServer.start();
  const options: ServerOptions = { redis: redis.url, pusherApp: [`${APP}?client-events`] };
  await using a = await startServer(options);
  await using one = await PusherPeer.open(a);
  await one.join(ROOM, "1");
  await using b = await startServer(options);
  await eventually(() => users(b), (found) => found.length === 1);
  await using two = await PusherPeer.open(b);
  await using again = await PusherPeer.open(b);
  assertEquals((await two.join(ROOM, 2)).data, {
    presence: { ids: ["1", "2"], hash: { 1: {}, 2: {} }, count: 2 },
  });
  assertEquals((await one.frame()).data, { user_id: "2", user_info: {} });
  // The same user on the other node is no other member.
  assertEquals((await again.join(ROOM, 1)).event, "pusher_internal:subscription_succeeded");
  for (const server of [a, b]) {
    assertEquals(await users(server), ["1", "2"]);
    assertEquals(await info(server, `/channels/${ROOM}`, "user_count,subscription_count"), {
      occupied: true,
      user_count: 2,
      subscription_count: 3,
    });
    assertEquals(await info(server, "/channels"), { channels: { [ROOM]: {} } });
  }
  one.send("client-typing", {}, ROOM);
  for (const peer of [two, again]) {
    assertEquals(await peer.frame(), {
      event: "client-typing",
      channel: ROOM,
      data: {},
      user_id: "1",
    });
  }
  await trigger(a, ROOM, "3", { socket_id: two.socketId });
  assertEquals((await again.frame()).data, 3);
  await one.client.close();
  await eventually(() => users(a), (found) => found.length === 2);
  assertEquals(await two.settle(), []);
  await again.client.close();
  assertEquals((await two.frame()).data, { user_id: "1" });
  await eventually(() => users(a), (found) => found.join() === "2");
  two.signIn("2");
  assertEquals((await two.frame()).event, "pusher:signin_success");
  await ask(a, "/users/2/terminate_connections", { method: "POST" });
  assertEquals((await two.client.closed()).code, 4009);
  await eventually(() => users(a), (found) => found.length === 0);
});

test("the members of a node that stops leave the others", async () => {
  await using redis = await RedisServer.start();
  const options: ServerOptions = { redis: redis.url, pusherApp: [APP] };
  await using a = await startServer(options);
  await using one = await PusherPeer.open(a);
  await one.join(ROOM, "1");
  {
    await using b = await startServer(options);
    await using two = await PusherPeer.open(b);
    await two.join(ROOM, "2");
    assertEquals((await one.frame()).event, "pusher_internal:member_added");
  }
  assertEquals(await one.frame(), {
    event: "pusher_internal:member_removed",
    channel: ROOM,
    data: { user_id: "2" },
  });
});

test("of two nodes one sends webhooks, and the other once that one is gone", async () => {
  await using redis = await RedisServer.start();
  const posted = new Inbox<{ name: string; channel: string }>();
  const onListen = () => {};
  await using receiver = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen },
    async (request) => {
      for (const event of (await request.json()).events) posted.push(event);
      return new Response();
    },
  );
  const url = `http://127.0.0.1:${receiver.addr.port}/`;
  const options: ServerOptions = { redis: redis.url, pusherApp: [`${APP}?webhook=${url}`] };
  await using a = await startServer(options);
  await using one = await PusherPeer.open(a);
  await one.subscribe("ci");
  assertEquals(await posted.next(), { name: "channel_occupied", channel: "ci" });
  {
    await using b = await startServer(options);
    await using two = await PusherPeer.open(b);
    await two.join(ROOM, "2");
    await one.subscribe("other");
    const told = new Set([await posted.next(), await posted.next(), await posted.next()]
      .map(({ name, channel }) => `${name} ${channel}`));
    assertEquals([...told].sort(), [
      "channel_occupied other",
      `channel_occupied ${ROOM}`,
      `member_added ${ROOM}`,
    ]);
    await two.subscribe("ci");
  }
  const told = [await posted.next(), await posted.next()].map(({ name }) => name);
  assertEquals(told.sort(), ["channel_vacated", "member_removed"]);
  assertEquals(posted.takeAll(), []);
});

Deno.test("two workers have the same members, and each ends the users of both", async () => {
  await using server = await startWorkers(2, ["--pusher-app", APP]);
  const peers = await Promise.all(Array.from({ length: 8 }, () => PusherPeer.open(server)));
  for (const [index, peer] of peers.entries()) await peer.join(ROOM, index % 2);
  await eventually(() => users(server), (found) => found.join() === "0,1");
  assertEquals(await info(server, `/channels/${ROOM}`, "user_count,subscription_count"), {
    occupied: true,
    user_count: 2,
    subscription_count: 8,
  });
  for (const peer of peers) {
    peer.signIn("7");
    await peer.settle();
  }
  await ask(server, "/users/7/terminate_connections", { method: "POST" });
  const codes = await Promise.all(peers.map(async (peer) => (await peer.client.closed()).code));
  assertEquals(codes, codes.map(() => 4009));
});
