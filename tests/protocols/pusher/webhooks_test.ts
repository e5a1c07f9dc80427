import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { signatureOf } from "../../../lib/protocols/pusher/signatures.ts";
import {
  WAITING_CHARS_MAX,
  WAITING_MAX,
  type WebhookEvent,
} from "../../../lib/protocols/pusher/webhook_queue.ts";
import type { Handover } from "../../../lib/protocols/pusher/webhook_senders.ts";
import { DRAIN_MS, type WebhookOptions, Webhooks } from "../../../lib/protocols/pusher/webhooks.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { KEY, PusherPeer, SECRET } from "../../support/pusher.ts";
import { startServer } from "../../support/server.ts";
import { WebhookReceiver } from "../../support/webhook_receiver.ts";

const EVENT: WebhookEvent = { name: "channel_occupied", channel: "ci" };
const GONE: WebhookEvent = { name: "channel_vacated", channel: "ci" };
const NO_LOG = { warn: () => {} };

/** A node that sends the webhooks, and hands on like this. */
function sender(handOn: (handover: Handover) => Promise<boolean>): WebhookOptions["senders"] {
  return { isHere: true, handOn };
}

/** Those of a node that is alone. */
function webhooksTo(url: string, clock: FakeClock, more: Partial<WebhookOptions> = {}): Webhooks {
  return new Webhooks({
    ...{ url, key: KEY, secret: SECRET, clock, log: NO_LOG },
    senders: sender(() => Promise.resolve(false)),
    count: () => {},
    ...more,
  });
}

/** Answers with these statuses, the last one for ever, and keeps what was asked. */
function answering(...statuses: number[]): { fetch: typeof fetch; bodies: string[] } {
  const bodies: string[] = [];
  return {
    bodies,
    fetch: (_url, init) => {
      assertEquals(init?.redirect, "manual");
      bodies.push(String(init?.body));
      const status = statuses.length > 1 ? statuses.shift()! : statuses[0]!;
      return Promise.resolve(new Response(null, { status }));
    },
  };
}

const channelsOf = (bodies: readonly string[]) =>
  bodies.map((body) => JSON.parse(body).events.map(({ channel }: WebhookEvent) => channel).join());

