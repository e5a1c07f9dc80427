import type { Position, Publication } from "../../core/publication.ts";
import type { Receipt } from "../broker.ts";
import type { KeyedRequest } from "../idempotency.ts";
import type { Entry, Feed, Journal, JournalBatch, Kept } from "../journal.ts";

/** Gets what a journal feeds to its broker, right after that has it. */
export interface Tap {
  onEntries(entries: readonly Entry[]): void;
  onHealth(isUp: boolean, why: string): void;
  /** The feed is over: what comes next need not follow what came before. */
  onLost(why: string): void;
}

/** A journal that shows what it feeds. */
export class TappedJournal implements Journal {
  readonly #inner: Journal;
  readonly #tap: Tap;

  constructor(inner: Journal, tap: Tap) {
    this.#inner = inner;
    this.#tap = tap;
  }

  open(): Promise<Kept> {
    // Also where a broker gives up a feed by itself, as something is missing in it.
    this.#tap.onLost("the log is opened again");
    return this.#inner.open();
  }

  follow(after: Position, feed: Feed): void {
    const tap = this.#tap;
    this.#inner.follow(after, {
      onEntries(entries) {
        feed.onEntries(entries);
        tap.onEntries(entries);
      },
      onHealth(isUp, why) {
        feed.onHealth(isUp, why);
        tap.onHealth(isUp, why);
      },
      onLost(why) {
        tap.onLost(why);
        feed.onLost(why);
      },
    });
  }

  append(batch: JournalBatch): Promise<Receipt> {
    return this.#inner.append(batch);
  }

  evicted(publication: Publication, isLast: boolean): void {
    this.#inner.evicted(publication, isLast);
  }

  forgotten(request: KeyedRequest): void {
    this.#inner.forgotten(request);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
