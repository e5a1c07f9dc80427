import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { DISCONNECTS, Refusal } from "../../lib/core/errors.ts";
import { Publication } from "../../lib/core/publication.ts";
import { HubSink } from "../../lib/hub/sink.ts";
import { createLog } from "../../lib/observe/log.ts";
import { FakeTransport, lineEncoder } from "../support/fake_transport.ts";
import { TestNode } from "../support/node.ts";

Deno.test("Hub.open() greets a session with the position at which it begins", async () => {
  const node = new TestNode();
  await node.publish(["a x", "b y"]);
  const { transport, session } = node.open(["a"]);
  assertEquals(transport.take(), [`welcome ${node.epoch}-2`]);
  assertEquals(node.hub.position, node.at(2));
  assertEquals(node.hub.positionId, `${node.epoch}-2`);
  assertStrictEquals(node.hub.get(session.id), session);
  assertEquals([...node.hub.sessions()], [session]);
  await node.close();
});

Deno.test("Hub.begin() ends every session before it could miss anything", async () => {
  const node = new TestNode();
  await node.publish(["a x"]);
  const live = await node.connect(["a"]);
  const replaying = node.open(["a"], { since: node.at(0) });
  live.transport.take();
  node.hub.begin({ epoch: "other", offset: 7 });
  const [later] = await node.publish(["a y"]);
  assertEquals([live.transport.closed, replaying.transport.closed], [
    DISCONNECTS.shutdown,
    DISCONNECTS.shutdown,
  ]);
  assertEquals([...live.transport.take(), ...replaying.transport.take()], []);
  assertEquals([node.hub.size, node.hub.subscribers.channels, node.left.length], [0, 0, 2]);
  assertEquals(node.hub.position, { epoch: "other", offset: later!.offset });
  const { transport } = node.open(["a"]);
  assertEquals(transport.take(), [`welcome other-${later!.offset}`]);
  await node.close();
});

Deno.test("HubSink broadcasts the publications of a broker, and reports whether publishing works", async () => {
  const node = new TestNode();
  const lines: unknown[] = [];
  const log = createLog({
    format: "json",
    level: "info",
    linesPerPeerMax: 3,
    write: (line) => lines.push(JSON.parse(line)),
    now: () => 0,
  });
  const seconds: number[] = [];
  const fanoutSeconds = { observe: (each: number) => void seconds.push(each) };
  const sink = new HubSink({
    hub: node.hub,
    clock: node.clock,
    log,
    fanoutSeconds,
  });
  const [message] = await node.publish(["a x"]);
  sink.reset({ epoch: "other", offset: 3 });
  const { transport } = node.open(["a"]);
  sink.deliver(new Publication({ epoch: "other", offset: 4 }, message!, 0));
  assertEquals(transport.take(), ["welcome other-3", "4 a x"]);
  assertEquals(seconds, [0]);
  sink.health(false, "cut off");
  sink.health(true, "");
  const line = { time: "1970-01-01T00:00:00.000Z", level: "warn" };
  assertEquals(lines, [
    { ...line, message: "publishing does not work", why: "cut off" },
    { ...line, message: "publishing works again" },
  ]);
  await node.close();
});

Deno.test("Hub.open() gives the encoder all that a welcome can say", async () => {
  const node = new TestNode({ greeting: "Hello" });
  await node.publish(["a x"]);
  const welcomes: unknown[] = [];
  const encoder = { ...lineEncoder(), welcome: (welcome: unknown) => void welcomes.push(welcome) };
  const transports = [new FakeTransport(encoder), new FakeTransport(encoder)];
  const begun = node.open(["a"], {}, transports[0]);
  const resumed = node.open(["a"], { since: { epoch: "old", offset: 7 } }, transports[1]);
  await node.clock.settle();
  const { epoch } = node;
  assertEquals(welcomes, [
    {
      client: begun.session.id,
      position: `${epoch}-1`,
      recovered: undefined,
      since: undefined,
      greeting: "Hello",
      expiresInMs: undefined,
    },
    {
      client: resumed.session.id,
      position: `${epoch}-0`,
      recovered: false,
      since: "old-7",
      greeting: "Hello",
      expiresInMs: undefined,
    },
  ]);
  assertEquals(transports.map((transport) => transport.take()), [[], ["1 a x"]]);
  await node.close();
});

Deno.test("Hub.broadcast() reaches each session once, by its channels and its patterns", async () => {
  const node = new TestNode();
  const table: [string[], string[]][] = [
    [["news"], ["1 news x"]],
    [["news.uk"], ["2 news.uk y"]],
    [["news.*"], ["2 news.uk y"]],
    [["*"], ["1 news x", "2 news.uk y", "3 other z"]],
    [["*", "news", "news.uk", "news.*"], ["1 news x", "2 news.uk y", "3 other z"]],
    [["news", "other"], ["1 news x", "3 other z"]],
    [[], []],
  ];
  const clients = table.map(([channels]) => node.open(channels));
  for (const { transport } of clients) transport.take();
  await node.publish(["news x", "news.uk y", "other z"]);
  assertEquals(clients.map(({ transport }) => transport.take()), table.map(([, had]) => had));
  const frames = table.flatMap(([, had]) => had);
  assertEquals(node.deliveries.total, frames.length);
  assertEquals(node.deliveredBytes.total, frames.join("").length);
  await node.close();
});

