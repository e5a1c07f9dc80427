import type { Receipt } from "../../lib/broker/broker.ts";
import type { KeyedRequest } from "../../lib/broker/idempotency.ts";
import {
  type Entry,
  type Feed,
  type Gap,
  isGap,
  type Journal,
  type JournalBatch,
  type Kept,
  type Logged,
} from "../../lib/broker/journal.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { type Position, Publication } from "../../lib/core/publication.ts";

/** A journal as its broker sees it when something is wrong between them, which a test says. */
export class FaultyJournal implements Journal {
  /** It cannot be reached: what is appended is refused, and it cannot be opened. */
  isAway = false;
  /** What it feeds does not arrive. */
  isSilent = false;
  /** Entries that did not arrive. */
  swallowed = 0;
  #inner: Journal;
  #feed: Feed | undefined;
  #fed: Entry[] = [];
  #end = 0;
  #gap: Gap | undefined;
  /** The journal that is behind this one knows nothing of the gap: what comes after it is moved. */
  #movedFrom = Infinity;
  #movedBy = 0;

  constructor(inner: Journal) {
    this.#inner = inner;
  }

  /** The feed is lost. */
  lose(why: string): void {
    const feed = this.#feed;
    this.#feed = undefined;
    feed?.onLost(why);
  }

  /** What feeds it is away, or back. */
  report(isUp: boolean): void {
    this.#feed?.onHealth(isUp, "the feed is cut");
  }

  /** All that was fed comes again. */
  repeat(): void {
    this.#feed?.onEntries(this.#fed);
  }

  /** The log goes on `count` further, once; what was `lost` of its end goes with it. */
  skip(count: number, { lost = 0, seen }: { lost?: number; seen?: number } = {}): void {
    const gap = this.#gap = { after: this.#end - lost, until: this.#end + count, seen };
    this.#movedFrom = this.#end;
    this.#movedBy = count;
    this.#fed.push(gap);
    this.#feed?.onEntries([gap]);
  }

  /** Another log is in its place. */
  async replace(inner: Journal): Promise<void> {
    await this.#inner.close();
    this.#inner = inner;
    this.lose("replaced");
  }

  async open(): Promise<Kept> {
    if (this.isAway) throw new Error("nobody answers");
    const kept = await this.#inner.open();
    const publications = kept.publications.map((logged) => this.#move(logged));
    const { epoch, offset } = kept.position;
    const { after, until = 0 } = this.#gap ?? {};
    return {
      ...kept,
      position: { epoch, offset: Math.max(this.#moveOffset(offset), until) },
      publications: publications.filter(({ publication: { offset } }) => {
        return after === undefined || offset <= after || offset > until;
      }),
      gaps: [...kept.gaps, ...this.#gap === undefined ? [] : [this.#gap]],
    };
  }

  follow(after: Position, feed: Feed): void {
    this.#feed = feed;
    const { epoch, offset } = after;
    const isMoved = offset >= this.#movedFrom + this.#movedBy;
    this.#inner.follow({ epoch, offset: isMoved ? offset - this.#movedBy : offset }, {
      onEntries: (entries) => {
        const moved = entries.map((entry) => isGap(entry) ? entry : this.#move(entry));
        for (const entry of moved) if (!isGap(entry)) this.#end = entry.publication.offset;
        this.#fed.push(...moved);
        if (this.isSilent) this.swallowed += moved.length;
        else this.#feed?.onEntries(moved);
      },
      onHealth: (isUp, why) => this.#feed?.onHealth(isUp, why),
      onLost: (why) => this.lose(why),
    });
  }

  async append(batch: JournalBatch): Promise<Receipt> {
    if (this.isAway) throw new Refusal("unavailable", "Cannot publish: nobody answers");
    const receipt = await this.#inner.append(batch);
    return { ...receipt, offset: this.#moveOffset(receipt.offset) };
  }

  evicted(publication: Publication, isLast: boolean): void {
    this.#inner.evicted?.(publication, isLast);
  }

  forgotten(request: KeyedRequest): void {
    this.#inner.forgotten?.(request);
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  #move(logged: Logged): Logged {
    const { epoch, offset, time } = logged.publication;
    const position = { epoch, offset: this.#moveOffset(offset) };
    return { ...logged, publication: new Publication(position, logged.publication, time) };
  }

  #moveOffset(offset: number): number {
    return offset > this.#movedFrom ? offset + this.#movedBy : offset;
  }
}
