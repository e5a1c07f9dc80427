import type { Config } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Journal } from "./journal.ts";
import { MemoryJournal } from "./memory.ts";
import { RedisJournal } from "./redis/journal.ts";
import { readTarget } from "./redis/open.ts";
import { SqliteJournal } from "./sqlite/journal.ts";

type JournalConfig = Pick<
  Config,
  | "store"
  | "storeSync"
  | "redis"
  | "redisCa"
  | "redisName"
  | "historyCount"
  | "historyAgeS"
  | "idempotencyAgeS"
>;

/**
 * The journal that the options name; a new kind of journal is a line here. `warn` is called with each
 * thing that is unwise about a server that keeps it.
 */
export function journalOf(
  config: JournalConfig,
  clock: Clock,
  warn: (why: string) => void = () => {},
): Journal {
  const { store, storeSync, redis, redisName: name } = config;
  if (redis !== "") {
    return new RedisJournal({ ...config, clock, target: readTarget(config), name, warn });
  }
  return store === "" ? new MemoryJournal(clock) : new SqliteJournal(store, clock, storeSync);
}
