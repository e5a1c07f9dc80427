import type { Publication } from "../../core/publication.ts";
import { firstIndex } from "./search.ts";

/** Which publications to find. */
export interface Span {
  /** Those after this offset. */
  readonly from: number;
  /** Those up to here, inclusive. */
  readonly until: number;
  /** At most so many. */
  readonly limit: number;
  /** Newest first, and of too many the newest; otherwise oldest first, and the oldest. */
  readonly newestFirst: boolean;
}

/** What is kept of one channel, whose it is, and its neighbours among their channels. */
export class ChannelLog {
  readonly channel: string;
  /** The caller that has begun it, and against whose quota it counts. */
  readonly beganBy: string;
  /** Kept publications are those from `first` on; what is before is gone. */
  entries: Publication[] = [];
  first = 0;
  bytes = 0;
  /** The highest offset that is gone; 0 if nothing is. */
  lostOffset = 0;
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

  /** Drops the oldest publication and returns it. */
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

  /** What a span takes in, oldest first in any case. */
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

/** How many pages of one read are gathered before they are cut to one. */
export const GATHERED_PAGES = 4;

/** Finds the publications of these logs that a span takes in, in its order. */
export function gather(logs: Iterable<ChannelLog>, span: Span): Publication[] {
  const { limit, newestFirst } = span;
  let left = span;
  let found: Publication[] = [];
  for (const log of logs) {
    found.push(...log.slice(left));
    if (found.length <= limit * GATHERED_PAGES) continue;
    // What comes behind a whole page is no longer looked for in the logs that are left.
    found = first(found, span);
    const { offset } = found.at(-1)!;
    left = newestFirst ? { ...left, from: offset } : { ...left, until: offset };
  }
  return first(found, span);
}

/** Puts publications in order, and returns the first of them. */
function first(publications: Publication[], { limit, newestFirst }: Span): Publication[] {
  const direction = newestFirst ? -1 : 1;
  return publications.sort((a, b) => direction * (a.offset - b.offset)).slice(0, limit);
}

/** One caller, and the channels that are theirs in the order of their last publication. */
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
