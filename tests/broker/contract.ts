import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Clock } from "../../lib/core/clock.ts";
import type { HistoryPage } from "../../lib/broker/broker.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { testsOn } from "./contract_tests.ts";
import { awayContract } from "./away_contract.ts";
import { feedContract } from "./feed_contract.ts";
import { historyContract } from "./history_contract.ts";
import { keysContract } from "./keys_contract.ts";
import type { Journal } from "../../lib/broker/journal.ts";
import type { Data, Draft } from "../../lib/core/publication.ts";
import { draft, fields, publish, publishOn, readAfter, summary } from "./helpers.ts";

/**
 * Tests what `Broker` promises, on journals that `create` makes, whose log is empty; `canReopen` if all
 * that they keep can be read again when a feed was lost; `hasOwnTime` if their time is not the clock's.
 */
export function brokerContract(
  name: string,
  create: (clock: Clock) => Journal,
  { canReopen, hasOwnTime = false }: { canReopen: boolean; hasOwnTime?: boolean },
): void {
  keysContract(name, create, hasOwnTime);
  historyContract(name, create);
  feedContract(name, create, canReopen);
  awayContract(name, create, canReopen);

  const test = testsOn(name, create);

  test("begins at offset 0, and empty", async ({ broker }) => {
    assert(/^[a-z0-9]{1,32}$/.test(broker.position.epoch));
    assertEquals(broker.position.offset, 0);
    assertEquals(broker.stats(), { channels: 0, publications: 0, bytes: 0, idempotencyKeys: 0 });
    assertEquals(await broker.channels("", 10), []);
    assertEquals(await readAfter(broker, undefined), {
      publications: [],
      complete: true,
      lostOffset: 0,
      beginOffset: 0,
      position: { epoch: broker.position.epoch, offset: 0 },
      more: false,
    });
  });

  test("orders batches as publish() was called, and delivers each once", async (context) => {
    const { broker, deliveries } = context;
    const published = await Promise.all([
      publish(broker, [draft("a")]),
      publish(broker, [draft("b"), draft("a"), draft("c")]),
      publish(broker, []),
      publish(broker, [draft("b")]),
    ]);
    const later = await publish(broker, [draft("a")]);
    const offsets = [...published.flat(), ...later];
    assertEquals(offsets, [1, 2, 3, 4, 5, 6]);
    assertEquals(published.map(({ length }) => length), [1, 3, 0, 1]);
    assertEquals(await deliveries.offsets(6), offsets);
    assertEquals(broker.position.offset, 6);
    assertEquals(summary(await readAfter(broker, undefined)).offsets, offsets);
  });

  test("keeps every field of texts and bytes", async ({ broker, clock, deliveries }) => {
    const datas: Data[] = [
      '"é𝄞\\u0000 "',
      " {}\n",
      new Uint8Array(0),
      Uint8Array.from({ length: 256 }, (_, byte) => byte),
      JSON.stringify("x".repeat(100_000)),
    ];
    const drafts: Draft[] = datas.map((data, index) => {
      return draft(`a.${index}`, data, `event é ${index}`);
    });
    drafts.push({ ...draft("a", '"text"'), isText: true, except: "1.2" });
    drafts.push({ ...draft("a"), except: "3.4" });
    drafts.push({ ...draft("a"), traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` });
    const receipt = await broker.publish({ drafts });
    const { epoch } = broker.position;
    const time = hasOwnTime ? receipt.time : clock.now();
    assertEquals(receipt, { epoch, offset: 1, count: drafts.length, time });
    const expected = drafts.map((draft, index) => ({
      ...draft,
      id: `${broker.position.epoch}-${index + 1}`,
      epoch: broker.position.epoch,
      offset: index + 1,
      time,
    }));
    await deliveries.offsets(drafts.length);
    assertEquals(deliveries.publications.map(fields), expected);
    assertEquals((await readAfter(broker, undefined)).publications.map(fields), expected);
  });

  test("delivers only what history() can read, with all before it", async (context) => {
    const { broker, deliveries } = context;
    const pages: Promise<HistoryPage>[] = [];
    deliveries.onDelivery = ({ offset }) => {
      pages.push(readAfter(broker, 0, ["*"], { until: offset }));
    };
    await Promise.all([
      publish(broker, [draft("a"), draft("b")]),
      publish(broker, [draft("a")]),
    ]);
    await deliveries.offsets(3);
    const seen = (await Promise.all(pages)).map((page) => summary(page).offsets);
    assertEquals(seen, [[1], [1, 2], [1, 2, 3]]);
  });

  test("resolves publish() once history() has the batch", async ({ broker }) => {
    for (let offset = 1; offset <= 5; offset++) {
      await publish(broker, [draft("a")]);
      assertEquals(summary(await readAfter(broker, offset - 1)).offsets, [offset]);
    }
  });

  test("publishes all drafts or none", async ({ broker, deliveries }) => {
    const drafts = [draft("a"), draft("b"), draft("c")];
    const refusal = await assertRejects(() => publish(broker, drafts), Refusal, "2 channels");
    assertEquals(refusal.type, "over-limit");
    assertEquals(broker.stats().publications, 0);
    assertEquals(await publishOn(broker, "a"), [broker.position.offset]);
    assertEquals((await deliveries.offsets(1)).length, 1);
    assertEquals(summary(await readAfter(broker, undefined)).complete, true);
  }, { channelsMax: 2 });

  test("refuses new channels, not known ones, beyond channelsMax", async (context) => {
    const { broker, clock } = context;
    const names = ["a", "b", "a", "c", "b"];
    const results = await Promise.allSettled(names.map((name) => publish(broker, [draft(name)])));
    assertEquals(results.map(({ status }) => status), [
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    assertEquals(broker.stats().channels, 2);
    clock.advance(61_000);
    await publishOn(broker, "c");
    assertEquals((await broker.channels("", 10)).map(({ channel }) => channel), ["c"]);
  }, { channelsMax: 2, historyAgeS: 60 });

  test("gives a caller half of the channels that the others leave", async ({ broker, clock }) => {
    const begin = async (caller: string, count: number) => {
      const names = Array.from({ length: count }, (_, index) => `${caller}.${index}`);
      const results = await Promise.allSettled(
        names.map((name) => publish(broker, [draft(name)], caller)),
      );
      return results.filter(({ status }) => status === "fulfilled").length;
    };
    assertEquals(await begin("flood", 100), 10);
    assertEquals([await begin("b", 5), await begin("c", 5), await begin("d", 5)], [5, 3, 1]);
    const drafts = [draft("flood.0"), draft("flood.10")];
    const refusal = await assertRejects(
      () => publish(broker, drafts, "flood"),
      Refusal,
      "10 of the server's 20 are yours",
    );
    assertEquals(refusal.type, "over-limit");
    await publish(broker, [draft("flood.0"), draft("b.0")], "flood");
    // Who is nobody in particular may have all that is left.
    assertEquals(await publishOn(broker, "e"), [broker.position.offset]);
    clock.advance(61_000);
    assertEquals(await begin("flood", 100), 10);
  }, { channelsMax: 20, historyAgeS: 60 });

  test("counts a channel for the caller that began it", async ({ broker, clock }) => {
    await publish(broker, [draft("a"), draft("b")], "first");
    await publish(broker, [draft("a"), draft("b")], "second");
    await assertRejects(() => publish(broker, [draft("c")], "first"), Refusal);
    await publish(broker, [draft("c")], "second");
    clock.advance(61_000);
    await publish(broker, [draft("d"), draft("e")], "first");
  }, { channelsMax: 4, historyAgeS: 60 });

  test("counts channels of batches under way, too", async ({ broker }) => {
    const begin = (caller: string, channel: string) => publish(broker, [draft(channel)], caller);
    const results = await Promise.allSettled([
      ...[begin("first", "a"), begin("first", "b"), begin("first", "c")],
      ...[begin("second", "a"), begin("second", "d"), begin("second", "e")],
    ]);
    assertEquals(results.map(({ status }) => status === "fulfilled"), [
      ...[true, true, false],
      ...[true, true, false],
    ]);
  }, { channelsMax: 4 });

  test(
    "keeps publications for historyAgeS however the wall clock is set",
    async ({ broker, clock }) => {
      const yearMs = 31_536_000_000;
      await publishOn(broker, "a");
      for (const stepMs of [yearMs, -2 * yearMs, yearMs]) {
        clock.jump(stepMs);
        clock.advance(10_000);
        await publishOn(broker, "a");
        assertEquals(summary(await readAfter(broker, 0, ["a"])).complete, true);
      }
      clock.jump(-yearMs);
      clock.advance(30_000);
      assertEquals(summary(await readAfter(broker, 0, ["a"])).offsets, [2, 3, 4]);
      clock.advance(10_000);
      assertEquals(summary(await readAfter(broker, 0, ["a"])).offsets, [3, 4]);
      clock.advance(60_000);
      assertEquals(broker.stats(), { channels: 0, publications: 0, bytes: 0, idempotencyKeys: 0 });
    },
    { historyAgeS: 60 },
  );

  test("lists channels by name, page by page", async ({ broker }) => {
    await publishOn(broker, "b", "C", "a", "b", "d");
    const info = (channel: string, publications: number, last: number) => ({
      channel,
      publications,
      last: `${broker.position.epoch}-${last}`,
    });
    assertEquals(await broker.channels("", 3), [info("C", 1, 2), info("a", 1, 3), info("b", 2, 4)]);
    assertEquals(await broker.channels("b", 3), [info("d", 1, 5)]);
    assertEquals(await broker.channels("d", 3), []);
  });

  test("settles what was published before close()", async ({ broker, deliveries }) => {
    const publishing = publish(broker, [draft("a")]);
    await broker.close();
    assertEquals(await publishing, [1]);
    assertEquals(await deliveries.offsets(1), [1]);
    await broker.close();
  });
}
