import type { StoredRecords } from "../journal.ts";
import type { Store } from "./store.ts";

type RecordStore = Pick<Store, "readRecords" | "changeRecords">;

/** Records in the store. */
export class SqliteRecords implements StoredRecords {
  /** Undefined while the store is not open. */
  readonly #store: () => RecordStore | undefined;
  /** Some changes are lost. */
  #isOutOfDate = false;

  constructor(store: () => RecordStore | undefined) {
    this.#store = store;
  }

  read(): readonly string[] {
    return this.#store()?.readRecords() ?? [];
  }

  change(changes: ReadonlyMap<string, string | undefined>): void {
    try {
      this.#store()?.changeRecords(changes, this.#isOutOfDate);
      this.#isOutOfDate = false;
    } catch {
      // A publish reports that the file cannot be written. What is in it goes once it can.
      this.#isOutOfDate = true;
    }
  }
}
