import { assertEquals } from "@std/assert";
import { GRACE_MS } from "../../lib/protocols/pusher/webhooks.ts";
import { eventually } from "../support/deadline.ts";
import { APP, ask, PusherPeer, trigger } from "../support/pusher.ts";
import { NO_REDIS, RedisServer } from "../support/redis.ts";
import { RunningClock } from "../support/running_clock.ts";
import type { Reachable } from "../support/reachable.ts";
import { type ServerOptions, startServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";
import { startWorkers } from "../support/workers.ts";

const ROOM = "presence-room";
const PUBLISH_KEY = "0123456789abcdef";

/** The users on the room, as a server knows them. */
async function users(server: Reachable): Promise<string[]> {
  const { body } = await ask(server, `/channels/${ROOM}/users`);
  return JSON.parse(body).users.map(({ id }: { id: string }) => id).sort();
}

async function info(server: Reachable, path: string, info?: string): Promise<unknown> {
  const query = info === undefined ? {} : { info };
  return JSON.parse((await ask(server, path, { query })).body);
}

/** Waits until a server knows that somebody is on a channel. */
async function untilOccupied(server: Reachable, channel: string): Promise<void> {
  const isOccupied = (found: unknown) => (found as { occupied: boolean }).occupied;
  await eventually(() => info(server, `/channels/${channel}`), isOccupied);
}

const test = NO_REDIS ? Deno.test.ignore : Deno.test;

test("two nodes have the same members, and share client events and users", async () => {
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

test("a node without apps counts its subscribers for the others", async () => {
  await using redis = await RedisServer.start();
  const options = { redis: redis.url, publishKey: [PUBLISH_KEY] };
  await using a = await startServer({ ...options, pusherApp: [APP] });
  await using b = await startServer(options);
  await using client = await Client.open(b.socketUrl("/ws?channel=ci"));
  await client.json();
  await eventually(() => nodesOf(a), ({ length }) => length === 2);
  assertEquals(await info(a, "/channels/ci", "subscription_count"), {
    occupied: true,
    subscription_count: 1,
  });
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
  await using receiver = new WebhookReceiver();
  const clock = new RunningClock();
  const options: ServerOptions = { redis: redis.url, pusherApp: [receiver.app()], clock };
  await using a = await startServer(options);
  await using one = await PusherPeer.open(a);
  await one.subscribe("ci");
  assertEquals(await receiver.next(1), ["channel_occupied ci"]);
  {
    await using b = await startServer(options);
    await untilOccupied(b, "ci");
    await using two = await PusherPeer.open(b);
    await two.join(ROOM, "2");
    await one.subscribe("other");
    assertEquals(await receiver.next(3), [
      "channel_occupied other",
      `channel_occupied ${ROOM}`,
      `member_added ${ROOM}`,
    ]);
    await two.subscribe("ci");
  }
  await eventually(() => users(a), (found) => found.length === 0);
  clock.pass(GRACE_MS);
  assertEquals(await receiver.next(2), [`channel_vacated ${ROOM}`, `member_removed ${ROOM}`]);
  assertEquals(receiver.events.takeAll(), []);
});

/** The ids of all nodes, the asked one's first. */
async function nodesOf(server: Reachable): Promise<string[]> {
  const headers = { authorization: `Bearer ${PUBLISH_KEY}` };
  const { nodes } = JSON.parse((await server.fetch("/nodes", { headers })).body);
  return nodes.map(({ id }: { id: string }) => id);
}

test("a node that stops hands on to another the events that it has not sent", async () => {
  await using redis = await RedisServer.start();
  await using receiver = new WebhookReceiver();
  const clock = new RunningClock();
  const pusherApp = [receiver.app()];
  const options = { redis: redis.url, pusherApp, publishKey: [PUBLISH_KEY], clock };
  await using a = await startServer(options);
  await using b = await startServer(options);
  for (const node of [a, b]) await eventually(() => nodesOf(node), ({ length }) => length === 2);
  const [own = "", other = ""] = await nodesOf(a);
  const [sender, heir] = own < other ? [a, b] : [b, a];
  receiver.status = 503;
  await using stays = await PusherPeer.open(heir);
  await stays.subscribe("ci");
  await using goes = await PusherPeer.open(sender);
  await goes.join(ROOM, "1");
  await eventually(() => users(heir), (found) => found.length === 1);
  await sender.stop();
  receiver.status = 204;
  await eventually(() => users(heir), (found) => found.length === 0);
  // The heir retries after a second at most.
  clock.pass(GRACE_MS);
  assertEquals(await receiver.next(5), [
    "channel_occupied ci",
    `channel_occupied ${ROOM}`,
    `channel_vacated ${ROOM}`,
    `member_added ${ROOM}`,
    `member_removed ${ROOM}`,
  ]);
  assertEquals(receiver.events.takeAll(), []);
});

test("the counts of subscriptions are those of all nodes", async () => {
  await using redis = await RedisServer.start();
  const options: ServerOptions = { redis: redis.url, pusherApp: [`${APP}?subscription-counts`] };
  await using a = await startServer(options);
  await using one = await PusherPeer.open(a);
  await one.subscribe("ci");
  const count = async (peer: PusherPeer) => {
    const { event, data } = await peer.frame();
    return [event, (data as { subscription_count: number }).subscription_count];
  };
  const event = "pusher_internal:subscription_count";
  assertEquals(await count(one), [event, 1]);
  {
    await using b = await startServer(options);
    await untilOccupied(b, "ci");
    await using two = await PusherPeer.open(b);
    await two.subscribe("ci");
    assertEquals(await count(two), [event, 2]);
    assertEquals(await count(one), [event, 2]);
  }
  assertEquals(await count(one), [event, 1]);
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

Deno.test("of two workers one sends webhooks, and an excluded socket is excluded on both", async () => {
  await using receiver = new WebhookReceiver();
  await using server = await startWorkers(2, ["--pusher-app", receiver.app()]);
  const peers = await Promise.all(Array.from({ length: 8 }, () => PusherPeer.open(server)));
  for (const [index, peer] of peers.entries()) await peer.join(ROOM, index % 2);
  assertEquals(await receiver.next(3), [
    `channel_occupied ${ROOM}`,
    `member_added ${ROOM}`,
    `member_added ${ROOM}`,
  ]);
  for (const peer of peers) await peer.settle();
  for (const { socketId } of peers) await trigger(server, ROOM, "1", { socket_id: socketId });
  await trigger(server, ROOM, '"last"');
  for (const peer of peers) {
    const got = (await peer.events(8)).map(([, data]) => data);
    assertEquals(got, [1, 1, 1, 1, 1, 1, 1, "last"]);
  }
  await Promise.all(peers.map(({ client }) => client.close()));
  assertEquals(await receiver.next(3), [
    `channel_vacated ${ROOM}`,
    `member_removed ${ROOM}`,
    `member_removed ${ROOM}`,
  ]);
  assertEquals(receiver.events.takeAll(), []);
});

Deno.test("workers that stop at the same time report that all their members are gone", async () => {
  await using receiver = new WebhookReceiver();
  const args = ["--pusher-app", receiver.app(), "--drain-s", "0"];
  await using server = await startWorkers(2, args);
  const peers = await Promise.all(Array.from({ length: 8 }, () => PusherPeer.open(server)));
  for (const [index, peer] of peers.entries()) await peer.join(ROOM, index % 2);
  assertEquals(await receiver.next(3), [
    `channel_occupied ${ROOM}`,
    `member_added ${ROOM}`,
    `member_added ${ROOM}`,
  ]);
  server.kill("SIGTERM");
  assertEquals((await server.status).code, 0);
  assertEquals(await receiver.next(3), [
    `channel_vacated ${ROOM}`,
    `member_removed ${ROOM}`,
    `member_removed ${ROOM}`,
  ]);
});
