import { assertEquals } from "@std/assert";
import { DISCONNECTS } from "../../lib/core/errors.ts";
import { BEHIND_MS } from "../../lib/hub/replay.ts";
import { connected, holdUp, resumed, TestNode } from "../support/node.ts";

Deno.test("Session that resumes gets the publications it missed, then new ones", async () => {
  const node = new TestNode();
  await node.publish(["a 1", "b 2", "a 3", "c 4", "b 5"]);
  const { transport } = await node.connect(["a", "b"], { since: node.at(1) });
  await node.publish(["c 6", "a 7"]);
  assertEquals(transport.take(), [resumed(node, 1), "2 b 2", "3 a 3", "5 b 5", "7 a 7"]);
  assertEquals(node.deliveries.total, 4);
  assertEquals(node.deliveredBytes.total, 20);
  await node.close();
});

Deno.test("Session that resumes where it was gets a welcome and nothing twice", async () => {
  const node = new TestNode();
  await node.publish(["a 1", "a 2"]);
  const { transport } = await node.connect(["a"], { since: node.at(2) });
  assertEquals(transport.take(), [resumed(node, 2)]);
  await node.close();
});

Deno.test("Session that resumes in another log gets all there is, and no promise", async () => {
  const node = new TestNode();
  await node.publish(["a 1", "a 2"]);
  const old = await node.connect(["a"], { since: { epoch: "old", offset: 1 } });
  const { epoch } = node;
  assertEquals(old.transport.take(), [
    `welcome ${epoch}-0 since old-1 recovered false`,
    "1 a 1",
    "2 a 2",
  ]);
  await node.close();
});

Deno.test("Session that was further on another node waits until this one has come there", async () => {
  const node = new TestNode();
  await node.publish(["a 1"]);
  const { transport } = await node.connect(["a"], { since: node.at(3) });
  await node.publish(["a 2", "a 3", "a 4"]);
  await node.clock.settle();
  assertEquals(transport.take(), [resumed(node, 3), "4 a 4"]);
  await node.close();
});

Deno.test("Session from beyond the end of the log goes on at its end, and reports that it did not recover", async () => {
  const node = new TestNode();
  await node.publish(["a 1", "a 2"]);
  const { transport } = await node.connect(["a"], { since: node.at(4) });
  assertEquals(transport.take(), []);
  await node.clock.pass(BEHIND_MS);
  const { epoch } = node;
  assertEquals(transport.take(), [`welcome ${epoch}-2 since ${epoch}-4 recovered false`]);
  await node.publish(["a 3"]);
  assertEquals(transport.take(), ["3 a 3"]);
  await node.close();
});

Deno.test("Session from beyond the end is sent to another node while the log is away", async () => {
  const node = new TestNode();
  node.isUp = false;
  const { transport } = await node.connect(["a"], { since: node.at(4) });
  await node.clock.pass(BEHIND_MS);
  assertEquals([transport.take(), node.left], [[], [DISCONNECTS.shutdown.name]]);
  await node.close();
});

Deno.test("Session reports that something it missed is gone, and gets the rest", async () => {
  const node = new TestNode({ historyCount: 2 });
  await node.publish(["a 1", "b 2", "a 3", "a 4"]);
  const gap = await node.connect(["a", "b"], { since: node.at(0) });
  assertEquals(gap.transport.take(), [resumed(node, 0, false), "2 b 2", "3 a 3", "4 a 4"]);
  const whole = await node.connect(["a", "b"], { since: node.at(1) });
  assertEquals(whole.transport.take(), [resumed(node, 1), "2 b 2", "3 a 3", "4 a 4"]);
  await node.close();
});

Deno.test("Session holds back live publications while it reads, and sends them in order", async () => {
  const node = new TestNode();
  await node.publish(["a 1", "b 2"]);
  const release = holdUp(node);
  const { transport, session } = node.open(["a", "*"], { since: node.at(0) });
  await node.publish(["a 3", "b 4"]);
  await node.clock.settle();
  assertEquals([transport.take(), node.deliveries.total], [[], 0]);
  release();
  await node.clock.settle();
  await node.publish(["b 5"]);
  assertEquals(transport.take(), [
    resumed(node, 0),
    "1 a 1",
    "2 b 2",
    "3 a 3",
    "4 b 4",
    "5 b 5",
  ]);
  assertEquals([session.ended, node.deliveries.total], [false, 5]);
  await node.close();
});

