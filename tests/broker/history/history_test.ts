import { assert, assertEquals } from "@std/assert";
import type { HistoryPage, HistoryQuery } from "../../../lib/broker/broker.ts";
import { History, type HistoryLimits } from "../../../lib/broker/history/history.ts";
import { Publication } from "../../../lib/core/publication.ts";
import { HistoryModel } from "../../support/history_model.ts";
import { HISTORY_LIMITS } from "../../support/node.ts";
import { random, randomChoice, randomInteger } from "../../support/random.ts";

const EPOCH = "e";
const EMPTY_BYTES = publication(1, "a").costBytes;

function publication(offset: number, channel: string, data = "", time = 0): Publication {
  return new Publication({ epoch: EPOCH, offset }, { channel, event: "message", data }, time);
}

/** A history of publications on these channels, one after the other, from offset 1. */
function historyOf(channels: string, limits: Partial<HistoryLimits> = {}): History {
  const history = new History({ epoch: EPOCH, offset: 0 }, { ...HISTORY_LIMITS, ...limits });
  append(history, channels);
  return history;
}

function append(history: History, channels: string, from = 1): void {
  [...channels].forEach((channel, at) => history.append(publication(from + at, channel), 0));
}

interface Found {
  readonly offsets: number[];
  readonly complete: boolean;
  readonly lost: number;
  readonly next: number;
  readonly more: boolean;
}

function summary(page: HistoryPage): Found {
  assertEquals(page.position.epoch, EPOCH);
  return {
    offsets: page.publications.map(({ offset }) => offset),
    complete: page.complete,
    lost: page.lostOffset,
    next: page.position.offset,
    more: page.more,
  };
}

function read(
  history: History,
  channels: string[],
  since?: number,
  query: Partial<HistoryQuery> = {},
  nowMs = 0,
): Found {
  const from = since === undefined ? undefined : { epoch: EPOCH, offset: since };
  return summary(history.read({ channels, since: from, limit: 100, ...query }, nowMs));
}

Deno.test("History.read() finds nothing in an empty log, and reports nothing as lost", () => {
  const nothing = { offsets: [], complete: true, lost: 0, next: 0, more: false };
  assertEquals(read(historyOf(""), ["a"]), nothing);
  assertEquals(read(historyOf(""), ["a", "*"], 0), nothing);
});

Deno.test("History.read() finds what comes after since on these channels, oldest first", () => {
  const history = historyOf("abcab");
  const table: [string[], number | undefined, number[]][] = [
    [["a"], undefined, [1, 4]],
    [["a"], 0, [1, 4]],
    [["a"], 1, [4]],
    [["a"], 3, [4]],
    [["a"], 4, []],
    [["a"], 5, []],
    [["a", "b"], 1, [2, 4, 5]],
    [["b", "a", "b"], 1, [2, 4, 5]],
    [["*"], 2, [3, 4, 5]],
    [["*", "a", "c"], 0, [1, 2, 3, 4, 5]],
    [["d"], 0, []],
    [[], 0, []],
    [["a.*"], 0, []],
  ];
  for (const [channels, since, offsets] of table) {
    assertEquals(
      read(history, channels, since),
      { offsets, complete: true, lost: 0, next: 5, more: false },
      `${channels} since ${since}`,
    );
  }
});

Deno.test("History.read() reads the channels that match a pattern", () => {
  const history = historyOf("");
  const channels = ["a", "a.b", "a.", "a:b", "ab.c", "a.b.c"];
  channels.forEach((channel, at) => history.append(publication(at + 1, channel), 0));
  assertEquals(read(history, ["a.*"]).offsets, [2, 6]);
  assertEquals(read(history, ["a:*", "a.b.*"]).offsets, [4, 6]);
  assertEquals(read(history, ["a.*", "a.b"], 1).offsets, [2, 6]);
});

