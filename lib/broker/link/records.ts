import { Refusal } from "../../core/errors.ts";
import type { StoredRecords } from "../journal.ts";

/** Changes of records in a message; null deletes one. */
export type WireChanges = readonly (readonly [key: string, text: string | null])[];

/** Records in memory, for followers that come and go while this process stays. */
export class MemoryRecords implements StoredRecords {
  readonly #texts = new Map<string, string>();

  read(): readonly string[] {
    return [...this.#texts.values()];
  }

  change(changes: ReadonlyMap<string, string | undefined>): void {
    for (const [key, text] of changes) {
      this.#texts.delete(key);
      if (text !== undefined) this.#texts.set(key, text);
    }
  }
}

/** Records that the process which keeps the log stores for all its followers. */
export class LinkRecords implements StoredRecords {
  readonly #store: (changes: WireChanges) => Promise<unknown>;
  #stored: string[] = [];

  /** `store` sends changes to the process that keeps the log, and resolves once they are stored. */
  constructor(store: (changes: WireChanges) => Promise<unknown>) {
    this.#store = store;
  }

  /** The records that were stored when the log was opened last. Returns each once. */
  read(): readonly string[] {
    return this.#stored.splice(0);
  }

  async change(changes: ReadonlyMap<string, string | undefined>): Promise<void> {
    try {
      await this.#store(Array.from(changes, ([key, text]) => [key, text ?? null]));
    } catch (error) {
      // That process is away. A publish reports it.
      if (!(error instanceof Refusal)) throw error;
    }
  }

  /** Adds stored records. */
  load(texts: readonly string[]): void {
    for (const text of texts) this.#stored.push(text);
  }
}

/** Makes the changes of a follower. */
export async function changeRecords(
  records: StoredRecords,
  changes: WireChanges,
): Promise<void> {
  await records.change(new Map(changes.map(([key, text]) => [key, text ?? undefined])));
}
