import type { Config } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../observe/log.ts";
import type { Journal } from "./journal.ts";
import { MemoryJournal } from "./memory.ts";
import type { ForeignOptions } from "./redis/entries.ts";

/**
 * Loads and makes the journal that the options name; a new kind of journal is a line here. `log`
 * gets a warning for each unwise setting of the Redis server, and `metrics` counts entries there
 * that are not of Hark.
 */
export async function journalOf(
  config: Config,
  clock: Clock,
  log: Pick<Log, "warn">,
  metrics: Pick<ForeignOptions, "foreignEntries">,
): Promise<Journal> {
  const { store, storeSync, redis, redisName: name } = config;
  if (redis !== "") {
    const { RedisJournal } = await import("./redis/journal.ts");
    const { readTarget } = await import("./redis/target.ts");
    const { foreignEntries } = metrics;
    const warn = (why: string) => log.warn(why);
    const target = readTarget(config);
    return new RedisJournal({ ...config, clock, target, name, warn, foreignEntries });
  }
  if (store === "") return new MemoryJournal(clock);
  const { SqliteJournal } = await import("./sqlite/journal.ts");
  return new SqliteJournal(store, clock, storeSync);
}