Deno.test("History.read() since a moment misses nothing of that time or later", () => {
  const history = new History({ epoch: EPOCH, offset: 4 }, { ...HISTORY_LIMITS, historyCount: 2 });
  // The wall clock is set back after the second.
  [10, 30, 20, 40].forEach((time, at) => {
    history.append(publication(5 + at, "abca"[at]!, "", time), 0);
  });
  const table: [number, string[], number, number[]][] = [
    [0, ["*"], 4, [5, 6, 7, 8]],
    [10, ["a"], 4, [5, 8]],
    [11, ["a"], 5, [8]],
    [15, ["*"], 5, [6, 7, 8]],
    [30, ["*"], 5, [6, 7, 8]],
    [31, ["*"], 7, [8]],
    [31, ["b"], 7, []],
    [41, ["*"], 8, []],
  ];
  for (const [sinceMs, channels, begin, offsets] of table) {
    const page = history.read({ channels, since: { sinceMs }, limit: 10 }, 0);
    const found = page.publications.map(({ offset }) => offset);
    const expected = [begin, offsets, true, 8];
    const told = [page.beginOffset, found, page.complete, page.position.offset];
    assertEquals(told, expected, `${channels} since ${sinceMs}`);
  }
});

Deno.test("History.read() without since, or since a moment, is always complete", () => {
  const history = historyOf("aaabbb", { historyCount: 1 });
  for (const since of [undefined, { sinceMs: 0 }]) {
    const { publications, complete } = history.read({ channels: ["*"], since, limit: 10 }, 0);
    assertEquals([publications.map(({ offset }) => offset), complete], [[3, 6], true]);
  }
});

Deno.test("History.read() newest first finds the latest, and its position is the end", () => {
  const history = historyOf("abcab");
  const table: [string[], number | undefined, number, number[], boolean][] = [
    [["a"], undefined, 1, [4], true],
    [["a"], undefined, 2, [4, 1], false],
    [["a", "b"], 1, 2, [5, 4], true],
    [["*"], 2, 9, [5, 4, 3], false],
    [["*"], undefined, 3, [5, 4, 3], true],
    [["none"], undefined, 3, [], false],
  ];
  for (const [channels, since, limit, offsets, more] of table) {
    assertEquals(
      read(history, channels, since, { limit, newestFirst: true }),
      { offsets, complete: true, lost: 0, next: 5, more },
      `${channels} since ${since}`,
    );
  }
});

Deno.test("History.read() ends at until, or at the end of the log", () => {
  const history = historyOf("aaaaa");
  const table: [number, number | undefined, number[], number][] = [
    [1, 3, [2, 3], 3],
    [1, 5, [2, 3, 4, 5], 5],
    [1, 1, [], 1],
    [3, 1, [], 3],
    [0, 0, [], 0],
    [1, 99, [2, 3, 4, 5], 5],
    [1, undefined, [2, 3, 4, 5], 5],
  ];
  for (const [since, until, offsets, next] of table) {
    const query = until === undefined ? {} : { until };
    assertEquals(
      read(history, ["a"], since, query),
      { offsets, complete: true, lost: 0, next, more: false },
      `since ${since} until ${until}`,
    );
  }
});

Deno.test("History.read() finds pages that follow each other", () => {
  const history = historyOf("abcabcab");
  assertEquals(read(history, ["a", "b"], 0, { limit: 2 }), {
    offsets: [1, 2],
    complete: true,
    lost: 0,
    next: 2,
    more: true,
  });
  assertEquals(read(history, ["a", "b"], 2, { limit: 4 }), {
    offsets: [4, 5, 7, 8],
    complete: true,
    lost: 0,
    next: 8,
    more: false,
  });
  assertEquals(read(history, ["a"], 0, { limit: 2, until: 6 }).more, false);
  assertEquals(read(history, ["c"], 3, { limit: 1 }), {
    offsets: [6],
    complete: true,
    lost: 0,
    next: 8,
    more: false,
  });
});

Deno.test("History.read() merges many channels page by page without losing one", () => {
  const history = historyOf("");
  const channels = Array.from({ length: 300 }, (_, at) => `c${at}`);
  for (let offset = 1; offset <= 3000; offset++) {
    history.append(publication(offset, channels[(offset * 7) % 300]!), 0);
  }
  const found: number[] = [];
  let page = read(history, ["*"], 0, { limit: 16 });
  for (; page.more; page = read(history, ["*"], page.next, { limit: 16 })) {
    found.push(...page.offsets);
  }
  found.push(...page.offsets);
  assertEquals(found, Array.from({ length: 3000 }, (_, at) => at + 1));
});

