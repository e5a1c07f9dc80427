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

/** Channels that are read in one go. */
const CHANNELS_AT_ONCE = 200;

/** How much is kept, and what time it is. */
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
  { historyCount, historyAgeS, clock, entriesMax, skipForeign }: LoadOptions,
): Promise<Kept> {
  const names = texts(await connection.send("ZRANGE", keys.channels, 0, -1));
  const publications: Logged[] = [];
  const lostOffsets: [channel: string, offset: number][] = [];
  for (let from = 0; from < names.length; from += CHANNELS_AT_ONCE) {
    const some = names.slice(from, from + CHANNELS_AT_ONCE);
    const streams = await Promise.all(
      some.map((name) => readStream(connection, keys.channelStart + name, entriesMax)),
    );
    streams.forEach((entries, index) => {
      const channel = some[index]!;
      // Each channel has one entry more than is kept: that one and what came before it is lost. What
      // comes behind `position` may have taken the place of what was before it.
      let lost = entries.length > historyCount ? Math.min(entries[0]!.offset, position.offset) : 0;
      for (const entry of entries) {
        if (entry.offset > position.offset) break;
        const publication = readPublication(entry, position.epoch);
        if (publication !== undefined) publications.push(publication);
        else {
          skipForeign(keys.channelStart + channel, entry);
          lost = entry.offset;
        }
      }
      if (lost > 0) lostOffsets.push([channel, lost]);
    });
  }
  publications.sort((one, other) => one.publication.offset - other.publication.offset);
  const oldestTime = clock.now() - historyAgeS * 1000;
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

/** Reads a whole stream, so many entries at a time. */
async function readStream(
  connection: RedisConnection,
  key: string,
  entriesMax: number,
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
