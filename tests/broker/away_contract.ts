import { REFUSED_MS } from "../../lib/broker/health.ts";
import { assertEquals, assertRejects } from "@std/assert";
import type { Journal } from "../../lib/broker/journal.ts";
import type { Clock } from "../../lib/core/clock.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { eventually } from "../support/deadline.ts";
import { testsOn } from "./contract_tests.ts";
import { FaultyJournal } from "./faulty_journal.ts";
import { publishOnce } from "./keys_contract.ts";
import { brokerOn, Deliveries, publishOn, readAfter, summary } from "./helpers.ts";

/** Longer than a broker waits before it opens a journal again, and than it waits for what is kept. */
const LONG_MS = 10_000;

/** Tests what a broker refuses and reports while its journal is away, or does not give back what it keeps. */
export function awayContract(
  name: string,
  create: (clock: Clock) => Journal,
  canReopen: boolean,
): void {
  const test = testsOn(name, (clock) => new FaultyJournal(create(clock)));

  test("publishes nothing before it has started, nor once it is closed", async ({ clock }) => {
    const broker = brokerOn(create(clock), clock);
    const refusalOf = async () => {
      const { type, message } = await assertRejects(() => publishOn(broker, "a"), Refusal);
      return `${type}: ${message}`;
    };
    const refusal = (why: string) => `unavailable: Cannot publish: ${why}; try again later`;
    assertEquals(await refusalOf(), refusal("it has not started"));
    await broker.start(new Deliveries());
    await broker.close();
    assertEquals(await refusalOf(), refusal("the server is stopping"));
  });

  test("refuses a batch that is kept, but does not come back in time", async (context) => {
    const { broker, journal, clock } = context;
    journal.isSilent = true;
    let refused: Refusal | undefined;
    const publishing = assertRejects(() => publishOn(broker, "a"), Refusal, "did not come back");
    publishing.then((error) => refused = error);
    await eventually(() => clock.pass(LONG_MS), () => refused !== undefined);
    assertEquals(refused?.type, "unavailable");
  });

  test("publishes once under the key of a batch that did not come back in time", async (context) => {
    const { broker, journal, clock, deliveries } = context;
    journal.isSilent = true;
    let isRefused = false;
    const late = assertRejects(() => publishOnce(broker, "x"), Refusal, "did not come back");
    late.then(() => isRefused = true);
    await eventually(() => clock.pass(LONG_MS), () => isRefused);
    journal.isSilent = false;
    const again = publishOnce(broker, "x");
    journal.lose("cut off");
    assertEquals((await again).offset, 1);
    assertEquals(broker.position.offset, 1);
    assertEquals(deliveries.publications.length, canReopen ? 1 : 0);
  });

  test("refuses to publish while its journal is away, and still reads", async (context) => {
    const { broker, journal, clock, deliveries } = context;
    await publishOn(broker, "a");
    journal.isAway = true;
    const refused = await assertRejects(() => publishOn(broker, "a"), Refusal);
    assertEquals([refused.type, broker.position.offset], ["unavailable", 1]);
    journal.lose("cut off");
    const lost = await assertRejects(() => publishOn(broker, "a"), Refusal);
    assertEquals([lost.type, lost.retryAfterS], ["unavailable", 1]);
    await clock.pass(LONG_MS);
    assertEquals(summary(await readAfter(broker, 0)).offsets, [1]);
    assertEquals((await broker.channels("", 10)).map(({ channel }) => channel), ["a"]);
    journal.isAway = false;
    await clock.pass(LONG_MS);
    const down = "down: Cannot publish: nobody answers";
    assertEquals(await deliveries.eventsAfterStart(2), [down, "up"]);
    assertEquals(await publishOn(broker, "a"), [2]);
    assertEquals(await deliveries.offsets(2), [1, 2]);
  });

  test("reports that publishing works again once it does", async (context) => {
    const { broker, journal, deliveries } = context;
    journal.isAway = true;
    await assertRejects(() => publishOn(broker, "a"), Refusal);
    await assertRejects(() => publishOn(broker, "a"), Refusal);
    journal.isAway = false;
    assertEquals(await publishOn(broker, "a", "a"), [1, 2]);
    const down = "down: Cannot publish: nobody answers";
    assertEquals(deliveries.events.slice(1), [down, "up"]);
  });

  test("is up again some time after a refusal, if nothing is published", async (context) => {
    const { broker, journal, clock, deliveries } = context;
    journal.isAway = true;
    const refuse = () => assertRejects(() => publishOn(broker, "a"), Refusal);
    await refuse();
    clock.advance(REFUSED_MS - 1);
    await refuse();
    clock.advance(REFUSED_MS - 1);
    assertEquals(broker.isUp, false);
    clock.advance(1);
    assertEquals(broker.isUp, true);
    await refuse();
    journal.report(false);
    clock.advance(REFUSED_MS);
    const down = "down: Cannot publish: nobody answers";
    assertEquals(deliveries.events.slice(1), [down, "up", down]);
  });

  test("is not up while its feed is away, even if batches are appended", async (context) => {
    const { broker, journal, deliveries } = context;
    const published = publishOn(broker, "a");
    journal.report(false);
    await published;
    assertEquals(broker.isUp, false);
    journal.report(true);
    assertEquals(deliveries.events.slice(1), ["down: the feed is cut", "up"]);
  });

  test("closes while its journal is away", async ({ journal, deliveries }) => {
    journal.isAway = true;
    journal.lose("cut off");
    assertEquals(await deliveries.eventsAfterStart(1), ["down: cut off"]);
  });
}
