import { assertEquals, assertStrictEquals } from "@std/assert";
import { DISCONNECTS } from "../../lib/core/errors.ts";
import { SEND_INTERVAL_MS } from "../../lib/hub/presence.ts";
import type { PresenceChange } from "../../lib/core/encoder.ts";
import { FakeTransport, lineEncoder } from "../support/fake_transport.ts";
import { type TestClient, TestNode } from "../support/node.ts";

/** Opens a session that is named in presence. */
function join(node: TestNode, user: string, channels: string[], watch = false): TestClient {
  return node.open(channels, { presence: watch ? channels : [] }, new FakeTransport(), user);
}

/** A node with a watcher on "room" that has got its own join. */
function setUp() {
  const node = new TestNode();
  const watcher = join(node, "watcher", ["room"], true);
  node.clock.advance(SEND_INTERVAL_MS);
  watcher.transport.take();
  return { node, watcher };
}

Deno.test("Presence sends a watcher its own join, after the welcome", async () => {
  const node = new TestNode();
  const { transport } = join(node, "ann", ["room"], true);
  assertEquals(transport.take(), [`welcome ${node.epoch}-0`]);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(transport.take(), ["room +ann"]);
  await node.close();
});

Deno.test("Presence sends joins and leaves at the end of the turn, and then once in a while", async () => {
  const { node, watcher } = setUp();
  const ann = join(node, "ann", ["room"]);
  join(node, "bob", ["room", "other"]);
  assertEquals(watcher.transport.take(), []);
  node.clock.turn();
  assertEquals(watcher.transport.take(), ["room +ann +bob"]);
  ann.session.end(DISCONNECTS.shutdown);
  join(node, "cid", ["room"]);
  node.clock.advance(SEND_INTERVAL_MS - 1);
  join(node, "dan", ["room"]);
  assertEquals(watcher.transport.take(), []);
  node.clock.advance(1);
  assertEquals(watcher.transport.take(), ["room +cid +dan -ann"]);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(watcher.transport.take(), []);
  await node.close();
  assertEquals(node.clock.timers, 0);
});

Deno.test("Presence takes no more than a tenth of the time to send", async () => {
  const { node } = setUp();
  const tellMs = 100;
  let sent = 0;
  const presence = () => {
    node.clock.advance(tellMs);
    return `sent ${++sent}`;
  };
  const transport = new FakeTransport({ ...lineEncoder(), presence });
  node.open(["room"], { presence: ["room"] }, transport);
  node.clock.turn();
  assertEquals(sent, 1);
  join(node, "ann", ["room"]);
  node.clock.advance(10 * tellMs - 1);
  assertEquals(sent, 1);
  node.clock.advance(1);
  assertEquals(sent, 2);
  await node.close();
});

Deno.test("Presence sends the right changes whenever a watcher has listed the channel", async () => {
  for (const listAt of [0, 1, 2, 3]) {
    const { node, watcher } = setUp();
    const bob = join(node, "bob", ["room"]);
    node.clock.advance(SEND_INTERVAL_MS);
    watcher.transport.take();
    const present = new Set<string | undefined>();
    const list = () =>
      node.hub.present("room", 100).entries.forEach(({ user }) => present.add(user));
    const steps = [
      () => join(node, "ann", ["room"]).session,
      () => bob.session.unsubscribe(["room"]),
      () => bob.session.subscribe(["room"]),
    ];
    const cid = join(node, "cid", ["room"]).session;
    for (const [index, step] of steps.entries()) {
      if (index === listAt) list();
      await step();
    }
    if (listAt === steps.length) list();
    cid.lost("gone");
    node.clock.advance(SEND_INTERVAL_MS);
    for (const frame of watcher.transport.take()) {
      const [, ...changes] = String(frame).split(" ");
      for (const change of changes) {
        if (change.startsWith("+")) present.add(change.slice(1));
        else present.delete(change.slice(1));
      }
    }
    assertEquals([...present].sort(), ["ann", "bob", "watcher"], `listed at ${listAt}`);
    await node.close();
  }
});

Deno.test("Presence sends every kind of leave", async () => {
  const { node, watcher } = setUp();
  const [ann, bob, cid, dan] = ["ann", "bob", "cid", "dan"].map((name) =>
    join(node, name, ["room"])
  );
  node.clock.advance(SEND_INTERVAL_MS);
  watcher.transport.take();
  await ann!.session.unsubscribe(["room"]);
  bob!.session.lost("gone");
  cid!.session.end(DISCONNECTS.expired);
  dan!.transport.bufferedBytes = 1_000_000;
  await node.publish(["room x"]);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(watcher.transport.take(), ["1 room x", "room -ann -bob -cid -dan"]);
  await node.close();
});

Deno.test("Presence sends only to watchers, and only the channels that they watch", async () => {
  const { node, watcher } = setUp();
  const silent = join(node, "silent", ["room", "other"]);
  join(node, "pattern", ["*"], true);
  join(node, "elsewhere", ["other"]);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(watcher.transport.take(), ["room +silent"]);
  assertEquals(silent.transport.take().length, 1);
  assertEquals(node.hub.presence.watched, 1);
  await node.close();
});

