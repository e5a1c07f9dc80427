import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Clock } from "../../lib/core/clock.ts";
import type { Engine, HistoryPage } from "../../lib/broker/broker.ts";
import { Refusal } from "../../lib/core/errors.ts";
import type { HistoryLimits } from "../../lib/broker/history/history.ts";
import type { Data } from "../../lib/core/publication.ts";
import {
  Deliveries,
  draft,
  fields,
  publishOn,
  readAfter,
  ROOMY,
  summary,
  TurningClock,
} from "./helpers.ts";

/** Makes an engine whose log is empty; whoever asked closes it. */
export type EngineFactory = (clock: Clock, limits: HistoryLimits) => Engine | Promise<Engine>;

/** Tests what `Engine` promises, on engines that `create` makes. */
export function engineContract(name: string, create: EngineFactory): void {
  interface Context {
    readonly engine: Engine;
    readonly clock: TurningClock;
    readonly deliveries: Deliveries;
  }

  function test(
    title: string,
    body: (context: Context) => Promise<void>,
    limits: Partial<HistoryLimits> = {},
  ): void {
    Deno.test(`${name} ${title}`, async () => {
      const clock = new TurningClock();
      const engine = await create(clock, { ...ROOMY, ...limits });
      const deliveries = new Deliveries();
      await engine.start(deliveries.add);
      try {
        await body({ engine, clock, deliveries });
      } finally {
        await engine.close();
      }
    });
  }

  test("begins at offset 0 with nothing in it", async ({ engine }) => {
    assert(/^[a-z0-9]{1,32}$/.test(engine.epoch));
    assertEquals(engine.offset, 0);
    assertEquals(engine.stats(), { channels: 0, publications: 0, bytes: 0 });
    assertEquals(await engine.channels("", 10), []);
    assertEquals(await readAfter(engine, undefined), {
      publications: [],
      complete: true,
      lostOffset: 0,
      position: { epoch: engine.epoch, offset: 0 },
      more: false,
    });
  });

  test("orders by the calls of publish() and delivers each once", async (context) => {
    const { engine, deliveries } = context;
    const published = await Promise.all([
      engine.publish([draft("a")]),
      engine.publish([draft("b"), draft("a"), draft("c")]),
      engine.publish([]),
      engine.publish([draft("b")]),
    ]);
    const later = await engine.publish([draft("a")]);
    const offsets = [...published.flat(), ...later].map(({ offset }) => offset);
    assertEquals(offsets, [1, 2, 3, 4, 5, 6]);
    assertEquals(published.map(({ length }) => length), [1, 3, 0, 1]);
    assertEquals(await deliveries.offsets(6), offsets);
    assertEquals(engine.offset, 6);
    assertEquals(summary(await readAfter(engine, undefined)).offsets, offsets);
  });

  test("keeps every field, text and bytes alike", async ({ engine, clock, deliveries }) => {
    const datas: Data[] = [
      '"é𝄞\\u0000 "',
      " {}\n",
      new Uint8Array(0),
      Uint8Array.from({ length: 256 }, (_, byte) => byte),
      JSON.stringify("x".repeat(100_000)),
    ];
    const drafts = datas.map((data, index) => draft(`a.${index}`, data, `event é ${index}`));
    const published = (await engine.publish(drafts)).map(fields);
    const expected = drafts.map((draft, index) => ({
      ...draft,
      id: `${engine.epoch}-${index + 1}`,
      epoch: engine.epoch,
      offset: index + 1,
      time: clock.now(),
    }));
    assertEquals(published, expected);
    await deliveries.offsets(drafts.length);
    assertEquals(deliveries.publications.map(fields), expected);
    assertEquals((await readAfter(engine, undefined)).publications.map(fields), expected);
  });

  test("delivers only what history() can read, with all before it", async (context) => {
    const { engine, deliveries } = context;
    const pages: Promise<HistoryPage>[] = [];
    deliveries.onDelivery = ({ offset }) => {
      pages.push(readAfter(engine, 0, ["*"], { until: offset }));
    };
    await Promise.all([
      engine.publish([draft("a"), draft("b")]),
      engine.publish([draft("a")]),
    ]);
    await deliveries.offsets(3);
    const seen = (await Promise.all(pages)).map((page) => summary(page).offsets);
    assertEquals(seen, [[1], [1, 2], [1, 2, 3]]);
  });

  test("resolves publish() once history() has it", async ({ engine }) => {
    for (let offset = 1; offset <= 5; offset++) {
      await engine.publish([draft("a")]);
      assertEquals(summary(await readAfter(engine, offset - 1)).offsets, [offset]);
    }
  });

  test("publishes all drafts or none", async ({ engine, deliveries }) => {
    const drafts = [draft("a"), draft("b"), draft("c")];
    const refusal = await assertRejects(() => engine.publish(drafts), Refusal, "2 channels");
    assertEquals(refusal.type, "over-limit");
    assertEquals(engine.stats().publications, 0);
    assertEquals(await publishOn(engine, "a"), [engine.offset]);
    assertEquals((await deliveries.offsets(1)).length, 1);
    assertEquals(summary(await readAfter(engine, undefined)).complete, true);
  }, { channelsMax: 2 });

  test("refuses new channels, not known ones, beyond channelsMax", async (context) => {
    const { engine, clock } = context;
    const names = ["a", "b", "a", "c", "b"];
    const results = await Promise.allSettled(names.map((name) => engine.publish([draft(name)])));
    assertEquals(results.map(({ status }) => status), [
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    assertEquals(engine.stats().channels, 2);
    clock.advance(61_000);
    await publishOn(engine, "c");
    assertEquals((await engine.channels("", 10)).map(({ channel }) => channel), ["c"]);
  }, { channelsMax: 2, historyAgeS: 60 });

  test("gives a caller half of the channels that the others leave", async ({ engine, clock }) => {
    const begin = async (caller: string, count: number) => {
      const names = Array.from({ length: count }, (_, index) => `${caller}.${index}`);
      const results = await Promise.allSettled(
        names.map((name) => engine.publish([draft(name)], caller)),
      );
      return results.filter(({ status }) => status === "fulfilled").length;
    };
    assertEquals(await begin("flood", 100), 10);
    assertEquals([await begin("b", 5), await begin("c", 5), await begin("d", 5)], [5, 3, 1]);
    const drafts = [draft("flood.0"), draft("flood.10")];
    const refusal = await assertRejects(
      () => engine.publish(drafts, "flood"),
      Refusal,
      "10 of the server's 20 are yours",
    );
    assertEquals(refusal.type, "over-limit");
    await engine.publish([draft("flood.0"), draft("b.0")], "flood");
    // Who is nobody in particular may have all that is left.
    assertEquals(await publishOn(engine, "e"), [engine.offset]);
    clock.advance(61_000);
    assertEquals(await begin("flood", 100), 10);
  }, { channelsMax: 20, historyAgeS: 60 });

  test("counts a channel for who began it, whoever publishes to it", async ({ engine, clock }) => {
    await engine.publish([draft("a"), draft("b")], "first");
    await engine.publish([draft("a"), draft("b")], "second");
    await assertRejects(() => engine.publish([draft("c")], "first"), Refusal);
    await engine.publish([draft("c")], "second");
    clock.advance(61_000);
    await engine.publish([draft("d"), draft("e")], "first");
  }, { channelsMax: 4, historyAgeS: 60 });

  test("counts what is published in one turn, too", async ({ engine }) => {
    const begin = (caller: string, channel: string) => engine.publish([draft(channel)], caller);
    const results = await Promise.allSettled([
      ...[begin("first", "a"), begin("first", "b"), begin("first", "c")],
      ...[begin("second", "a"), begin("second", "d"), begin("second", "e")],
    ]);
    assertEquals(results.map(({ status }) => status === "fulfilled"), [
      ...[true, true, false],
      ...[true, true, false],
    ]);
  }, { channelsMax: 4 });

  test("takes bytes back from who holds most", async ({ engine }) => {
    const publish = (caller: string, channel: string) =>
      engine.publish([draft(channel, new Uint8Array(800))], caller);
    await publish("key", "quiet");
    await publish("user", "quiet.too");
    for (let index = 0; index < 100; index++) await publish("flood", `flood.${index}`);
    for (const channel of ["quiet", "quiet.too", "flood.99"]) {
      assertEquals((await readAfter(engine, undefined, [channel])).publications.length, 1);
    }
    assertEquals(engine.stats(), { channels: 10, publications: 10, bytes: 10_000 });
  }, { historyTotalBytesMax: 10_000, channelsMax: 1000 });

  test("keeps historyCount publications of each channel", async ({ engine }) => {
    await publishOn(engine, "quiet", "chatty", "chatty", "chatty", "quiet", "chatty");
    assertEquals(engine.stats().publications, 4);
    assertEquals(summary(await readAfter(engine, 0, ["chatty"])), {
      offsets: [4, 6],
      complete: false,
      lostOffset: 3,
      position: 6,
      more: false,
    });
    assertEquals(summary(await readAfter(engine, 0, ["quiet"])), {
      offsets: [1, 5],
      complete: true,
      lostOffset: 0,
      position: 6,
      more: false,
    });
    assertEquals(summary(await readAfter(engine, 2, ["chatty"])).complete, false);
    assertEquals(summary(await readAfter(engine, 3, ["chatty"])).complete, true);
    assertEquals(summary(await readAfter(engine, 3, ["quiet", "chatty"])), {
      offsets: [4, 5, 6],
      complete: true,
      lostOffset: 3,
      position: 6,
      more: false,
    });
  }, { historyCount: 2 });

  test("delivers and keeps nothing with a historyCount of 0", async ({ engine, deliveries }) => {
    await publishOn(engine, "a", "a");
    assertEquals(await deliveries.offsets(2), [1, 2]);
    assertEquals(engine.stats(), { channels: 0, publications: 0, bytes: 0 });
    assertEquals(summary(await readAfter(engine, 1)), {
      offsets: [],
      complete: false,
      lostOffset: 2,
      position: 2,
      more: false,
    });
    assertEquals(summary(await readAfter(engine, 2)).complete, true);
  }, { historyCount: 0 });

  test("keeps historyBytesMax of a channel", async ({ engine }) => {
    for (let count = 0; count < 5; count++) {
      await engine.publish([draft("a", new Uint8Array(1000))]);
    }
    assertEquals(summary(await readAfter(engine, 0)).offsets, [4, 5]);
    assert(engine.stats().bytes <= 3000);
  }, { historyBytesMax: 3000 });

  test("forgets the longest silent channels beyond historyTotalBytesMax", async ({ engine }) => {
    for (const channel of ["a", "b", "a", "c"]) {
      await engine.publish([draft(channel, new Uint8Array(1000))]);
    }
    assertEquals(summary(await readAfter(engine, 1, ["a"])), {
      offsets: [3],
      complete: false,
      lostOffset: 2,
      position: 4,
      more: false,
    });
    assertEquals(summary(await readAfter(engine, 2, ["a", "b"])).complete, true);
    assertEquals((await engine.channels("", 10)).map(({ channel }) => channel), ["a", "c"]);
  }, { historyTotalBytesMax: 4000 });

  test("keeps publications for historyAgeS", async ({ engine, clock }) => {
    await publishOn(engine, "a", "b");
    clock.advance(40_000);
    await publishOn(engine, "a");
    clock.advance(30_000);
    assertEquals(summary(await readAfter(engine, 0, ["a"])), {
      offsets: [3],
      complete: false,
      lostOffset: 2,
      position: 3,
      more: false,
    });
    assertEquals(engine.stats().channels, 1);
    clock.advance(30_000);
    assertEquals(engine.stats(), { channels: 0, publications: 0, bytes: 0 });
    assertEquals(await publishOn(engine, "a"), [4]);
  }, { historyAgeS: 60 });

  test(
    "keeps publications for historyAgeS however the wall clock is set",
    async ({ engine, clock }) => {
      const yearMs = 31_536_000_000;
      await publishOn(engine, "a");
      for (const stepMs of [yearMs, -2 * yearMs, yearMs]) {
        clock.jump(stepMs);
        clock.advance(10_000);
        await publishOn(engine, "a");
        assertEquals(summary(await readAfter(engine, 0, ["a"])).complete, true);
      }
      clock.jump(-yearMs);
      clock.advance(30_000);
      assertEquals(summary(await readAfter(engine, 0, ["a"])).offsets, [2, 3, 4]);
      clock.advance(10_000);
      assertEquals(summary(await readAfter(engine, 0, ["a"])).offsets, [3, 4]);
      clock.advance(60_000);
      assertEquals(engine.stats(), { channels: 0, publications: 0, bytes: 0 });
    },
    { historyAgeS: 60 },
  );

  test("says that a position of another log is not complete", async ({ engine }) => {
    await publishOn(engine, "a", "a");
    const other = { since: { epoch: "other", offset: 1 } };
    assertEquals(summary(await readAfter(engine, undefined, ["a"], other)), {
      offsets: [1, 2],
      complete: false,
      lostOffset: 0,
      position: 2,
      more: false,
    });
    assertEquals(summary(await readAfter(engine, 3)).complete, false);
  });

  test("reads page by page up to an offset", async ({ engine }) => {
    await publishOn(engine, "a", "b", "a", "c", "b", "a", "b");
    const pages = [];
    let since = 0;
    for (let more = true; more;) {
      const page = summary(await readAfter(engine, since, ["a", "b"], { limit: 2, until: 6 }));
      pages.push(page);
      since = page.position;
      more = page.more;
    }
    const common = { complete: true, lostOffset: 0 };
    assertEquals(pages, [
      { ...common, offsets: [1, 2], position: 2, more: true },
      { ...common, offsets: [3, 5], position: 5, more: true },
      { ...common, offsets: [6], position: 6, more: false },
    ]);
  });

  test("reads what a pattern takes in", async ({ engine }) => {
    await publishOn(engine, "news", "news.uk", "news.uk.north", "newsletter", "user:1", "news.");
    const offsetsOf = async (...channels: string[]) =>
      summary(await readAfter(engine, 0, channels)).offsets;
    assertEquals(await offsetsOf("news.*"), [2, 3]);
    assertEquals(await offsetsOf("news.uk.*", "user:*"), [3, 5]);
    assertEquals(await offsetsOf("news.*", "news.uk", "news"), [1, 2, 3]);
    assertEquals(await offsetsOf("*"), [1, 2, 3, 4, 5, 6]);
    assertEquals(await offsetsOf("nothing.*"), []);
  });

  test("lists channels by name, page by page", async ({ engine }) => {
    await publishOn(engine, "b", "C", "a", "b", "d");
    const info = (channel: string, publications: number, last: number) => ({
      channel,
      publications,
      last: `${engine.epoch}-${last}`,
    });
    assertEquals(await engine.channels("", 3), [info("C", 1, 2), info("a", 1, 3), info("b", 2, 4)]);
    assertEquals(await engine.channels("b", 3), [info("d", 1, 5)]);
    assertEquals(await engine.channels("d", 3), []);
  });

  test("settles what was published before close()", async ({ engine, deliveries }) => {
    const publishing = engine.publish([draft("a")]);
    await engine.close();
    assertEquals((await publishing).map(({ offset }) => offset), [1]);
    assertEquals(await deliveries.offsets(1), [1]);
    await engine.close();
  });
}