Deno.test("History.read() of a pattern costs what it finds, not what is kept", () => {
  const count = 1000;
  let looks = 0;
  const historyOfCounted = (channelOf: (offset: number) => string) => {
    const history = historyOf("");
    for (let offset = 1; offset <= count; offset++) {
      const counted = Object.defineProperty(publication(offset, channelOf(offset)), "offset", {
        get: () => (looks++, offset),
      });
      history.append(counted, 0);
    }
    return history;
  };
  const looksFor = (history: History, pattern: string) => {
    looks = 0;
    let page = read(history, [pattern], 0, { limit: 8 });
    while (page.more) page = read(history, [pattern], page.next, { limit: 8 });
    return looks;
  };
  const wide = historyOfCounted((offset) => `c.${offset % 2}.${offset}`);
  for (const pattern of ["*", "c.*", "c.1.*", "none.*"]) {
    const found = looksFor(wide, pattern);
    assert(found < 20 * count, `${found} looks for ${pattern} at ${count} channels`);
  }
  const chatty = historyOfCounted((offset) => offset === count ? "rare.a" : "chatty");
  const found = looksFor(chatty, "rare.*");
  assert(found < count / 10, `${found} looks for one publication behind a chatty channel`);
});

Deno.test("History.read() since a position of another log reads all that is kept, and is incomplete", () => {
  const history = historyOf("aaa");
  const found = { offsets: [1, 2, 3], complete: false, lost: 0, next: 3, more: false };
  const other = { epoch: "other", offset: 2 };
  assertEquals(read(history, ["a"], undefined, { since: other }), found);
  const since = { epoch: EPOCH, offset: 3 };
  assertEquals(read(history, ["a"], undefined, { since }).complete, true);
});

Deno.test("History.read() since a position beyond the end repeats nothing, and is incomplete", () => {
  const history = historyOf("aaa");
  const since = { epoch: EPOCH, offset: 4 };
  const found = { offsets: [], complete: false, lost: 0, next: 3, more: false };
  assertEquals(read(history, ["a"], undefined, { since }), found);
});

Deno.test("History that begins at an offset calls earlier positions incomplete", () => {
  const history = new History({ epoch: EPOCH, offset: 10 }, HISTORY_LIMITS);
  history.append(publication(11, "a"), 0);
  assertEquals(read(history, ["a"], 9).complete, false);
  assertEquals(read(history, ["a"], 10), {
    offsets: [11],
    complete: true,
    lost: 10,
    next: 11,
    more: false,
  });
});

Deno.test("History keeps historyCount publications of each channel", () => {
  const history = historyOf("baaaa", { historyCount: 2 });
  assertEquals(read(history, ["a"]), {
    offsets: [4, 5],
    complete: true,
    lost: 3,
    next: 5,
    more: false,
  });
  assertEquals([read(history, ["a"], 2).complete, read(history, ["a"], 3).complete], [false, true]);
  assertEquals([read(history, ["b"], 0).complete, read(history, ["*"], 2).complete], [true, false]);
  assertEquals(history.stats, { channels: 2, publications: 3, bytes: 3 * EMPTY_BYTES });
});

Deno.test("History keeps historyBytesMax of each channel", () => {
  const history = historyOf("aab", { historyBytesMax: 2 * EMPTY_BYTES });
  assertEquals(read(history, ["a"], 0).complete, true);
  history.append(publication(4, "a", "x"), 0);
  assertEquals(read(history, ["a"], 0), {
    offsets: [4],
    complete: false,
    lost: 2,
    next: 4,
    more: false,
  });
  assertEquals(history.stats, { channels: 2, publications: 2, bytes: 2 * EMPTY_BYTES + 1 });
});