Deno.test("Session reads a long history in pages, and no publication is lost between", async () => {
  const node = new TestNode();
  await node.publish(["a x", "b y"], 300);
  const { transport } = node.open(["a"], { since: node.at(0) });
  for (let tick = 0; tick < 200; tick++) {
    await Promise.resolve();
    if (tick % 20 === 0) await node.publish(["a x", "b y"]);
  }
  await node.clock.settle();
  const offsets = transport.take().slice(1).map((frame) => parseInt(`${frame}`));
  assertEquals(offsets, Array.from({ length: 310 }, (_, at) => 2 * at + 1));
  await node.close();
});

Deno.test("Session.subscribe() with since replays the new channel alone", async () => {
  const node = new TestNode();
  const { transport, session } = await connected(node, ["a"]);
  await node.publish(["a 1", "b 2", "a 3", "b 4", "c 5"]);
  const found = await session.subscribe(["b"], { since: node.at(2) });
  await node.publish(["b 6"]);
  assertEquals(found, { recovered: true, position: `${node.epoch}-5` });
  assertEquals(transport.take(), ["1 a 1", "3 a 3", "4 b 4", "6 b 6"]);
  await node.close();
});

Deno.test("Session.subscribe() with since replays nothing that a pattern has brought", async () => {
  const node = new TestNode();
  await node.publish(["a.x 1", "b 2"]);
  const { transport, session } = await connected(node, ["a.*"]);
  await node.publish(["a.x 3"]);
  await session.subscribe(["a.x", "b"], { since: node.at(0) });
  await session.subscribe(["a.x", "*"], { since: node.at(0) });
  await node.publish(["a.x 4", "c 5"]);
  // 1 and 2 were before the session and are new to it; 3 it has had.
  assertEquals(transport.take(), ["3 a.x 3", "1 a.x 1", "2 b 2", "4 a.x 4", "5 c 5"]);
  await node.close();
});

Deno.test("Session.subscribe() from further back replays only what is further back", async () => {
  const node = new TestNode();
  await node.publish(["a 1", "a 2", "a 3"]);
  const { transport, session } = await node.connect(["a"], { since: node.at(2) });
  await session.subscribe(["a"], { since: node.at(1) });
  await session.subscribe(["a"], { since: node.at(3) });
  await session.subscribe(["a"], { since: node.at(0) });
  await session.subscribe(["a"], { since: node.at(0) });
  assertEquals(transport.take(), [resumed(node, 2), "3 a 3", "2 a 2", "1 a 1"]);
  await node.close();
});

Deno.test("Session.subscribe() to a channel that it left replays it again from since", async () => {
  const node = new TestNode();
  const { transport, session } = await connected(node, ["a"]);
  await node.publish(["a 1"]);
  await session.unsubscribe(["a"]);
  await node.publish(["a 2"]);
  await session.subscribe(["a"], { since: node.at(0) });
  assertEquals(transport.take(), ["1 a 1", "1 a 1", "2 a 2"]);
  await node.close();
});

Deno.test("Session.subscribe() says when something is gone, for its own channels", async () => {
  const node = new TestNode({ historyCount: 1 });
  const { transport, session } = await connected(node, []);
  await node.publish(["a 1", "b 2", "a 3"]);
  const { epoch } = node;
  assertEquals(await session.subscribe(["b"], { since: node.at(0) }), {
    recovered: true,
    position: `${epoch}-3`,
  });
  assertEquals(await session.subscribe(["a"], { since: node.at(0) }), {
    recovered: false,
    position: `${epoch}-3`,
  });
  assertEquals(transport.take(), ["2 b 2", "3 a 3"]);
  await node.close();
});

Deno.test("Session.subscribe() holds back all channels while it reads one", async () => {
  const node = new TestNode();
  const { transport, session } = await connected(node, ["a"]);
  await node.publish(["b 1"]);
  const release = holdUp(node);
  const found = session.subscribe(["b"], { since: node.at(0) });
  await node.clock.settle();
  await node.publish(["a 2", "b 3"]);
  assertEquals(transport.take(), []);
  release();
  assertEquals(await found, { recovered: true, position: `${node.epoch}-3` });
  assertEquals(transport.take(), ["1 b 1", "2 a 2", "3 b 3"]);
  await node.close();
});

