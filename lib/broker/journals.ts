import type { Config } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Journal } from "./journal.ts";
import { MemoryJournal } from "./memory.ts";
import { parseRedisUrl } from "../core/redis_url.ts";
import { RedisJournal } from "./redis/journal.ts";
import { SqliteJournal } from "./sqlite/journal.ts";

type JournalConfig = Pick<
  Config,
  | "store"
  | "storeSync"
  | "redis"
  | "redisName"
  | "historyCount"
  | "historyAgeS"
  | "idempotencyAgeS"
>;

/** The journal that the options name; a new kind of journal is a line here. */
export function journalOf(config: JournalConfig, clock: Clock): Journal {
  const { store, storeSync, redis, redisName: name } = config;
  if (redis !== "") {
    return new RedisJournal({ ...config, clock, target: parseRedisUrl(redis), name });
  }
  return store === "" ? new MemoryJournal(clock) : new SqliteJournal(store, clock, storeSync);
}