Deno.test("webhooks are signed, and those of one turn travel together, in order", async () => {
  await using receiver = new WebhookReceiver();
  const clock = new FakeClock();
  const webhooks = webhooksTo(receiver.url, clock);
  webhooks.send(EVENT);
  webhooks.send({ ...EVENT, channel: "other" });
  clock.advance(0);
  const { headers, body } = await receiver.requests.next();
  assertEquals(JSON.parse(body).events, [EVENT, { ...EVENT, channel: "other" }]);
  assertMatch(body, /^\{"time_ms":\d+,"events":\[/);
  assertEquals(headers.get("content-type"), "application/json");
  assertEquals(headers.get("x-pusher-key"), KEY);
  assertEquals(headers.get("x-pusher-signature"), signatureOf(SECRET, body));
  await webhooks.flush();
});

Deno.test("a webhook that is not taken is retried, and dropped after five minutes", async () => {
  const clock = new FakeClock();
  const logged: unknown[] = [];
  const log = { warn: (message: string, fields?: unknown) => void logged.push([message, fields]) };
  const { bodies, fetch } = answering(500, 302, 200, 503);
  const webhooks = webhooksTo("https://a.example/", clock, { fetch, log });
  webhooks.send(EVENT);
  await clock.pass(0);
  webhooks.send({ ...EVENT, channel: "next" });
  await clock.pass(999);
  assertEquals(channelsOf(bodies), ["ci"]);
  await clock.pass(1);
  assertEquals(channelsOf(bodies), ["ci", "ci"]);
  await clock.pass(2000);
  assertEquals(channelsOf(bodies), ["ci", "ci", "ci", "next"]);
  await clock.pass(270_000);
  assertEquals(logged.splice(0), [
    ["webhook failed", { why: "status 500" }],
    ["webhook failed", { why: "status 503" }],
  ]);
  await clock.pass(30_000);
  assertEquals(logged, [["webhook dropped", { why: "status 503", events: 1 }]]);
  const count = bodies.length;
  await clock.pass(600_000);
  assertEquals(bodies.length, count);
});

Deno.test("the oldest of too many webhooks that wait are dropped, and all when the server stops", async () => {
  const clock = new FakeClock();
  const { bodies, fetch } = answering(500);
  const dropped: unknown[] = [];
  const counts: unknown[] = [];
  const log = { warn: (_: string, fields?: unknown) => void dropped.push(fields) };
  const count = (...counted: unknown[]) => void counts.push(counted);
  const webhooks = webhooksTo("https://a.example/", clock, { fetch, log, count });
  for (let count = 0; count <= WAITING_MAX; count++) webhooks.send(EVENT);
  assertEquals(dropped, [{ why: "too many wait" }]);
  await clock.pass(0);
  await webhooks.flush();
  assertEquals(dropped.slice(1), [
    { why: "status 500" },
    { why: "the server stops", events: WAITING_MAX },
  ]);
  assertEquals(counts, [["dropped", 1], ["dropped", WAITING_MAX]]);
  await clock.pass(600_000);
  // It was tried once more, as it stopped.
  assertEquals([bodies.length, clock.timers], [2, 0]);
});

Deno.test("events that wait are bounded by their size too, and a drop is logged once", async () => {
  const clock = new FakeClock();
  const { bodies, fetch } = answering(500, 200);
  const logged: unknown[] = [];
  let dropped = 0;
  const log = { warn: (message: string, fields?: unknown) => void logged.push([message, fields]) };
  const count = (outcome: string, events: number) => {
    if (outcome === "dropped") dropped += events;
  };
  const webhooks = webhooksTo("https://a.example/", clock, { fetch, log, count });
  // Each counts as a hundred more than its texts.
  const data = "x".repeat(10_000 - 100 - EVENT.name.length - EVENT.channel.length);
  const fitting = Math.floor(WAITING_CHARS_MAX / 10_000);
  for (let index = 0; index < fitting; index++) webhooks.send({ ...EVENT, data });
  assertEquals([dropped, logged], [0, []]);
  for (let index = 0; index < 5; index++) webhooks.send({ ...EVENT, data });
  assertEquals([dropped, logged.splice(0)], [5, [["webhook dropped", { why: "too many wait" }]]]);
  await clock.pass(1000);
  const sent = bodies.slice(1).map((body) => JSON.parse(body).events.length);
  assertEquals(sent.reduce((sum, each) => sum + each), fitting);
  await webhooks.flush();
});

Deno.test("a lone node sends everything before it ends: events that wait, and members that have just left", async () => {
  const clock = new FakeClock();
  const { bodies, fetch } = answering(503, 200);
  const webhooks = webhooksTo("https://a.example/", clock, { fetch });
  webhooks.send(EVENT);
  await clock.pass(100);
  webhooks.went(GONE);
  const flushing = webhooks.flush();
  await clock.pass(0);
  await flushing;
  webhooks.went(GONE);
  assertEquals(bodies.map((body) => JSON.parse(body).events), [[EVENT], [EVENT], [GONE]]);
  assertEquals(clock.timers, 0);
});

Deno.test("a receiver that does not answer delays a node that stops, but not for long", async () => {
  const clock = new FakeClock();
  const fetch = (_: unknown, init?: RequestInit) =>
    new Promise<Response>((_resolve, reject) => {
      init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason));
    });
  const handovers: Handover[] = [];
  const handOn = (handover: Handover) => Promise.resolve(handovers.push(handover) > 0);
  const webhooks = webhooksTo("https://a.example/", clock, { fetch, senders: sender(handOn) });
  for (let index = 0; index < 150; index++) webhooks.send({ ...EVENT, channel: `c${index}` });
  let isFlushed = false;
  const flushing = webhooks.flush().then(() => isFlushed = true);
  await clock.pass(DRAIN_MS - 1);
  // First of all another takes over.
  assertEquals([isFlushed, handovers.splice(0)], [false, [{ events: [], gone: [] }]]);
  await clock.pass(1);
  await flushing;
  const names = handovers.flatMap(({ events }) => events.map(({ channel }) => channel));
  assertEquals(names, Array.from({ length: 150 }, (_, index) => `c${index}`));
  assertEquals(handovers.map(({ events }) => events.length), [100, 50]);
});

Deno.test("a node that stops hands on members that may come back, and takes nothing over", async () => {
  const clock = new FakeClock();
  const next = answering(200);
  const heir = webhooksTo("https://a.example/", clock, { fetch: next.fetch });
  const { fetch, bodies } = answering(200);
  const isThere = ({ channel }: WebhookEvent) => channel === "back";
  const handOn = (handover: Handover) => Promise.resolve(heir.takeOver(handover, isThere));
  const webhooks = webhooksTo("https://a.example/", clock, { fetch, senders: sender(handOn) });
  webhooks.went({ ...GONE, channel: "back" });
  webhooks.went(GONE);
  await webhooks.flush();
  assertEquals(webhooks.takeOver({ events: [EVENT], gone: [] }, isThere), false);
  await clock.pass(2999);
  assertEquals(channelsOf(next.bodies), []);
  await clock.pass(1);
  assertEquals(channelsOf(next.bodies), ["ci"]);
  assertEquals([bodies, clock.timers], [[], 0]);
});

