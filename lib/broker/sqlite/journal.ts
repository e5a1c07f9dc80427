import type { Clock, Timer } from "../../core/clock.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Position, Publication } from "../../core/publication.ts";
import type { Receipt } from "../broker.ts";
import type { KeyedRequest } from "../idempotency.ts";
import {
  type Feed,
  type Journal,
  type JournalBatch,
  type Kept,
  order,
  type StoredRecords,
  unavailable,
} from "../journal.ts";
import { Removal, Store, type StoreSync } from "./store.ts";

// Deleting writes other pages of the file than adding, so many rows are deleted at a time. After a
// crash, rows that were not deleted yet are loaded again, and evicted again for the same reason.
const SWEPT_MIN = 256;
const SWEEP_DELAY_MS = 1000;

/** A batch that waits for its commit. */
interface Waiting {
  readonly batch: JournalBatch;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (refusal: Refusal) => void;
}

/**
 * A log in an SQLite file, which outlives the process. All batches of one turn of the event loop
 * are one commit, and cost one sync of the disk. They are fed once they are committed. With sync
 * "full" they then outlive a crash of the machine. With "normal" they outlive a crash of the
 * process, and a crash of the machine may lose the last commits. Even then no id is given twice,
 * and a gap makes the positions of clients that have seen what was lost incomplete.
 */
export class SqliteJournal implements Journal {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #sync: StoreSync;
  readonly records: StoredRecords = {
    read: () => this.#store?.readRecords() ?? [],
    change: (changes) => this.#store?.changeRecords(changes),
  };
  #store: Store | undefined;
  #position: Position = { epoch: "", offset: 0 };
  #feed: Feed | undefined;
  #waiting: Waiting[] = [];
  /** What the broker has evicted or forgotten, and the file still has. */
  #removal = new Removal();
  #sweeping: Timer | undefined;

  /** The log in `file`, which is made if there is none. */
  constructor(file: string, clock: Clock, sync: StoreSync) {
    this.#file = file;
    this.#clock = clock;
    this.#sync = sync;
  }

  /**
   * Rejects with a `StoreError` if the file cannot be used: it is damaged, no store, open in
   * another process, or out of reach.
   */
  // deno-lint-ignore require-await -- a throw in here rejects
  async open(): Promise<Kept> {
    const kept = this.#store?.read() ?? this.#openStore();
    this.#position = kept.position;
    return kept;
  }

  follow(_after: Position, feed: Feed): void {
    this.#feed = feed;
  }

  append(batch: JournalBatch): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) this.#clock.afterTurn(() => this.#flush());
      this.#waiting.push({ batch, resolve, reject });
    });
  }

  evicted(publication: Publication, isLast: boolean): void {
    this.#removal.addPublication(publication, isLast);
    this.#sweepLater();
  }

  forgotten(request: KeyedRequest): void {
    this.#removal.addKey(request);
    this.#sweepLater();
  }

  close(): Promise<void> {
    return Promise.try(() => {
      if (this.#store === undefined) return;
      this.#flush();
      this.#sweep();
      this.#sweeping?.cancel();
      this.#store.close();
      this.#store = undefined;
      this.#feed = undefined;
    });
  }

  #openStore(): Kept {
    const { store, kept } = Store.open(this.#file, this.#sync);
    this.#store = store;
    return kept;
  }

  #flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length > 0 && this.#commit(group) !== undefined) this.#commitOneByOne(group);
    if (this.#removal.size >= SWEPT_MIN) this.#sweep();
  }

  /** Commits and feeds a group. Returns the error if it cannot. */
  #commit(group: readonly Waiting[]): Error | undefined {
    const time = this.#clock.now();
    const { epoch } = this.#position;
    let { offset } = this.#position;
    const ordered = group.map(({ batch }) => {
      const after = { epoch, offset };
      offset += batch.drafts.length;
      return order(batch, after, time);
    });
    try {
      this.#store!.add(ordered);
    } catch (error) {
      // No client has seen these offsets: they are given again.
      return error as Error;
    }
    this.#position = { epoch, offset };
    for (const { once } of ordered) if (once !== undefined) this.#removal.keepKey(once);
    this.#feed?.onEntries(ordered.flatMap(({ entries }) => entries));
    group.forEach(({ resolve }, index) => resolve(ordered[index]!.receipt));
    return undefined;
  }

  /** A batch that is too large for the free space must not fail the others. */
  #commitOneByOne(group: readonly Waiting[]): void {
    this.#sweep();
    for (const waiting of group) {
      const error = this.#commit([waiting]);
      if (error !== undefined) waiting.reject(cannotWrite(error));
    }
  }

  #sweepLater(): void {
    this.#sweeping ??= this.#clock.after(SWEEP_DELAY_MS, () => this.#sweep());
  }

  /** Deletes from the file what the broker does not keep. */
  #sweep(): void {
    this.#sweeping?.cancel();
    this.#sweeping = undefined;
    if (this.#removal.size === 0) return;
    try {
      this.#store!.remove(this.#removal);
    } catch {
      // A publish reports that the file cannot be written. What stays in it does no harm: a later
      // sweep or the next run deletes it.
      this.#sweepLater();
      return;
    }
    this.#removal = new Removal();
  }
}

function cannotWrite(error: Error): Refusal {
  return unavailable(`the store cannot be written (${error.message})`, error);
}