Deno.test("Presence begins for sessions already on the channel, and ends with unsubscribe", async () => {
  const { node } = setUp();
  const { session, transport } = join(node, "late", ["room"]);
  node.clock.advance(SEND_INTERVAL_MS);
  transport.take();
  await session.subscribe(["room"], { presence: ["room"] });
  join(node, "ann", ["room"]);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(transport.take(), ["room +ann"]);
  await session.unsubscribe(["room"]);
  join(node, "bob", ["room"]);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(transport.take(), []);
  await node.close();
});

Deno.test("Presence forgets a channel and its unsent changes with the last watcher", async () => {
  const { node, watcher } = setUp();
  const ann = join(node, "ann", ["room"]);
  watcher.session.lost("gone");
  assertEquals(node.hub.presence.watched, 0);
  const late = join(node, "late", ["room"], true);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(late.transport.take(), [`welcome ${node.epoch}-0`, "room +late"]);
  ann.session.lost("gone");
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(late.transport.take(), ["room -ann"]);
  await node.close();
  assertEquals([node.hub.presence.watched, node.hub.subscribers.channels], [0, 0]);
});

Deno.test("Presence sends the others the leave of a watcher that was too slow for presence itself", async () => {
  const { node, watcher } = setUp();
  const slow = join(node, "slow", ["room", "zoo"], true);
  const other = join(node, "other", ["zoo"], true);
  node.clock.advance(SEND_INTERVAL_MS);
  for (const { transport } of [watcher, slow, other]) transport.take();
  slow.transport.bufferedBytes = 1_000_000;
  join(node, "ann", ["room"]);
  join(node, "bob", ["zoo"]);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(slow.transport.closed, DISCONNECTS.slow);
  assertEquals(watcher.transport.take(), ["room +ann"]);
  assertEquals(other.transport.take(), ["zoo +bob"]);
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(watcher.transport.take(), ["room -slow"]);
  assertEquals(other.transport.take(), ["zoo -slow"]);
  await node.close();
});

Deno.test("Presence of a session that resumes begins after the welcome", async () => {
  const node = new TestNode();
  const gate = Promise.withResolvers<void>();
  node.beforeHistory = () => gate.promise;
  const options = { since: node.at(0), presence: ["room"] };
  const { transport } = node.open(["room"], options, new FakeTransport(), "ann");
  join(node, "bob", ["room"]);
  await node.clock.settle();
  assertEquals(transport.take(), []);
  gate.resolve();
  await node.clock.settle();
  join(node, "cid", ["room"]);
  await node.clock.settle();
  const id = `${node.epoch}-0`;
  assertEquals(transport.take(), [`welcome ${id} since ${id} recovered true`, "room +cid"]);
  await node.close();
  assertEquals(node.hub.presence.watched, 0);
});

Deno.test("Presence does not watch for a session that its own welcome ended", async () => {
  const node = new TestNode();
  const transport = new FakeTransport();
  transport.bufferedBytes = 1_000_000;
  node.open(["room"], { since: node.at(0), presence: ["room"] }, transport);
  await node.clock.settle();
  assertEquals([transport.closed, node.left], [DISCONNECTS.slow, ["slow"]]);
  assertEquals(node.hub.presence.watched, 0);
  await node.close();
});

Deno.test("Presence sends a crowd in parts of 500, encoded once for each encoder", async () => {
  const { node, watcher } = setUp();
  const parts: PresenceChange[] = [];
  const encoder = {
    ...lineEncoder(),
    presence: (change: PresenceChange) => {
      parts.push(change);
      return `part ${parts.length}`;
    },
  };
  const same = Array.from({ length: 3 }, () => new FakeTransport(encoder));
  const clients = same.map((transport) => node.open(["room"], { presence: ["room"] }, transport));
  const crowd = Array.from({ length: 1198 }, (_, at) => join(node, `c${at}`, ["room"]));
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(parts.map(({ joined, left }) => [joined.length, left.length]), [
    [500, 0],
    [500, 0],
    [201, 0],
  ]);
  for (const { transport } of clients) {
    assertEquals(transport.take().slice(1), ["part 1", "part 2", "part 3"]);
  }
  assertEquals(watcher.transport.take().length, 3);
  for (const { session } of crowd) session.lost("gone");
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(parts.slice(3).map(({ left }) => left.length), [500, 500, 198]);
  await node.close();
});

Deno.test("Presence skips an encoder that cannot carry it", async () => {
  const { node, watcher } = setUp();
  const encoder = { ...lineEncoder(), presence: () => undefined };
  const { transport } = node.open(
    ["room"],
    { presence: ["room"] },
    new FakeTransport(encoder),
    "mute",
  );
  node.clock.advance(SEND_INTERVAL_MS);
  assertEquals(transport.take().length, 1);
  assertEquals(watcher.transport.take(), ["room +mute"]);
  await node.close();
});

Deno.test("Session.presenceOn() has client, user and time", async () => {
  const node = new TestNode();
  const joined = node.clock.now();
  const { session } = join(node, "ann", ["room"]);
  const nameless = node.open(["room"]);
  node.clock.advance(1000);
  assertEquals(session.presenceOn("ci"), { client: session.id, user: "ann", joined });
  assertEquals(nameless.session.presenceOn("ci"), { client: nameless.session.id, joined });
  assertStrictEquals("user" in nameless.session.presenceOn("ci"), false);
  await node.close();
});
