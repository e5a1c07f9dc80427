import { DOUBT_MS } from "../../lib/broker/replica.ts";
import { assertEquals } from "@std/assert";
import type { Journal } from "../../lib/broker/journal.ts";
import type { LogBroker } from "../../lib/broker/log_broker.ts";
import type { Clock } from "../../lib/core/clock.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { eventually } from "../support/deadline.ts";
import { random, randomInteger } from "../support/random.ts";
import { testsOn } from "./contract_tests.ts";
import { FaultyJournal } from "./faulty_journal.ts";
import { brokerOn, Deliveries, draft, publish, publishOn, readAfter, summary } from "./helpers.ts";

/** Longer than a broker waits before it opens a journal again, and than it waits for what is kept. */
const LONG_MS = 10_000;

/** Tests what a broker makes of a feed with faults. */
export function feedContract(
  name: string,
  create: (clock: Clock) => Journal,
  canReopen: boolean,
): void {
  const test = testsOn(name, (clock) => new FaultyJournal(create(clock)));
  const completeAfter = async (broker: LogBroker, since: number) =>
    (await readAfter(broker, since)).complete;

  test("knows where the log begins once it has started", async ({ broker, clock }) => {
    const other = brokerOn(create(clock), clock);
    const deliveries = new Deliveries();
    const position = await other.start(deliveries);
    assertEquals([position, position.offset], [other.position, 0]);
    assertEquals(deliveries.events, ["reset to 0 after 0"]);
    assertEquals(position.epoch === broker.position.epoch, false);
    await other.close();
  });

  test("never ignores that an offset is missing", async (context) => {
    const { broker, journal, deliveries } = context;
    await publishOn(broker, "a");
    journal.isSilent = true;
    const silent = publishOn(broker, "b");
    await eventually(() => journal.swallowed, (count) => count === 1);
    journal.isSilent = false;
    const later = await publishOn(broker, "c");
    assertEquals([await silent, later], [[2], [3]]);
    const down = "down: the feed left out what comes after 1";
    if (canReopen) {
      assertEquals(await deliveries.offsets(3), [1, 2, 3]);
      assertEquals(await deliveries.eventsAfterStart(2), [down, "up"]);
      assertEquals(summary(await readAfter(broker, 0)).offsets, [1, 2, 3]);
    } else {
      assertEquals(await deliveries.eventsAfterStart(3), [down, "reset to 3 after 1", "up"]);
      assertEquals(await deliveries.offsets(1), [1]);
    }
    assertEquals([await completeAfter(broker, 1), broker.position.offset], [canReopen, 3]);
    assertEquals(await publishOn(broker, "a"), [4]);
    assertEquals((await deliveries.offsets(1)).at(-1), 4);
  });

  test("ignores what the feed repeats", async ({ broker, journal, deliveries }) => {
    await publish(broker, [draft("a"), draft("b")]);
    journal.skip(10);
    await publishOn(broker, "a");
    journal.repeat();
    assertEquals(await publishOn(broker, "b"), [14]);
    assertEquals(await deliveries.offsets(4), [1, 2, 13, 14]);
    assertEquals(deliveries.events.slice(1), []);
    assertEquals(broker.stats().publications, 4);
  });

  test("goes on after a gap, and knows which positions it makes incomplete", async (context) => {
    const { broker, journal, clock, deliveries } = context;
    await publishOn(broker, "a", "a");
    journal.skip(100);
    assertEquals(broker.position.offset, 102);
    assertEquals(await publishOn(broker, "a"), [103]);
    assertEquals(await deliveries.offsets(3), [1, 2, 103]);
    assertEquals(deliveries.events.slice(1), []);
    const complete = () =>
      Promise.all([1, 2, 3, 101, 102, 103].map((since) => completeAfter(broker, since)));
    assertEquals(await complete(), [false, false, false, false, true, true]);
    // Nobody has said meanwhile that more was seen than was kept.
    await clock.pass(DOUBT_MS);
    assertEquals(await complete(), [true, true, false, false, true, true]);
    assertEquals(summary(await readAfter(broker, 50)).offsets, [103]);
  });

  test("calls no position before a gap complete if a client has seen what is lost", async (context) => {
    const { broker, journal, deliveries } = context;
    await publishOn(broker, "a", "a");
    journal.skip(100, { seen: 5 });
    assertEquals(await deliveries.eventsAfterStart(1), ["reset to 102 after 2"]);
    const complete = [1, 2, 5, 101, 102].map((since) => completeAfter(broker, since));
    assertEquals(await Promise.all(complete), [false, false, false, false, true]);
  });

  test("drops what the log has lost at its end", async (context) => {
    const { broker, journal, deliveries } = context;
    await publishOn(broker, "a", "b", "b");
    journal.skip(100, { lost: 2 });
    assertEquals((await deliveries.eventsAfterStart(3)).slice(1), ["reset to 103 after 3", "up"]);
    assertEquals(summary(await readAfter(broker, undefined)).offsets, canReopen ? [1] : []);
    assertEquals(await completeAfter(broker, 2), false);
    assertEquals(await publishOn(broker, "a"), [104]);
  });

  test("reads what came while the feed was lost", async (context) => {
    const { broker, journal, deliveries } = context;
    await publishOn(broker, "a");
    journal.isSilent = true;
    const silent = publishOn(broker, "b", "a");
    await eventually(() => journal.swallowed, (count) => count === 2);
    journal.isSilent = false;
    journal.lose("cut off");
    assertEquals(await silent, [2, 3]);
    const expected = canReopen ? [] : ["reset to 3 after 1"];
    const events = await deliveries.eventsAfterStart(2 + expected.length);
    assertEquals(events, ["down: cut off", ...expected, "up"]);
    assertEquals(await publishOn(broker, "a"), [4]);
    const all = canReopen ? [1, 2, 3, 4] : [1, 4];
    assertEquals(await deliveries.offsets(all.length), all);
  });

  test("loses nothing if the feed is lost while nothing is published", async (context) => {
    const { broker, journal, deliveries } = context;
    await publishOn(broker, "a");
    journal.lose("cut off");
    assertEquals(await deliveries.eventsAfterStart(2), ["down: cut off", "up"]);
    assertEquals(await publishOn(broker, "a"), [2]);
    assertEquals(summary(await readAfter(broker, 0)).offsets, [1, 2]);
    assertEquals(await completeAfter(broker, 0), true);
  });

  test("begins again with another log", async ({ broker, journal, clock, deliveries }) => {
    await publishOn(broker, "a", "a");
    const before = broker.position;
    const waiting = broker.reached({ ...before, offset: 3 }, LONG_MS);
    await journal.replace(create(clock));
    const events = await deliveries.eventsAfterStart(3);
    assertEquals(events, ["down: replaced", "reset to 0 after 2", "up"]);
    assertEquals([await waiting, await broker.reached(before, LONG_MS)], [false, false]);
    assertEquals(broker.position.epoch === before.epoch, false);
    const page = await broker.history({ channels: ["*"], since: before, limit: 10 });
    assertEquals(summary(page), {
      offsets: [],
      complete: false,
      lostOffset: 0,
      position: 0,
      more: false,
    });
    assertEquals(await publishOn(broker, "a"), [1]);
  });

  test("counts appends, reconnects, reloads and gaps", async ({ clock }) => {
    const journal = new FaultyJournal(create(clock));
    const counts = { appends: 0, reconnects: 0, reloads: 0, gaps: 0 };
    const counter = (what: keyof typeof counts) => ({ inc: () => void counts[what]++ });
    const metrics = {
      appendSeconds: { observe: () => void counts.appends++ },
      reconnects: counter("reconnects"),
      reloads: counter("reloads"),
      gaps: counter("gaps"),
    };
    const broker = brokerOn(journal, clock, { metrics });
    await broker.start(new Deliveries());
    await publishOn(broker, "a", "a");
    assertEquals(counts, { appends: 2, reconnects: 0, reloads: 0, gaps: 0 });
    journal.report(false);
    journal.report(true);
    journal.skip(10);
    assertEquals(counts, { appends: 2, reconnects: 1, reloads: 0, gaps: 1 });
    await journal.replace(create(clock));
    await clock.pass(LONG_MS);
    await eventually(() => broker.isUp, (isUp) => isUp);
    assertEquals(counts, { appends: 2, reconnects: 2, reloads: 1, gaps: 1 });
    await broker.close();
  });

  test("delivers each offset once and in order, or resets, whatever the feed does", async (context) => {
    const { broker, journal, clock, deliveries } = context;
    const next = random(3);
    const steps: string[] = [];
    deliveries.onDelivery = ({ offset }) => void steps.push(`deliver ${offset}`);
    deliveries.onReset = ({ offset }) => void steps.push(`reset ${offset}`);
    const outcomes: Promise<unknown>[] = [];
    let isMoved = false;
    for (let round = 0; round < 300; round++) {
      const drafts = Array.from({ length: 1 + randomInteger(next, 2) }, () => draft("a"));
      outcomes.push(broker.publish({ drafts }).catch((error) => error));
      if (next() < 0.3) await clock.settle();
      const choice = next();
      if (choice < 0.1) journal.isSilent = true;
      else if (choice < 0.3) journal.isSilent = false;
      else if (choice < 0.35) journal.lose("cut off");
      else if (choice < 0.4) journal.repeat();
      else if (choice < 0.42 && !isMoved && !journal.isSilent) {
        await clock.settle();
        journal.skip(1000, { seen: 1 });
        isMoved = true;
      }
    }
    journal.isSilent = false;
    journal.lose("the end");
    await clock.pass(LONG_MS);
    const refused = (await Promise.all(outcomes)).filter((outcome) => outcome instanceof Error);
    assertEquals(refused.every((error) => error instanceof Refusal), true);
    await eventually(() => broker.isUp, (isUp) => isUp);
    assertEquals([await publishOn(broker, "a"), isMoved], [[broker.position.offset], true]);
    let at = 0;
    for (const step of steps) {
      const [what, offset] = step.split(" ");
      assertEquals(
        step,
        what === "reset" ? `reset ${Math.max(at, Number(offset))}` : `deliver ${at + 1}`,
      );
      at = Number(offset);
    }
    assertEquals(at, broker.position.offset);
    if (canReopen) assertEquals(steps.filter((step) => step.startsWith("reset")).length, 1);
  });

  test("reached() waits for what this node has not seen yet", async ({ broker, clock }) => {
    const at = (offset: number) => ({ ...broker.position, offset });
    await publishOn(broker, "a");
    assertEquals(await broker.reached(at(0), 0), true);
    assertEquals(await broker.reached(at(1), 0), true);
    assertEquals(await broker.reached({ epoch: "other", offset: 1 }, LONG_MS), false);
    const [second, third, late] = [2, 3, 9].map((offset) => broker.reached(at(offset), 1000));
    const closed = broker.reached(at(9), LONG_MS);
    await publishOn(broker, "a");
    assertEquals(await second, true);
    await publishOn(broker, "a");
    assertEquals(await third, true);
    clock.advance(1000);
    assertEquals(await late, false);
    await broker.close();
    assertEquals([await closed, await broker.reached(at(9), LONG_MS)], [false, false]);
  });
}