Deno.test("Hub.broadcast() encodes once for each encoder, and then forgets the bytes", async () => {
  const node = new TestNode();
  const calls: number[] = [];
  const encoder = {
    ...lineEncoder(),
    message: ({ offset }: Publication) => {
      calls.push(offset);
      return [`${offset}`, new Uint8Array(1)];
    },
  };
  const clients = [1, 2, 3].map(() => node.open(["a"], {}, new FakeTransport(encoder)));
  for (const { transport } of clients) transport.take();
  const published = await node.publish(["a x", "a y"]);
  assertEquals(calls, [1, 2]);
  for (const { transport } of clients) {
    assertStrictEquals(transport.frames[0], clients[0]!.transport.frames[0]);
  }
  assertEquals([node.deliveries.total, node.deliveredBytes.total], [6, 12]);
  published[0]!.encoded(encoder);
  assertEquals(calls, [1, 2, 1]);
  await node.close();
});

Deno.test("Hub counts its sessions and channels, and lets every trace of them go", async () => {
  const node = new TestNode();
  const a = node.open(["a", "b.*", "broadcast"]);
  const b = node.open(["a", "a"]);
  const { hub } = node;
  assertEquals([
    hub.size,
    hub.subscribers.channels,
    hub.subscribers.count("a"),
    hub.subscribers.count("b.*"),
    hub.subscribers.count("c"),
  ], [
    2,
    3,
    2,
    1,
    0,
  ]);
  assertEquals([...hub.subscribers.of("a")], [a.session, b.session]);
  assertEquals([...hub.subscribers.of("c")], []);
  await a.session.unsubscribe(["a", "c"]);
  assertEquals([hub.subscribers.count("a"), hub.subscribers.channels], [1, 3]);
  b.session.lost("gone");
  assertEquals([
    hub.size,
    hub.subscribers.count("a"),
    hub.subscribers.channels,
    hub.get(b.session.id),
  ], [
    1,
    0,
    2,
    undefined,
  ]);
  a.session.end(DISCONNECTS.expired);
  assertEquals([hub.size, hub.subscribers.channels], [0, 0]);
  assertEquals(node.left, ["gone", "expired"]);
  await node.close();
});

Deno.test("Hub.present() counts the sessions on a channel by its name, and lists the first", async () => {
  const node = new TestNode();
  const [ann, bob] = ["ann", "bob"].map((name) =>
    node.open(["room"], {}, new FakeTransport(), name)
  );
  node.open(["*"]);
  const entries = [ann!, bob!].map(({ session }) => session.presenceOn("room"));
  assertEquals(node.hub.present("room", 10), { count: 2, entries });
  assertEquals(node.hub.present("room", 1), { count: 2, entries: entries.slice(0, 1) });
  assertEquals(node.hub.present("room", 0), { count: 2, entries: [] });
  assertEquals(node.hub.present("nobody", 10), { count: 0, entries: [] });
  await node.close();
});

Deno.test("Hub.open() refuses too many channels, with nothing changed", async () => {
  const node = new TestNode({ channelsPerSessionMax: 2, channelsMax: 4 });
  const { hub } = node;
  const transport = new FakeTransport();
  const open = (channels: string[]) => () => void node.open(channels, {}, transport);
  assertThrows(open(["a", "b", "c"]), Refusal, "a session has at most 2 channels");
  assertEquals([hub.size, hub.subscribers.channels, transport.frames, node.left], [0, 0, [], []]);
  // A name given twice, and the channel of all clients, do not count.
  node.open(["a", "b", "a", "broadcast", "b"]);
  node.open(["a", "c"]);
  assertEquals(hub.subscribers.channels, 4);
  assertThrows(open(["d"]), Refusal, "the server has 4 channels");
  node.open(["a", "c"]);
  assertEquals([hub.size, hub.subscribers.channels], [3, 4]);
  await node.close();
});

Deno.test("Hub.open() counts a channel that is named twice once for the server's bound", async () => {
  const node = new TestNode({ channelsMax: 2 });
  node.open(["a", "a", "b", "b"]);
  assertEquals(node.hub.subscribers.channels, 2);
  await node.close();
});

