import { RedisJournal } from "../../../lib/broker/redis/journal.ts";
import { randomId } from "../../../lib/core/random.ts";
import { parseRedisUrl } from "../../../lib/core/redis_url.ts";
import type { RedisServer } from "../../support/redis.ts";
import { TurningClock } from "../helpers.ts";

/** A journal with a log of its own on a server. */
export function newJournal({ url }: RedisServer): RedisJournal {
  return new RedisJournal({
    // One that stands still: on a busy machine Redis may take its time.
    clock: new TurningClock(),
    target: parseRedisUrl(url),
    name: randomId(),
    historyCount: 100,
    historyAgeS: 3600,
    idempotencyAgeS: 300,
    publishBytesMax: 65_536,
  });
}