Deno.test("Session lets held publications go when they are too many, and reads them anew", async () => {
  const node = new TestNode({ outboundBytesMax: 1000 });
  const release = holdUp(node);
  const { transport, session } = node.open(["a"], { since: node.at(0) });
  await node.clock.settle();
  await node.publish(["a x", "b y"], 200);
  release();
  await node.clock.settle();
  await node.publish(["a x"]);
  const offsets = transport.take().slice(1).map((frame) => parseInt(`${frame}`));
  assertEquals(offsets, [...Array.from({ length: 200 }, (_, at) => 2 * at + 1), 401]);
  assertEquals([session.ended, node.deliveries.total], [false, 201]);
  await node.close();
});

Deno.test("Session is ended if publications that it held back and dropped are gone from history", async () => {
  const node = new TestNode({ outboundBytesMax: 1000, historyCount: 5 });
  const release = holdUp(node);
  const { transport } = node.open(["a"], { since: node.at(0) });
  await node.clock.settle();
  await node.publish(["b 1"]);
  await node.publish(["a x"], 20);
  release();
  await node.clock.settle();
  assertEquals(transport.closed, DISCONNECTS.slow);
  assertEquals([transport.take(), node.left], [[resumed(node, 0, false)], ["slow"]]);
  await node.close();
});

Deno.test("Session is ended if history goes missing between two pages", async () => {
  const node = new TestNode({ historyCount: 200 });
  await node.publish(["a x"], 200);
  let reads = 0;
  node.beforeHistory = async () => {
    if (++reads === 2) await node.publish(["a y"], 129);
  };
  const { transport } = await node.connect(["a"], { since: node.at(0) });
  const frames = transport.take();
  assertEquals(frames[0], resumed(node, 0));
  assertEquals(frames.slice(1).map((frame) => parseInt(`${frame}`)).at(-1), 128);
  assertEquals([frames.length, transport.closed, node.left], [129, DISCONNECTS.slow, ["slow"]]);
  await node.close();
});

Deno.test("Session goes on if history loses only what it has had between two pages", async () => {
  const node = new TestNode({ historyCount: 200 });
  await node.publish(["a x"], 200);
  let reads = 0;
  node.beforeHistory = async () => {
    if (++reads === 2) await node.publish(["a y"], 128);
  };
  const { transport } = await node.connect(["a"], { since: node.at(0) });
  const offsets = transport.take().slice(1).map((frame) => parseInt(`${frame}`));
  assertEquals(offsets, Array.from({ length: 328 }, (_, at) => at + 1));
  assertEquals(transport.closed, undefined);
  await node.close();
});

Deno.test("Session that catches up waits for room, and is not cut for want of it", async () => {
  const node = new TestNode({ outboundBytesMax: 1000 });
  await node.publish(["a x"], 3);
  const { transport, session } = node.open(["a"], { since: node.at(0) });
  transport.bufferedBytes = 501;
  await node.clock.pass(1000);
  assertEquals(transport.take(), [resumed(node, 0)]);
  const { write } = transport;
  transport.write = (frame) => {
    transport.bufferedBytes = 1000;
    write.call(transport, frame);
  };
  transport.bufferedBytes = 500;
  for (const frame of ["1 a x", "2 a x", "3 a x"]) {
    await node.clock.pass(20);
    assertEquals([transport.take(), session.ended], [[frame], false]);
    await node.clock.pass(1000);
    transport.bufferedBytes = 500;
  }
  await node.publish(["a x"]);
  assertEquals(transport.take(), ["4 a x"]);
  await node.close();
});

Deno.test("Session writes up to half of the unsent bytes allowed while it catches up", async () => {
  const node = new TestNode({ outboundBytesMax: 1000 });
  await node.publish([`a ${"x".repeat(90)}`], 50);
  const { transport, session } = node.open(["a"], { since: node.at(0) });
  const write = transport.write.bind(transport);
  let mostBytes = 0;
  transport.write = (frame) => {
    write(frame);
    transport.bufferedBytes += `${frame}`.length;
    mostBytes = Math.max(mostBytes, transport.bufferedBytes);
  };
  const frames: unknown[] = [];
  for (let round = 0; round < 20; round++) {
    await node.clock.pass(100);
    frames.push(...transport.take());
    transport.bufferedBytes = 0;
  }
  assertEquals([frames.length, session.ended], [51, false]);
  assertEquals([mostBytes <= 600, mostBytes > 500], [true, true]);
  await node.close();
});