Deno.test("a task that fails silently keeps no later event from being reported", async () => {
  const clock = new FakeClock();
  const { bodies, fetch } = answering(200);
  const webhooks = webhooksTo("https://a.example/", clock, { fetch });
  const fail = () => {
    webhooks.came({ ...EVENT, channel: "before" });
    throw new TypeError("a message that cannot be read");
  };
  assertThrows(() => webhooks.silently(fail), TypeError);
  webhooks.came(EVENT);
  await clock.pass(0);
  assertEquals(channelsOf(bodies), ["ci"]);
});

Deno.test("whoever is back within three seconds is not reported", async () => {
  const clock = new FakeClock();
  const { bodies, fetch } = answering(200);
  const webhooks = webhooksTo("https://a.example/", clock, { fetch });
  webhooks.went(GONE);
  await clock.pass(2999);
  webhooks.came(EVENT);
  await clock.pass(10_000);
  assertEquals(bodies, []);
  webhooks.went(GONE);
  await clock.pass(3000);
  assertEquals(bodies.map((body) => JSON.parse(body).events), [[GONE]]);
});

Deno.test("a server reports what its clients do", async () => {
  await using receiver = new WebhookReceiver();
  const pusherApp = [receiver.app("client-events&")];
  const clock = new FakeClock();
  await using server = await startServer({ pusherApp, clock });
  await using peer = await PusherPeer.open(server);
  await using other = await PusherPeer.open(server);
  const next = async (count: number) => {
    clock.advance(0);
    return await receiver.events.take(count);
  };
  await peer.subscribe("cache-a");
  await peer.settle();
  assertEquals(await next(2), [
    { name: "cache_miss", channel: "cache-a" },
    { name: "channel_occupied", channel: "cache-a" },
  ]);
  await peer.join("presence-a", "1");
  await peer.settle();
  assertEquals(await next(2), [
    { name: "member_added", channel: "presence-a", user_id: "1" },
    { name: "channel_occupied", channel: "presence-a" },
  ]);
  await other.subscribe("cache-a");
  peer.send("client-a", { n: 1 }, "presence-a");
  await peer.settle();
  const [event] = (await next(2)).filter(({ name }) => name === "client_event");
  assertEquals(event, {
    name: "client_event",
    channel: "presence-a",
    event: "client-a",
    data: '{"n":1}',
    socket_id: peer.socketId,
    user_id: "1",
  });
  for (const channel of ["presence-a", "cache-a"]) peer.send("pusher:unsubscribe", { channel });
  await peer.settle();
  clock.advance(3000);
  assertEquals(await next(2), [
    { name: "channel_vacated", channel: "presence-a" },
    { name: "member_removed", channel: "presence-a", user_id: "1" },
  ]);
});

Deno.test("a server sends the counts of channels, and before it ends all that waits", async () => {
  await using receiver = new WebhookReceiver();
  const pusherApp = [receiver.app("subscription-counts&")];
  const server = await startServer({ pusherApp });
  await using one = await PusherPeer.open(server);
  await one.subscribe("ci");
  const count = (subscription_count: number) => {
    return { name: "subscription_count", channel: "ci", subscription_count };
  };
  assertEquals(await receiver.events.take(2), [count(1), EVENT]);
  await using two = await PusherPeer.open(server);
  await two.subscribe("ci");
  assertEquals(await receiver.events.take(1), [count(2)]);
  await two.join("presence-a", "1");
  assertEquals(await receiver.events.take(2), [
    { name: "member_added", channel: "presence-a", user_id: "1" },
    { name: "channel_occupied", channel: "presence-a" },
  ]);
  await one.client.close();
  assertEquals(await receiver.events.take(1), [count(1)]);
  await server.stop();
  const last = await receiver.events.take(4);
  assertEquals(last.filter(({ name }) => name === "subscription_count"), [count(0)]);
  assertEquals(last.map(({ name, channel }) => `${name} ${channel}`).sort(), [
    "channel_vacated ci",
    "channel_vacated presence-a",
    "member_removed presence-a",
    "subscription_count ci",
  ]);
  assertEquals(receiver.events.takeAll(), []);
});
