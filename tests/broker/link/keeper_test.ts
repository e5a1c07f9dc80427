import { DOUBT_MS } from "../../../lib/broker/replica.ts";
import { assertEquals, assertRejects } from "@std/assert";
import type { Kept, StoredRecords } from "../../../lib/broker/journal.ts";
import {
  encodeFrame,
  encodeMessage,
  FrameDecoder,
  type Message,
} from "../../../lib/broker/link/codec.ts";
import { LinkConnection, LinkEnded } from "../../../lib/broker/link/connection.ts";
import { LinkJournal } from "../../../lib/broker/link/journal.ts";
import type { LogBroker } from "../../../lib/broker/log_broker.ts";
import { MemoryJournal } from "../../../lib/broker/memory.ts";
import type { PeerListener, PeerMessage, Peers } from "../../../lib/broker/peers.ts";
import { Refusal } from "../../../lib/core/errors.ts";
import { deadline, eventually } from "../../support/deadline.ts";
import { Inbox } from "../../support/inbox.ts";
import { FaultyJournal } from "../faulty_journal.ts";
import { publishOnce } from "../keys_contract.ts";
import {
  brokerOn,
  Deliveries,
  draft,
  fields,
  type Limits,
  publish,
  publishOn,
  readAfter,
  summary,
  TurningClock,
} from "../helpers.ts";
import { TestKeeper } from "./helpers.ts";

interface Follower {
  readonly broker: LogBroker;
  readonly link: LinkJournal;
  readonly deliveries: Deliveries;
}

/** A broker on a link to the keeper; closed with the test. */
async function follow(
  { path }: TestKeeper,
  clock: TurningClock,
  closing: AsyncDisposableStack,
  limits?: Limits,
): Promise<Follower> {
  const link = new LinkJournal(path);
  const broker = brokerOn(link, clock, limits);
  const deliveries = new Deliveries();
  closing.defer(() => broker.close());
  await broker.start(deliveries);
  return { broker, link, deliveries };
}

Deno.test("all followers get the same in one order, whichever publishes", async () => {
  const clock = new TurningClock();
  await using keeper = await new TestKeeper(clock).ready();
  await using closing = new AsyncDisposableStack();
  const followers = await Promise.all([1, 2, 3].map(() => follow(keeper, clock, closing)));
  const published = followers.flatMap(({ broker }, index) =>
    Array.from({ length: 100 }, (_, at) => publish(broker, [draft(`c${index}`, `${at}`)]))
  );
  assertEquals(new Set((await Promise.all(published)).flat()).size, 300);
  for (const { deliveries } of followers) await deliveries.offsets(300);
  const [first, ...others] = followers.map(({ deliveries }) => deliveries.publications.map(fields));
  assertEquals(first!.map(({ offset }) => offset), Array.from({ length: 300 }, (_, at) => at + 1));
  for (const other of others) assertEquals(other, first);
  assertEquals(keeper.errors, []);
});

Deno.test("a later follower gets what is kept, its callers, and what is gone", async () => {
  const clock = new TurningClock();
  await using keeper = await new TestKeeper(clock).ready();
  await using closing = new AsyncDisposableStack();
  const { broker } = await follow(keeper, clock, closing);
  await publish(broker, [draft("b")], "one");
  for (let count = 0; count < 1500; count++) await publish(broker, [draft(`a${count % 7}`)], "two");
  await publish(broker, [draft("b")], "two");
  clock.advance(1000);

  const late = await follow(keeper, clock, closing);
  assertEquals(late.broker.position, broker.position);
  assertEquals(late.broker.stats(), broker.stats());
  const [kept, expected] = await Promise.all(
    [late.broker, broker].map((each) => readAfter(each, undefined)),
  );
  assertEquals(kept!.publications.map(fields), expected!.publications.map(fields));
  assertEquals(
    summary(await readAfter(late.broker, 1, ["a0"])),
    summary(await readAfter(broker, 1, ["a0"])),
  );
  assertEquals(inOrder(late.broker.kept()), inOrder(broker.kept()));
  assertEquals(await publishOn(broker, "c"), [1503]);
  assertEquals(await late.deliveries.offsets(1), [1503]);
});