Deno.test("History with a historyCount of 0 keeps nothing, and remembers what is lost", () => {
  const none = [
    { historyCount: 0 },
    { historyBytesMax: EMPTY_BYTES - 1 },
    { historyTotalBytesMax: 1 },
    { historyAgeS: 0 },
  ];
  for (const limits of none) {
    const history = historyOf("ab", limits);
    assertEquals(history.stats, { channels: 0, publications: 0, bytes: 0 });
    assertEquals(read(history, ["a"], 1), {
      offsets: [],
      complete: false,
      lost: 2,
      next: 2,
      more: false,
    });
    assertEquals(read(history, ["a"], 2).complete, true);
  }
});

Deno.test("History forgets the longest silent channel when all bytes are taken", () => {
  const history = historyOf("abcab", { historyTotalBytesMax: 5 * EMPTY_BYTES });
  assertEquals(history.stats.channels, 3);
  append(history, "a", 6);
  assertEquals([history.has("a"), history.has("b"), history.has("c")], [true, true, false]);
  assertEquals(history.stats, { channels: 2, publications: 5, bytes: 5 * EMPTY_BYTES });
  assertEquals(read(history, ["c"], 0).lost, 3);
  // Which channels were forgotten is not remembered: whoever was away since may have missed some.
  assertEquals([read(history, ["a"], 2).complete, read(history, ["a"], 3).complete], [false, true]);
});

Deno.test("History evicts what is too old: some of a channel, or all of it", () => {
  const history = historyOf("", { historyAgeS: 10 });
  history.append(publication(1, "a"), 0);
  history.append(publication(2, "b"), 1000);
  history.append(publication(3, "a"), 2000);
  assertEquals(read(history, ["a", "b"], 0, {}, 9_999).offsets, [1, 2, 3]);
  assertEquals(read(history, ["a", "b"], 0, {}, 10_000), {
    offsets: [2, 3],
    complete: false,
    lost: 1,
    next: 3,
    more: false,
  });
  assertEquals(read(history, ["a"], 1, {}, 11_000), {
    offsets: [3],
    complete: false,
    lost: 2,
    next: 3,
    more: false,
  });
  history.expire(11_999);
  assertEquals(history.stats, { channels: 1, publications: 1, bytes: EMPTY_BYTES });
  history.expire(12_000);
  assertEquals(history.stats, { channels: 0, publications: 0, bytes: 0 });
  assertEquals(read(history, ["a"], 0, {}, 12_000).lost, 3);
});

Deno.test("History remembers what a channel lost when it was forgotten and began again", () => {
  const history = historyOf("aa", { historyAgeS: 10 });
  history.expire(10_000);
  history.append(publication(3, "a"), 10_000);
  assertEquals(read(history, ["a"], 1, {}, 10_000), {
    offsets: [3],
    complete: false,
    lost: 2,
    next: 3,
    more: false,
  });
});

Deno.test("History calls onEvict once with each publication that it evicts", () => {
  const gone: number[] = [];
  const limits = { ...HISTORY_LIMITS, historyCount: 2, historyAgeS: 10 };
  const history = new History({ epoch: EPOCH, offset: 0 }, limits, ({ offset }) => {
    gone.push(offset);
  });
  append(history, "aaabb");
  assertEquals(gone, [1]);
  history.expire(10_000);
  assertEquals(gone, [1, 2, 3, 4, 5]);
});

Deno.test("History.channels() lists the first names after a name, in order", () => {
  const history = historyOf("cabcB");
  assertEquals(history.channels("", 10, 0), [
    { channel: "B", publications: 1, last: "e-5" },
    { channel: "a", publications: 1, last: "e-2" },
    { channel: "b", publications: 1, last: "e-3" },
    { channel: "c", publications: 2, last: "e-4" },
  ]);
  const names = (after: string, limit: number) =>
    history.channels(after, limit, 0).map(({ channel }) => channel);
  assertEquals(names("", 2), ["B", "a"]);
  assertEquals(names("a", 2), ["b", "c"]);
  assertEquals(names("aa", 1), ["b"]);
  assertEquals(names("c", 2), []);
  assertEquals(history.channels("", 10, 3_600_000), []);
});

Deno.test("History.beganBy() returns the caller that began a channel", () => {
  const history = historyOf("ab");
  history.append(publication(3, "c"), 0, "later", "first");
  history.append(publication(4, "c"), 0, "second");
  assertEquals(["a", "c", "d"].map((name) => history.beganBy(name)), ["", "first", undefined]);
  assertEquals([history.begun.of("first"), history.begun.of("later")], [1, 0]);
});

