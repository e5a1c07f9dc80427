import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DISCONNECTS, Refusal } from "../../lib/core/errors.ts";
import { connected, holdUp, resumed, TestNode } from "../support/node.ts";

Deno.test("Session has an id that nobody guesses", async () => {
  const node = new TestNode();
  const ids = Array.from({ length: 100 }, () => node.open(["a"]).session.id);
  for (const id of ids) assertMatch(id, /^[A-Za-z0-9_-]{22}$/);
  assertEquals(new Set(ids).size, 100);
  await node.close();
});

Deno.test("Session.subscribe() begins with the next publication", async () => {
  const node = new TestNode();
  const { transport, session } = await connected(node, ["a"]);
  await node.publish(["b 1"]);
  assertEquals(await session.subscribe(["b", "c.*"]), undefined);
  await node.publish(["b 2", "a 3", "c.x 4"]);
  assertEquals(transport.take(), ["2 b 2", "3 a 3", "4 c.x 4"]);
  assertEquals([...session.subscriptions.keys()], ["a", "b", "c.*"]);
  await node.close();
});

Deno.test("Session.subscribe() refuses too many, with nothing changed", async () => {
  const node = new TestNode({ channelsPerSessionMax: 2 });
  const { transport, session } = await connected(node, ["a"]);
  await assertRejects(
    () => session.subscribe(["b", "c"], { since: node.at(0) }),
    Refusal,
    "a session has at most 2 channels",
  );
  assertEquals([...session.subscriptions.keys()], ["a"]);
  assertEquals([node.hub.subscribers.channels, session.ended, node.errors], [1, false, []]);
  assertEquals(await session.subscribe(["b"]), undefined);
  await node.publish(["a 1", "b 2", "c 3"]);
  assertEquals(transport.take(), ["1 a 1", "2 b 2"]);
  await node.close();
});

Deno.test("Session runs its tasks one after the other", async () => {
  const node = new TestNode();
  await node.publish(["a 1", "b 2"]);
  const release = holdUp(node);
  const { transport, session } = node.open(["a"], { since: node.at(0) });
  const tooMany = Array.from({ length: 11 }, (_, index) => `many${index}`);
  const done = [
    session.subscribe(["b"], { since: node.at(1) }),
    session.unsubscribe(["a", "never had"]),
    session.subscribe(tooMany).catch((error) => error.name),
    session.subscribe(["c"]),
  ];
  await node.publish(["a 3", "c 4"]);
  release();
  assertEquals(await Promise.all(done), [
    { recovered: true, position: `${node.epoch}-4` },
    undefined,
    "Refusal",
    undefined,
  ]);
  await node.publish(["a 5", "b 6", "c 7"]);
  assertEquals(transport.take(), [
    resumed(node, 0),
    "1 a 1",
    "3 a 3",
    "2 b 2",
    "6 b 6",
    "7 c 7",
  ]);
  await node.close();
});

Deno.test("Session that the broker fails while it subscribes is ended and reported", async () => {
  const node = new TestNode();
  const { transport, session } = await connected(node, ["a"]);
  const error = new Error("disk on fire");
  node.beforeHistory = () => Promise.reject(error);
  const after = session.unsubscribe(["a"]);
  assertEquals(await session.subscribe(["b"], { since: node.at(0) }), undefined);
  await after;
  assertEquals(transport.closed, DISCONNECTS.failed);
  assertEquals([node.errors, node.left, node.hub.size], [[error], ["failed"], 0]);
  await node.publish(["a 1", "b 2"]);
  assertEquals([transport.take(), node.hub.subscribers.channels], [[], 0]);
  await node.close();
});

Deno.test("Session.end() and lost() happen once, whichever comes first", async () => {
  const node = new TestNode();
  const ended = node.open(["a"]);
  ended.session.end(DISCONNECTS.expired);
  ended.session.end(DISCONNECTS.slow);
  ended.session.lost("gone");
  const lost = node.open(["a"]);
  lost.session.lost("gone");
  lost.session.end(DISCONNECTS.slow);
  assertEquals(node.left, ["expired", "gone"]);
  assertEquals([ended.transport.closed, lost.transport.closed], [DISCONNECTS.expired, undefined]);
  assertEquals([ended.session.ended, lost.session.ended], [true, true]);
  assertEquals([ended.session.write("x"), ended.transport.take().length], [false, 1]);
  assertEquals(await ended.session.subscribe(["b"]), undefined);
  await ended.session.unsubscribe(["a"]);
  assertEquals(node.hub.subscribers.channels, 0);
  await node.close();
});

Deno.test("Session.write() ends a session that has too much unsent, and reports that", async () => {
  const node = new TestNode({ outboundBytesMax: 100 });
  const { transport, session } = await connected(node, ["a"]);
  transport.bufferedBytes = 100;
  assertEquals([session.write("x"), transport.take()], [true, ["x"]]);
  transport.bufferedBytes = 101;
  assertEquals([session.write("y"), transport.take()], [false, []]);
  assertEquals([transport.closed, node.left], [DISCONNECTS.slow, ["slow"]]);
  await node.close();
});
