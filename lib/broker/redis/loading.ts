import type { Clock } from "../../core/clock.ts";
import type { Position } from "../../core/publication.ts";
import type { Kept, Logged } from "../journal.ts";
import type { RedisConnection } from "./connection.ts";
import {
  readEntries,
  readKeptGap,
  readPublication,
  type SkipForeign,
  type StreamEntry,
} from "./entries.ts";
import type { Reply } from "./resp.ts";
import type { RedisKeys } from "./scripts.ts";

/** Channels that are read at the same time. */
const CHANNELS_AT_ONCE = 200;

/** How much is kept, and how it is read. */
export interface LoadOptions {
  readonly historyCount: number;
  readonly historyAgeS: number;
  readonly clock: Pick<Clock, "now">;
  /** Entries in one reply. */
  readonly entriesMax: number;
  readonly skipForeign: SkipForeign;
}

/** Reads what Redis keeps of the log up to `position`. */
export async function loadKept(
  connection: RedisConnection,
  keys: RedisKeys,
  position: Position,
  options: LoadOptions,
): Promise<Kept> {
  const names = texts(await connection.send("ZRANGE", keys.channels, 0, -1));
  const publications: Logged[] = [];
  const lostOffsets: [channel: string, offset: number][] = [];
  for (let from = 0; from < names.length; from += CHANNELS_AT_ONCE) {
    const some = names.slice(from, from + CHANNELS_AT_ONCE);
    const loaded = await Promise.all(some.map(async (name) => {
      const key = keys.channelStart + name;
      return readChannel(key, await readStream(connection, key, options), position, options);
    }));
    loaded.forEach(({ kept, lostOffset }, index) => {
      for (const logged of kept) publications.push(logged);
      if (lostOffset > 0) lostOffsets.push([some[index]!, lostOffset]);
    });
  }
  publications.sort((one, other) => one.publication.offset - other.publication.offset);
  const oldestTime = options.clock.now() - options.historyAgeS * 1000;
  const recent = publications.find(({ publication: { time } }) => time > oldestTime);
  return {
    position,
    // A channel that is not there any more has expired: all of it was too old.
    forgottenOffset: (recent?.publication.offset ?? position.offset + 1) - 1,
    publications,
    lostOffsets,
    gaps: texts(await connection.send("LRANGE", keys.gaps, 0, -1))
      .map(readKeptGap).filter((gap) => gap !== undefined),
    keys: [],
  };
}

/** What a channel keeps up to `position`, and the highest offset that it has lost; 0 for none. */
function readChannel(
  key: string,
  entries: readonly StreamEntry[],
  position: Position,
  { historyCount, skipForeign }: LoadOptions,
): { readonly kept: readonly Logged[]; readonly lostOffset: number } {
  const kept: Logged[] = [];
  // Redis keeps one entry more than history: that one and all before it are lost. Entries behind
  // `position` may have taken the place of entries before it.
  const isFull = entries.length > historyCount;
  let lostOffset = isFull ? Math.min(entries[0]!.offset, position.offset) : 0;
  for (const entry of entries) {
    if (entry.offset > position.offset) break;
    const logged = readPublication(entry, position.epoch);
    if (logged === undefined) {
      skipForeign(key, entry);
      lostOffset = entry.offset;
    } else kept.push(logged);
  }
  return { kept, lostOffset };
}

/** Reads a whole stream, page by page. */
async function readStream(
  connection: RedisConnection,
  key: string,
  { entriesMax }: LoadOptions,
): Promise<StreamEntry[]> {
  const entries: StreamEntry[] = [];
  let start = "-";
  for (;;) {
    const page = readEntries(
      await connection.send("XRANGE", key, start, "+", "COUNT", entriesMax),
    );
    for (const entry of page) entries.push(entry);
    if (page.length < entriesMax) return entries;
    start = `(${page.at(-1)!.id}`;
  }
}

function texts(reply: Reply): string[] {
  if (Array.isArray(reply)) return reply.map(String);
  throw new TypeError("Cannot read what Redis keeps: expected a list");
}
