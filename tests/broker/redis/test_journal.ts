import { RedisJournal, type RedisJournalOptions } from "../../../lib/broker/redis/journal.ts";
import { randomId } from "../../../lib/core/random.ts";
import { parseRedisUrl } from "../../../lib/core/redis_url.ts";
import { TurningClock } from "../helpers.ts";

/** A journal on the server at a URL; its log is its own, if the options name none. */
export function newJournal(url: string, options: Partial<RedisJournalOptions> = {}): RedisJournal {
  return new RedisJournal({
    // A clock that stands still: on a busy machine Redis may take its time.
    clock: new TurningClock(),
    target: parseRedisUrl(url),
    name: randomId(),
    historyCount: 100,
    historyAgeS: 3600,
    idempotencyAgeS: 300,
    publishBytesMax: 65_536,
    ...options,
  });
}