Deno.test("Session that reads nothing for 30 seconds while it catches up is ended", async () => {
  const node = new TestNode({ outboundBytesMax: 1000 });
  await node.publish(["a x"], 10);
  const { transport, session } = node.open(["a"], { since: node.at(0) });
  transport.bufferedBytes = 600;
  await node.clock.pass(29_000);
  transport.bufferedBytes = 599;
  await node.clock.pass(29_000);
  assertEquals([session.ended, transport.take()], [false, [resumed(node, 0)]]);
  // More is buffered, or a little less than then, but never less than at the lowest.
  transport.bufferedBytes = 700;
  await node.clock.pass(500);
  transport.bufferedBytes = 650;
  await node.clock.pass(1_500);
  assertEquals(transport.closed, DISCONNECTS.slow);
  assertEquals([transport.take(), node.left, node.hub.size], [[], ["slow"], 0]);
  await node.close();
});

Deno.test("Session that ends while it replays leaves nothing behind", async () => {
  const node = new TestNode();
  await node.publish(["a x"], 300);
  const release = holdUp(node);
  const clients = [1, 2, 3].map(() => node.open(["a"], { since: node.at(0) }));
  const late = clients[0]!.session.subscribe(["b"], { since: node.at(0) });
  await node.clock.settle();
  await node.publish(["a y"]);
  clients[0]!.session.lost("gone");
  clients[1]!.session.end(DISCONNECTS.expired);
  clients[2]!.transport.bufferedBytes = 1_000_000;
  release();
  await node.clock.settle();
  clients[2]!.session.lost("gone");
  await node.clock.pass(20);
  assertEquals(await late, undefined);
  assertEquals(clients.map(({ transport }) => transport.take()), [[], [], []]);
  assertEquals(node.left, ["gone", "expired", "slow"]);
  assertEquals([node.hub.size, node.hub.subscribers.channels, node.errors], [0, 0, []]);
  assertEquals(node.clock.timers, 1, "only the broker's");
  await node.close();
  assertEquals(node.clock.timers, 0);
});

Deno.test("Session is ended if the broker fails at a later page, after the earlier ones", async () => {
  const node = new TestNode();
  await node.publish(["a x"], 200);
  let reads = 0;
  node.beforeHistory = () => ++reads === 1 ? Promise.resolve() : Promise.reject(new Error("gone"));
  const { transport } = await node.connect(["a"], { since: node.at(0) });
  assertEquals([transport.take().length, transport.closed], [129, DISCONNECTS.failed]);
  assertEquals([node.errors.length, node.left], [1, ["failed"]]);
  await node.close();
});

Deno.test("Session of a client from a node that was ahead gets nothing twice", async () => {
  const ahead = new TestNode();
  const log = await ahead.publish(["a 1", "a 2", "b 3", "a 4", "b 5"]);
  // This node has the same log, but has broadcast only the first of it.
  const { epoch } = ahead;
  const node = new TestNode({ broker: ahead.broker });
  node.hub.begin(ahead.at(1));
  const resumed = await node.connect(["a"], { since: ahead.at(3) });
  const late = await connected(node, ["b"]);
  const found = await late.session.subscribe(["a"], { since: ahead.at(3) });
  for (const publication of log.slice(1)) node.hub.broadcast(publication);
  const id = `${epoch}-3`;
  assertEquals(resumed.transport.take(), [`welcome ${id} since ${id} recovered true`, "4 a 4"]);
  assertEquals(late.transport.take(), ["3 b 3", "4 a 4", "5 b 5"]);
  assertEquals(found, { recovered: true, position: `${epoch}-1` });
  // It has had "a" from 3 on, but not before.
  await late.session.subscribe(["*"], { since: ahead.at(0) });
  assertEquals(late.transport.take(), ["1 a 1", "2 a 2"]);
  await ahead.close();
  await node.close();
});