Deno.test("what is published while a follower loads the log comes after it", async () => {
  const clock = new TurningClock();
  await using keeper = await new TestKeeper(clock).ready();
  await using closing = new AsyncDisposableStack();
  const limits = { historyCount: 5000 };
  const { broker } = await follow(keeper, clock, closing, limits);
  const large = JSON.stringify("x".repeat(2000));
  await publish(broker, Array.from({ length: 90 }, (_, at) => draft(`c${at}`, large)));
  for (let round = 0; round < 20; round++) {
    const late = follow(keeper, clock, closing, limits);
    const published = publishOn(broker, "a", "b");
    const { deliveries, broker: follower } = await late;
    const last = (await published).at(-1)!;
    await eventually(() => follower.position.offset, (offset) => offset === last);
    const { publications } = await readAfter(follower, 90);
    assertEquals(publications.map(({ offset }) => offset), range(91, last));
    assertEquals(deliveries.events, [`reset to ${last - deliveries.publications.length} after 0`]);
  }
});

Deno.test("a key counts once, whichever follower gets it", async () => {
  const clock = new TurningClock();
  await using keeper = await new TestKeeper(clock).ready();
  await using closing = new AsyncDisposableStack();
  const [a, b] = await Promise.all([1, 2].map(() => follow(keeper, clock, closing)));
  const [first, again] = await Promise.all([
    publishOnce(a!.broker, "x"),
    publishOnce(b!.broker, "x"),
  ]);
  assertEquals(first, again);
  const late = await follow(keeper, clock, closing);
  assertEquals(await publishOnce(late.broker, "x"), first);
  const other = publishOnce(late.broker, "x", { fingerprint: "other" });
  assertEquals((await assertRejects(() => other, Refusal)).type, "conflict");
});

Deno.test("all followers go on after a gap, and begin again with another log", async () => {
  const clock = new TurningClock();
  const journal = new FaultyJournal(new MemoryJournal(clock));
  await using keeper = await new TestKeeper(clock, journal).ready();
  await using closing = new AsyncDisposableStack();
  const { broker, deliveries } = await follow(keeper, clock, closing);
  await publishOn(broker, "a");
  journal.skip(10);
  assertEquals(await publishOn(broker, "a"), [12]);
  assertEquals(deliveries.events.slice(1), []);
  const late = await follow(keeper, clock, closing);
  await clock.pass(DOUBT_MS);
  for (const each of [broker, late.broker]) {
    assertEquals((await readAfter(each, 5)).complete, false);
    assertEquals((await readAfter(each, 1)).complete, true);
  }
  const { epoch } = broker.position;
  await journal.replace(new MemoryJournal(clock));
  const isAnew = (each: LogBroker) => each.position.epoch !== epoch;
  await eventually(() => clock.pass(3000), () => isAnew(broker) && isAnew(late.broker));
  assertEquals(broker.position, late.broker.position);
});

Deno.test("a follower cannot publish while its keeper is gone, and still reads", async () => {
  const clock = new TurningClock();
  await using closing = new AsyncDisposableStack();
  const keeper = await new TestKeeper(clock).ready();
  const { broker, deliveries } = await follow(keeper, clock, closing);
  await publishOn(broker, "a");
  await keeper[Symbol.asyncDispose]();
  assertEquals(await deliveries.eventsAfterStart(1), [
    "down: the other process has closed the link",
  ]);
  const refusal = await assertRejects(() => publishOn(broker, "a"), Refusal);
  assertEquals(refusal.type, "unavailable");
  assertEquals(summary(await readAfter(broker, undefined)).offsets, [1]);
});