Deno.test("Hub lets an address begin half of the channels that the others leave", async () => {
  const node = new TestNode({
    channelsMax: 20,
    channelsPerSessionMax: 20,
    isShared: (address) => address === "::1",
  });
  const begin = async (address: string, prefix = address) => {
    const { session } = node.open([], {}, undefined, undefined, address);
    for (let count = 0;; count++) {
      try {
        await session.subscribe([`${prefix}:${count}`]);
      } catch (error) {
        assert(error instanceof Refusal);
        return [count, error.message.split(";")[0]];
      }
    }
  };
  const refusal = (count: number) =>
    `Cannot subscribe: ${count} of the server's 20 channels were begun from your address, and the rest is for others`;
  assertEquals(await begin("a"), [10, refusal(10)]);
  assertEquals(await begin("a", "more"), [0, refusal(10)]);
  assertEquals(await begin("b"), [5, refusal(5)]);
  // Where somebody is already, there is room for anyone.
  node.open(["b:0"], {}, undefined, undefined, "a");
  assertEquals(await begin("::1"), [5, "Cannot subscribe: the server has 20 channels"]);
  for (const session of [...node.hub.sessions()]) {
    if (session.peer.address !== "::1") session.lost("gone");
  }
  assertEquals(await begin("a"), [8, refusal(8)]);
  await node.close();
});

Deno.test("Hub ends a slow session at once with 4001, and no other with it", async () => {
  const node = new TestNode({ outboundBytesMax: 100 });
  const [slow, full, quick] = [1, 2, 3].map(() => node.open(["a", "b"]));
  for (const { transport } of [slow!, full!, quick!]) transport.take();
  full!.transport.bufferedBytes = 100;
  slow!.transport.bufferedBytes = 101;
  await node.publish(["a x"]);
  assertEquals(slow!.transport.closed, {
    name: "slow",
    code: 4001,
    reason: "slow: too much unsent",
  });
  assertEquals(slow!.transport.take(), []);
  assertEquals([slow!.session.ended, node.left, node.hub.size], [true, ["slow"], 2]);
  assertEquals(node.hub.subscribers.count("a"), 2);
  for (const { transport } of [full!, quick!]) assertEquals(transport.take(), ["1 a x"]);
  assertEquals(node.deliveries.total, 2);
  slow!.transport.bufferedBytes = 0;
  await node.publish(["b y"]);
  assertEquals([slow!.transport.take(), node.left], [[], ["slow"]]);
  await node.close();
});

Deno.test("Hub reports and ends a session that the broker failed", async () => {
  const node = new TestNode();
  const error = new Error("disk on fire");
  node.beforeHistory = () => Promise.reject(error);
  const { transport } = await node.connect(["a"], { since: node.at(0) });
  assertEquals(transport.closed, { name: "failed", code: 1011, reason: "internal error" });
  assertEquals([
    transport.take(),
    node.left,
    node.errors,
    node.hub.size,
    node.hub.subscribers.channels,
  ], [
    [],
    ["failed"],
    [error],
    0,
    0,
  ]);
  await node.close();
});

Deno.test("Hub.drain() spreads the end of sessions evenly over its time", async () => {
  const node = new TestNode();
  const clients = Array.from({ length: 100 }, () => node.open(["a"]));
  const drained = node.hub.drain(1000);
  const left: number[] = [];
  for (let at = 0; at < 1000; at += 100) {
    left.push(node.hub.size);
    await node.clock.pass(100);
  }
  assertEquals(left, [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
  await drained;
  for (const { transport } of clients) assertEquals(transport.closed, DISCONNECTS.shutdown);
  assertEquals(node.left, Array.from(clients, () => "shutdown"));
  await node.close();
});

Deno.test("Hub.drain() takes no time if it is given none or there is no session", async () => {
  const node = new TestNode();
  await node.hub.drain(5000);
  for (let count = 0; count < 25; count++) node.open(["a"]);
  await node.hub.drain(0);
  assertEquals([node.hub.size, node.left.length, node.left[0]], [0, 25, "shutdown"]);
  await node.close();
});

Deno.test("Hub.drain() leaves those that leave last to close()", async () => {
  const node = new TestNode();
  const first = node.open(["a"]);
  const last = node.open(["a"], {}, Object.assign(new FakeTransport(), { leavesLast: true }));
  await node.hub.drain(1000);
  assertEquals([first.session.ended, last.session.ended], [true, false]);
  let isDone = false;
  node.hub.drain(1000, true).then(() => isDone = true);
  await node.clock.pass(999);
  assertEquals(isDone, false);
  await node.clock.pass(1);
  assertEquals(isDone, true);
  node.hub.close();
  assertEquals([last.transport.closed, node.hub.size], [DISCONNECTS.shutdown, 0]);
  await node.close();
});

Deno.test("Hub.drain() ends sessions that open meanwhile too, and ends in time", async () => {
  const node = new TestNode();
  for (let count = 0; count < 10; count++) node.open(["a"]);
  let done = false;
  const drained = node.hub.drain(950).then(() => done = true);
  for (let step = 0; step < 9; step++) {
    for (let count = 0; count < 7; count++) node.open(["a"]);
    await node.clock.pass(100);
  }
  assertEquals([done, node.hub.size > 0], [false, true]);
  await node.clock.pass(50);
  assertEquals([done, node.hub.size], [true, 0]);
  await drained;
  await node.close();
});