Deno.test("History.restore() takes over what an earlier run knew", () => {
  const history = historyOf("abab", { channelsMax: 2 });
  history.restore([["a", 2], ["gone", 1]]);
  history.skip(9, 0);
  assertEquals([read(history, ["a"], 0).lost, read(history, ["b"], 0).lost], [2, 1]);
  assertEquals([read(history, ["a"], 1).complete, read(history, ["a"], 2).complete], [false, true]);
  assertEquals(read(history, ["b"], 1), {
    offsets: [2, 4],
    complete: true,
    lost: 1,
    next: 9,
    more: false,
  });
});

Deno.test("History.restore() forgets the longest silent channels if channelsMax is lower now", () => {
  const history = historyOf("abca", { channelsMax: 2 });
  history.restore([]);
  assertEquals([history.has("a"), history.has("b"), history.has("c")], [true, false, true]);
  assertEquals(read(history, ["b"], 0).lost, 2);
});

Deno.test("History keeps and reads the same as a plain list, whatever happens", () => {
  for (let seed = 1; seed <= 60; seed++) {
    compareWithModel(seed, ["a"]);
    compareWithModel(seed, ["a", "b", "c"]);
  }
});

function compareWithModel(seed: number, callers: string[]): void {
  const next = random(seed);
  const limits: HistoryLimits = {
    historyCount: randomInteger(next, 6),
    historyAgeS: 1 + randomInteger(next, 20),
    historyBytesMax: EMPTY_BYTES * (1 + randomInteger(next, 8)),
    historyTotalBytesMax: EMPTY_BYTES * (1 + randomInteger(next, 25)),
    channelsMax: 100,
  };
  const gone = new Set<number>();
  const start = { epoch: EPOCH, offset: randomInteger(next, 3) };
  const history = new History(start, limits, ({ offset }) => void gone.add(offset));
  const model = new HistoryModel(start, limits);
  let { offset } = start;
  let now = 0;
  const names = ["a", "b", "a.a", "a.b", "a.b.c", "b:a"];
  for (let step = 0; step < 300; step++) {
    now += randomInteger(next, 10) === 0 ? randomInteger(next, 25_000) : 10;
    const choice = randomInteger(next, 9);
    if (choice < 6) {
      const added = publication(++offset, randomChoice(next, names), "x".repeat(step % 30), now);
      history.append(added, now, randomChoice(next, callers));
      model.append(added, callers.length > 1 ? gone : undefined);
    } else if (choice < 7) {
      history.expire(now);
      model.expire(now);
    } else {
      const query = randomQuery(next, offset, now);
      const message = `seed ${seed}, step ${step}, ${JSON.stringify(query)}`;
      assertEquals(summary(history.read(query, now)), summary(model.read(query, now)), message);
    }
    assertEquals(history.stats.publications, model.kept.length, `seed ${seed}, step ${step}`);
    assertEquals(model.kept.some((kept) => gone.has(kept.offset)), false);
    assertEquals(gone.size + model.kept.length, offset - start.offset);
  }
}

function randomQuery(next: () => number, end: number, now: number): HistoryQuery {
  const names = ["a", "b", "a.a", "a.*", "a.b.*", "b:*", "*", "none", "none.*"];
  const channels = Array.from({ length: randomInteger(next, 3) }, () => randomChoice(next, names));
  const epoch = randomInteger(next, 9) === 0 ? "other" : EPOCH;
  const since = { epoch, offset: randomInteger(next, end + 1) };
  const moment = { sinceMs: now - 20_000 + randomInteger(next, 21_000) };
  return {
    channels,
    since: randomInteger(next, 5) === 0 ? undefined : randomInteger(next, 3) === 0 ? moment : since,
    ...(randomInteger(next, 1) === 0 ? {} : { until: randomInteger(next, end + 2) }),
    limit: 1 + randomInteger(next, 10),
    newestFirst: randomInteger(next, 2) === 0,
  };
}