Deno.test("followers get the messages of each other in order, and learn that one is gone", async () => {
  const clock = new TurningClock();
  await using keeper = await new TestKeeper(clock).ready();
  await using closing = new AsyncDisposableStack();
  const links = await Promise.all(
    [1, 2, 3].map(async () => (await follow(keeper, clock, closing)).link),
  );
  const heard = links.map((link) => {
    const inbox = new Inbox<readonly [string, PeerMessage]>();
    link.listen({ onMessage: (node, message) => inbox.push([node, message]) });
    return inbox;
  });
  const [a, b] = links as [LinkJournal, LinkJournal, LinkJournal];
  for (let n = 0; n < 3; n++) a.tell({ type: "x", n });
  for (const inbox of heard.slice(1)) {
    for (let n = 0; n < 3; n++) assertEquals(await inbox.next(), [a.node, { type: "x", n }]);
  }
  b.tell({ type: "y" });
  assertEquals(await heard[0]!.next(), [b.node, { type: "y" }]);
  await a.close();
  assertEquals(await heard[2]!.next(), [b.node, { type: "y" }]);
  assertEquals(await heard[2]!.next(), [a.node, { type: "bye" }]);
});

Deno.test("followers and the nodes of other machines get the messages of each other", async () => {
  const clock = new TurningClock();
  const relayed = new Inbox<readonly [string, readonly PeerMessage[]]>();
  const { promise: listening, resolve } = Promise.withResolvers<PeerListener>();
  const peers: Peers = {
    node: "parent",
    listen: resolve,
    tell() {},
    relay: (node, messages) => relayed.push([node, messages]),
  };
  const journal = Object.assign(new MemoryJournal(clock), { peers });
  await using keeper = await new TestKeeper(clock, journal).ready();
  await using closing = new AsyncDisposableStack();
  const [a, b] = await Promise.all(
    [1, 2].map(async () => (await follow(keeper, clock, closing)).link),
  );
  const heard = [a!, b!].map((link) => {
    const inbox = new Inbox<readonly [string, PeerMessage]>();
    link.listen({ onMessage: (node, message) => inbox.push([node, message]) });
    return inbox;
  });
  (await listening).onMessage("far", { type: "x" });
  for (const inbox of heard) assertEquals(await inbox.next(), ["far", { type: "x" }]);
  a!.tell({ type: "y" });
  assertEquals(await relayed.next(), [a!.node, [{ type: "y" }]]);
  assertEquals(await heard[1]!.next(), [a!.node, { type: "y" }]);
  await a!.close();
  assertEquals(await relayed.next(), [a!.node, [{ type: "bye" }]]);
});

Deno.test("followers answer calls, until they are gone", async () => {
  const clock = new TurningClock();
  await using keeper = await new TestKeeper(clock).ready();
  await using closing = new AsyncDisposableStack();
  const links = await Promise.all(
    [1, 2, 3].map(async () => (await follow(keeper, clock, closing)).link),
  );
  const [a, b, c] = links as [LinkJournal, LinkJournal, LinkJournal];
  a.answer("how", () => "well");
  b.answer("how", () => ({ so: 1 }));
  const ask = async () => {
    const answers = new Map<string, unknown>();
    await keeper.keeper.ask("how", (node, answer) => answers.set(node, answer));
    return answers;
  };
  assertEquals(await ask(), new Map<string, unknown>([[a.node, "well"], [b.node, { so: 1 }]]));
  c.answer("how", () => {
    throw new Error("which ends the link");
  });
  assertEquals((await ask()).size, 2);
  assertEquals(keeper.errors, []);
});

