import type { Position } from "../../core/publication.ts";
import type { Kept, Logged } from "../journal.ts";
import type { RedisConnection } from "./connection.ts";
import { readEntries, readKeptGap, readPublication } from "./entries.ts";
import type { Reply } from "./resp.ts";
import type { RedisKeys } from "./scripts.ts";

/** Channels that are read in one go. */
const CHANNELS_AT_ONCE = 200;

/** Reads what Redis keeps of the log up to `position`. */
export async function loadKept(
  connection: RedisConnection,
  keys: RedisKeys,
  position: Position,
): Promise<Kept> {
  const names = texts(await connection.send("ZRANGE", keys.channels, 0, -1));
  const publications: Logged[] = [];
  for (let from = 0; from < names.length; from += CHANNELS_AT_ONCE) {
    const some = names.slice(from, from + CHANNELS_AT_ONCE);
    const replies = await Promise.all(
      some.map((name) => connection.send("XRANGE", keys.channelStart + name, "-", "+")),
    );
    for (const reply of replies) publications.push(...readChannel(reply, position));
  }
  publications.sort((one, other) => one.publication.offset - other.publication.offset);
  return {
    position,
    // Of a channel that is not there any more, all was older than what is.
    forgottenOffset: (publications[0]?.publication.offset ?? position.offset + 1) - 1,
    publications,
    // Each channel has one entry more than is kept, so that history finds what it has lost.
    lostOffsets: [],
    gaps: texts(await connection.send("LRANGE", keys.gaps, 0, -1)).map(readKeptGap),
    keys: [],
  };
}

function readChannel(reply: Reply, { epoch, offset }: Position): Logged[] {
  return readEntries(reply)
    .filter((entry) => entry.offset <= offset)
    .flatMap((entry) => readPublication(entry, epoch) ?? []);
}

function texts(reply: Reply): string[] {
  if (Array.isArray(reply)) return reply.map(String);
  throw new TypeError("Cannot read what Redis keeps: expected a list");
}
