import type { Config } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Journal } from "./journal.ts";
import { MemoryJournal } from "./memory.ts";
import { SqliteJournal } from "./sqlite/journal.ts";

/** The journal that the options name; a new kind of journal is a line here. */
export function journalOf(config: Pick<Config, "store" | "storeSync">, clock: Clock): Journal {
  const { store, storeSync } = config;
  return store === "" ? new MemoryJournal(clock) : new SqliteJournal(store, clock, storeSync);
}
