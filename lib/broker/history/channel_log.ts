import type { Publication } from "../../core/publication.ts";
import { firstIndex } from "./search.ts";

/** Which publications to find. */
export interface Span {
  /** After this offset. */
  readonly from: number;
  /** Up to this offset, inclusive. */
  readonly until: number;
  /** How many at most. */
  readonly limit: number;
  /** Newest first, and of too many the newest; otherwise oldest first, and the oldest. */
  readonly newestFirst: boolean;
}

/** What is kept of one channel. */
export class ChannelLog {
  readonly channel: string;
  /** The caller that began the channel, whose quota it counts towards. */
  readonly beganBy: string;
  /** Publications from the index `first` on are kept. */
  entries: Publication[] = [];
  first = 0;
  bytes = 0;
  /** The highest offset that is gone; 0 if nothing is. */
  lostOffset = 0;
  /** The caller that published last, and the neighbours among the channels that this one holds. */
  holder: Holder | undefined;
  newer: ChannelLog | undefined;
  older: ChannelLog | undefined;

  constructor(channel: string, beganBy: string) {
    this.channel = channel;
    this.beganBy = beganBy;
  }

  get count(): number {
    return this.entries.length - this.first;
  }

  get oldest(): Publication {
    return this.entries[this.first]!;
  }

  get newest(): Publication {
    return this.entries.at(-1)!;
  }

  append(publication: Publication): void {
    this.entries.push(publication);
    this.bytes += publication.costBytes;
  }

  /** Removes the oldest publication and returns it. */
  evict(): Publication {
    const publication = this.oldest;
    this.bytes -= publication.costBytes;
    this.first++;
    // Compacted only when half is gone, so that evicting stays cheap whatever the length.
    if (this.first * 2 >= this.entries.length) {
      this.entries = this.entries.slice(this.first);
      this.first = 0;
    }
    return publication;
  }

  /** The publications in a span, oldest first in any case. */
  slice({ from, until, limit, newestFirst }: Span): Publication[] {
    if (this.newest.offset <= from || this.oldest.offset > until) return [];
    const begin = this.#indexAfter(from);
    const end = this.#indexAfter(until);
    return newestFirst
      ? this.entries.slice(Math.max(begin, end - limit), end)
      : this.entries.slice(begin, Math.min(end, begin + limit));
  }

  #indexAfter(offset: number): number {
    const { first, entries } = this;
    return firstIndex(first, entries.length, (index) => entries[index]!.offset > offset);
  }
}

/** How many pages a read gathers before it cuts them to one. */
export const GATHERED_PAGES = 4;

/** The publications of these logs in a span, in its order. */
export function gather(logs: Iterable<ChannelLog>, span: Span): Publication[] {
  const { limit, newestFirst } = span;
  let left = span;
  let found: Publication[] = [];
  for (const log of logs) {
    found.push(...log.slice(left));
    if (found.length <= limit * GATHERED_PAGES) continue;
    // The logs that are left cannot add to the page what comes after its end.
    found = first(found, span);
    const { offset } = found.at(-1)!;
    left = newestFirst ? { ...left, from: offset } : { ...left, until: offset };
  }
  return first(found, span);
}

/** Sorts publications in the order of the span, and returns the first page. */
function first(publications: Publication[], { limit, newestFirst }: Span): Publication[] {
  const direction = newestFirst ? -1 : 1;
  return publications.sort((a, b) => direction * (a.offset - b.offset)).slice(0, limit);
}

/**
 * A caller and the channels that it holds, in the order of their last publication. They are a
 * linked list: the oldest of 100,000 takes 0.1 ms to find in a `Map` whose oldest are removed all
 * the time.
 */
export class Holder {
  readonly caller: string;
  channels = 0;
  bytes = 0;
  /** The power of two that `bytes` has reached; 1 if it is less. */
  rankBytes = 1;
  newest: ChannelLog | undefined;
  oldest: ChannelLog | undefined;

  constructor(caller: string) {
    this.caller = caller;
  }

  add(log: ChannelLog): void {
    log.older = this.newest;
    if (this.newest !== undefined) this.newest.newer = log;
    this.newest = log;
    this.oldest ??= log;
    this.channels++;
  }

  remove(log: ChannelLog): void {
    if (log.newer !== undefined) log.newer.older = log.older;
    else this.newest = log.older;
    if (log.older !== undefined) log.older.newer = log.newer;
    else this.oldest = log.newer;
    log.newer = log.older = undefined;
    this.channels--;
  }
}
