import { assert, assertEquals } from "@std/assert";
import type { Clock } from "../../lib/core/clock.ts";
import { testsOn } from "./contract_tests.ts";
import type { Journal } from "../../lib/broker/journal.ts";
import { draft, publish, publishOn, readAfter, summary } from "./helpers.ts";

/** Tests what of its log a broker keeps, and how it is read. */
export function historyContract(name: string, create: (clock: Clock) => Journal): void {
  const test = testsOn(name, create);

  test("evicts bytes of the caller that holds most", async ({ broker }) => {
    const publishBy = (caller: string, channel: string) =>
      publish(broker, [draft(channel, new Uint8Array(800))], caller);
    await publishBy("key", "quiet");
    await publishBy("user", "quiet.too");
    for (let index = 0; index < 100; index++) await publishBy("flood", `flood.${index}`);
    for (const channel of ["quiet", "quiet.too", "flood.99"]) {
      assertEquals((await readAfter(broker, undefined, [channel])).publications.length, 1);
    }
    assertEquals(broker.stats(), {
      channels: 10,
      publications: 10,
      bytes: 10_000,
      idempotencyKeys: 0,
    });
  }, { historyTotalBytesMax: 10_000, channelsMax: 1000 });

  test("keeps historyCount publications of each channel", async ({ broker }) => {
    await publishOn(broker, "quiet", "chatty", "chatty", "chatty", "quiet", "chatty");
    assertEquals(broker.stats().publications, 4);
    assertEquals(summary(await readAfter(broker, 0, ["chatty"])), {
      offsets: [4, 6],
      complete: false,
      lostOffset: 3,
      position: 6,
      more: false,
    });
    assertEquals(summary(await readAfter(broker, 0, ["quiet"])), {
      offsets: [1, 5],
      complete: true,
      lostOffset: 0,
      position: 6,
      more: false,
    });
    assertEquals(summary(await readAfter(broker, 2, ["chatty"])).complete, false);
    assertEquals(summary(await readAfter(broker, 3, ["chatty"])).complete, true);
    assertEquals(summary(await readAfter(broker, 3, ["quiet", "chatty"])), {
      offsets: [4, 5, 6],
      complete: true,
      lostOffset: 3,
      position: 6,
      more: false,
    });
  }, { historyCount: 2 });

  test("delivers and keeps nothing with a historyCount of 0", async ({ broker, deliveries }) => {
    await publishOn(broker, "a", "a");
    assertEquals(await deliveries.offsets(2), [1, 2]);
    assertEquals(broker.stats(), { channels: 0, publications: 0, bytes: 0, idempotencyKeys: 0 });
    assertEquals(summary(await readAfter(broker, 1)), {
      offsets: [],
      complete: false,
      lostOffset: 2,
      position: 2,
      more: false,
    });
    assertEquals(summary(await readAfter(broker, 2)).complete, true);
  }, { historyCount: 0 });

  test("keeps historyBytesMax of a channel", async ({ broker }) => {
    for (let count = 0; count < 5; count++) {
      await publish(broker, [draft("a", new Uint8Array(1000))]);
    }
    assertEquals(summary(await readAfter(broker, 0)).offsets, [4, 5]);
    assert(broker.stats().bytes <= 3000);
  }, { historyBytesMax: 3000 });

  test("forgets the longest silent channels beyond historyTotalBytesMax", async ({ broker }) => {
    for (const channel of ["a", "b", "a", "c"]) {
      await publish(broker, [draft(channel, new Uint8Array(1000))]);
    }
    assertEquals(summary(await readAfter(broker, 1, ["a"])), {
      offsets: [3],
      complete: false,
      lostOffset: 2,
      position: 4,
      more: false,
    });
    assertEquals(summary(await readAfter(broker, 2, ["a", "b"])).complete, true);
    assertEquals((await broker.channels("", 10)).map(({ channel }) => channel), ["a", "c"]);
  }, { historyTotalBytesMax: 4000 });

  test("keeps publications for historyAgeS", async ({ broker, clock }) => {
    await publishOn(broker, "a", "b");
    clock.advance(40_000);
    await publishOn(broker, "a");
    clock.advance(30_000);
    assertEquals(summary(await readAfter(broker, 0, ["a"])), {
      offsets: [3],
      complete: false,
      lostOffset: 2,
      position: 3,
      more: false,
    });
    assertEquals(broker.stats().channels, 1);
    clock.advance(30_000);
    assertEquals(broker.stats(), { channels: 0, publications: 0, bytes: 0, idempotencyKeys: 0 });
    assertEquals(await publishOn(broker, "a"), [4]);
  }, { historyAgeS: 60 });

  test("calls a position of another log incomplete", async ({ broker }) => {
    await publishOn(broker, "a", "a");
    const other = { since: { epoch: "other", offset: 1 } };
    assertEquals(summary(await readAfter(broker, undefined, ["a"], other)), {
      offsets: [1, 2],
      complete: false,
      lostOffset: 0,
      position: 2,
      more: false,
    });
    assertEquals(summary(await readAfter(broker, 3)).complete, false);
  });

  test("reads page by page up to an offset", async ({ broker }) => {
    await publishOn(broker, "a", "b", "a", "c", "b", "a", "b");
    const pages = [];
    let since = 0;
    for (let more = true; more;) {
      const page = summary(await readAfter(broker, since, ["a", "b"], { limit: 2, until: 6 }));
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

  test("reads the channels that match a pattern", async ({ broker }) => {
    await publishOn(broker, "news", "news.uk", "news.uk.north", "newsletter", "user:1", "news.");
    const offsetsOf = async (...channels: string[]) =>
      summary(await readAfter(broker, 0, channels)).offsets;
    assertEquals(await offsetsOf("news.*"), [2, 3]);
    assertEquals(await offsetsOf("news.uk.*", "user:*"), [3, 5]);
    assertEquals(await offsetsOf("news.*", "news.uk", "news"), [1, 2, 3]);
    assertEquals(await offsetsOf("*"), [1, 2, 3, 4, 5, 6]);
    assertEquals(await offsetsOf("nothing.*"), []);
  });
}
