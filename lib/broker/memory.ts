import type { Clock } from "../core/clock.ts";
import { randomEpoch } from "../core/random.ts";
import type { Receipt } from "./broker.ts";
import {
  type Feed,
  type Journal,
  type JournalBatch,
  type Kept,
  NOTHING_KEPT,
  order,
} from "./journal.ts";

/**
 * A log that lives as long as this process. The history of its broker is all that is kept.
 * `append()` feeds the broker before it returns.
 */
export class MemoryJournal implements Journal {
  readonly epoch: string = randomEpoch();
  readonly #clock: Clock;
  #offset = 0;
  #feed: Feed | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  open(): Promise<Kept> {
    const position = { epoch: this.epoch, offset: this.#offset };
    return Promise.resolve({ ...NOTHING_KEPT, position, forgottenOffset: this.#offset });
  }

  follow(_after: unknown, feed: Feed): void {
    this.#feed = feed;
  }

  append(batch: JournalBatch): Promise<Receipt> {
    const after = { epoch: this.epoch, offset: this.#offset };
    const { entries, receipt } = order(batch, after, this.#clock.now());
    this.#offset += entries.length;
    this.#feed?.onEntries(entries);
    return Promise.resolve(receipt);
  }

  close(): Promise<void> {
    this.#feed = undefined;
    return Promise.resolve();
  }
}
