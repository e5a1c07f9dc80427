import { Refusal } from "../../core/errors.ts";
import type { StoredRecords } from "../journal.ts";

/** What a message has of changed records; null for one that is deleted. */
export type WireChanges = readonly (readonly [key: string, text: string | null])[];

/** Records in memory, for processes that come and go while this one stays. */
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

/** Records that the process which keeps the log stores, for all that follow it. */
export class LinkRecords implements StoredRecords {
  readonly #store: (changes: WireChanges) => Promise<unknown>;
  #stored: string[] = [];

  /** `store` has the process that keeps the log change records, and resolves once it has. */
  constructor(store: (changes: WireChanges) => Promise<unknown>) {
    this.#store = store;
  }

  /** Those that were stored when the log was opened, or opened again; each is read once. */
  read(): readonly string[] {
    return this.#stored.splice(0);
  }

  async change(changes: ReadonlyMap<string, string | undefined>): Promise<void> {
    try {
      await this.#store(Array.from(changes, ([key, text]) => [key, text ?? null]));
    } catch (error) {
      // That process is away, and a publish reports it.
      if (!(error instanceof Refusal)) throw error;
    }
  }

  /** Some of those that are stored. */
  load(texts: readonly string[]): void {
    for (const text of texts) this.#stored.push(text);
  }
}

/** Puts into `records` what a follower has changed. */
export async function changeRecords(
  records: StoredRecords,
  changes: WireChanges,
): Promise<void> {
  await records.change(new Map(changes.map(([key, text]) => [key, text ?? undefined])));
}