Deno.test("records of followers are stored where the log is kept, for all followers", async () => {
  const clock = new TurningClock();
  const stored = new Map<string, string>([["a", "1"], ["b", "2"]]);
  const records: StoredRecords = {
    read: () => [...stored.values()],
    change(changes) {
      for (const [key, text] of changes) {
        if (text === undefined) stored.delete(key);
        else stored.set(key, text);
      }
    },
  };
  const journal = Object.assign(new MemoryJournal(clock), { records });
  await using keeper = await new TestKeeper(clock, journal).ready();
  const link = new LinkJournal(keeper.path);
  await link.open();
  assertEquals(link.records.read(), ["1", "2"]);
  // Whoever waits for it may rely on it, whatever becomes of both processes.
  await link.records.change(new Map([["a", undefined], ["c", "3"]]));
  assertEquals([...stored], [["b", "2"], ["c", "3"]]);
  for (let at = 0; at < 2000; at++) stored.set(`${at}`, `${at}`);
  const late = new LinkJournal(keeper.path);
  await late.open();
  assertEquals(late.records.read(), [...stored.values()]);
  assertEquals(stored.get("a"), undefined);
  await link.close();
  await late.close();
  await link.records.change(new Map([["d", "4"]]));
  assertEquals(stored.has("d"), false);
});

Deno.test("the entries of a batch and the answer to it come in one frame", async () => {
  const clock = new TurningClock();
  await using keeper = await new TestKeeper(clock).ready();
  using conn = await Deno.connect({ transport: "unix", path: keeper.path });
  const frame = async (...messages: readonly Message[]): Promise<string[]> => {
    await conn.write(encodeFrame(messages.map(encodeMessage)));
    const buffer = new Uint8Array(10_000);
    const length = await conn.read(buffer);
    const bytes = buffer.subarray(0, length ?? 0);
    assertEquals(new DataView(bytes.buffer).getUint32(0), bytes.length - 4);
    return new FrameDecoder().push(bytes).map(([name]) => name);
  };
  assertEquals(await frame(["hello", "x"], ["open"]), ["log", "opened"]);
  const draft = ["a", "message", "1"];
  const once = { caller: "a", key: "k", fingerprint: "f" };
  assertEquals(await frame(["call", 1, "append", [draft], {}]), ["entries", "done"]);
  assertEquals(await frame(["call", 2, "append", [draft], { once }]), ["entries", "done"]);
  assertEquals(await frame(["call", 3, "append", [draft], { once }]), ["done"]);
});

Deno.test("a follower may get more entries before it follows than a call may have arguments", async () => {
  await using keeper = await new TestKeeper(new TurningClock()).ready();
  const link = new LinkJournal(keeper.path);
  const { position } = await link.open();
  await link.append({ drafts: Array.from({ length: 150_000 }, () => draft("a", "1")) });
  let count = 0;
  link.follow(position, {
    onEntries: (entries) => count += entries.length,
    onHealth() {},
    onLost() {},
  });
  assertEquals(count, 150_000);
  await link.close();
});

Deno.test("a call rejects if the link is over, or ends before the answer", async () => {
  await using keeper = await new TestKeeper(new TurningClock()).ready();
  const conn = await Deno.connect({ transport: "unix", path: keeper.path });
  const connection = new LinkConnection(conn, { onMessage() {}, onCall() {} });
  keeper.keeper.answer("never", () => new Promise(() => {}));
  const calling = assertRejects(() => connection.call("never"), LinkEnded, "enough");
  connection.close("enough");
  await calling;
  await deadline(assertRejects(() => connection.call("never"), LinkEnded, "enough"));
});

Deno.test("a follower that sends no valid frame is disconnected, and the others stay", async () => {
  const clock = new TurningClock();
  await using keeper = await new TestKeeper(clock).ready();
  await using closing = new AsyncDisposableStack();
  const { broker } = await follow(keeper, clock, closing);
  for (const bytes of [[255, 255, 255, 255], [0, 0, 0, 2, 0x7b, 0x7d], [0, 0, 0, 9]]) {
    using conn = await Deno.connect({ transport: "unix", path: keeper.path });
    await conn.write(new Uint8Array(bytes));
    if (bytes.length > 4 || bytes[0] === 255) {
      assertEquals(await conn.read(new Uint8Array(1)), null);
    }
  }
  assertEquals(await publishOn(broker, "a"), [1]);
});

function inOrder(kept: Kept | undefined): Kept {
  return { ...kept!, lostOffsets: kept!.lostOffsets.toSorted(([a], [b]) => a < b ? -1 : 1) };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}
