import { covers, isPattern } from "./channel.ts";
import type { ChannelInfo, EngineStats, HistoryPage, HistoryQuery } from "./engine.ts";
import { formatPosition, type Position, type Publication } from "./publication.ts";

/** What history may hold. */
export interface HistoryLimits {
  /** Publications of one channel; 0 keeps nothing. */
  readonly historyCount: number;
  /** How long a publication is kept, in seconds. */
  readonly historyAgeS: number;
  /** Bytes of one channel. */
  readonly historyBytesMax: number;
  /** Bytes of all channels. */
  readonly historyTotalBytesMax: number;
  /** Channels with something kept. */
  readonly channelsMax: number;
}

// How many pages of one read are gathered before they are cut to one.
const GATHERED_PAGES = 4;

/** What is kept of one channel, and its neighbours in the order of last publication. */
class ChannelLog {
  readonly channel: string;
  /** Kept publications are those from `first` on; what is before is gone. */
  entries: Publication[] = [];
  /** Since when each is kept. */
  keptAt: number[] = [];
  first = 0;
  bytes = 0;
  /** The highest offset that is gone; 0 if nothing is. */
  lostOffset = 0;
  newer: ChannelLog | undefined;
  older: ChannelLog | undefined;

  constructor(channel: string) {
    this.channel = channel;
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

  /** Since when the oldest is kept. */
  get oldestKeptAt(): number {
    return this.keptAt[this.first]!;
  }

  get newestKeptAt(): number {
    return this.keptAt.at(-1)!;
  }

  append(publication: Publication, keptAt: number): void {
    this.entries.push(publication);
    this.keptAt.push(keptAt);
    this.bytes += publication.costBytes;
  }

  /** Drops the oldest publication and returns it. */
  evict(): Publication {
    const publication = this.oldest;
    this.lostOffset = publication.offset;
    this.bytes -= publication.costBytes;
    this.first++;
    // Compacted only when half is gone, so that evicting stays cheap whatever the length.
    if (this.first * 2 >= this.entries.length) {
      this.entries = this.entries.slice(this.first);
      this.keptAt = this.keptAt.slice(this.first);
      this.first = 0;
    }
    return publication;
  }

  /** What comes after `offset` up to `until`, at most `limit`. */
  slice(offset: number, until: number, limit: number): Publication[] {
    const from = this.#indexAfter(offset);
    return this.entries.slice(from, Math.min(this.#indexAfter(until), from + limit));
  }

  #indexAfter(offset: number): number {
    let low = this.first;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.entries[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * What is kept of the log, by channel, within bounds of count, age and bytes. What is evicted is
 * remembered by its offset, so that a reader learns whether something is gone. Channels are linked
 * in the order of their last publication: the longest silent one ages out or makes room first.
 *
 * Every `nowMs` MUST be of one clock that never goes back, or what is kept would vanish or stay when
 * the wall clock is set.
 */
export class History {
  readonly #epoch: string;
  readonly #limits: HistoryLimits;
  readonly #onEvict: ((publication: Publication) => void) | undefined;
  readonly #logs = new Map<string, ChannelLog>();
  #newest: ChannelLog | undefined;
  #oldest: ChannelLog | undefined;
  #publications = 0;
  #bytes = 0;
  #offset: number;
  /** The highest offset of any channel that was forgotten altogether. */
  #forgottenOffset: number;

  /** `onEvict` learns of every publication that is let go. */
  constructor(
    start: Position,
    limits: HistoryLimits,
    onEvict?: (publication: Publication) => void,
  ) {
    this.#epoch = start.epoch;
    this.#offset = start.offset;
    this.#forgottenOffset = start.offset;
    this.#limits = limits;
    this.#onEvict = onEvict;
  }

  get stats(): EngineStats {
    return { channels: this.#logs.size, publications: this.#publications, bytes: this.#bytes };
  }

  get isEmpty(): boolean {
    return this.#logs.size === 0;
  }

  /** The highest offset of any channel that was forgotten altogether. */
  get forgottenOffset(): number {
    return this.#forgottenOffset;
  }

  /** Whether something is kept of `channel`. */
  has(channel: string): boolean {
    return this.#logs.has(channel);
  }

  /** The highest offset of `channel` that is gone; 0 if nothing is, or if nothing of it is kept. */
  lostOffset(channel: string): number {
    return this.#logs.get(channel)?.lostOffset ?? 0;
  }

  /** How many of these channels would be new. */
  countNew(channels: Iterable<string>): number {
    let count = 0;
    for (const channel of new Set(channels)) if (!this.#logs.has(channel)) count++;
    return count;
  }

  /** Keeps a publication whose offset is higher than any before, and lets go what is too much. */
  append(publication: Publication, nowMs: number): void {
    this.#offset = publication.offset;
    const log = this.#logFor(publication.channel);
    log.append(publication, nowMs);
    this.#publications++;
    this.#bytes += publication.costBytes;
    this.#trim(log, nowMs);
    while (this.#bytes > this.#limits.historyTotalBytesMax) this.#forget(this.#oldest!);
  }

  /**
   * Takes over what an earlier run knew, once all that it had kept is appended: what it had lost of
   * each channel, and the highest offset it gave.
   */
  restore(lostOffsets: Iterable<readonly [channel: string, offset: number]>, offset: number): void {
    for (const [channel, lostOffset] of lostOffsets) {
      const log = this.#logs.get(channel);
      if (log === undefined) this.#forgottenOffset = Math.max(this.#forgottenOffset, lostOffset);
      else log.lostOffset = Math.max(log.lostOffset, lostOffset);
    }
    while (this.#logs.size > this.#limits.channelsMax) this.#forget(this.#oldest!);
    this.#offset = Math.max(this.#offset, offset);
  }

  /** Lets go what is too old at `nowMs`. */
  expire(nowMs: number): void {
    const before = nowMs - this.#limits.historyAgeS * 1000;
    while (this.#oldest !== undefined && this.#oldest.newestKeptAt <= before) {
      this.#forget(this.#oldest);
    }
  }

  /** Reads as `Engine.history()` does. */
  read(query: HistoryQuery, nowMs: number): HistoryPage {
    this.expire(nowMs);
    const { since, limit } = query;
    const until = Math.min(query.until ?? this.#offset, this.#offset);
    const isOfThisLog = since === undefined ||
      since.epoch === this.#epoch && since.offset <= this.#offset;
    const from = since !== undefined && isOfThisLog ? since.offset : 0;
    let found: Publication[] = [];
    let foundUntil = until;
    let lostOffset = this.#forgottenOffset;
    for (const log of this.#matching(query.channels, from)) {
      if (log.count > 0) this.#trim(log, nowMs);
      lostOffset = Math.max(lostOffset, log.lostOffset);
      found.push(...log.slice(from, foundUntil, limit + 1));
      if (found.length <= limit * GATHERED_PAGES) continue;
      // What comes later than a whole page is no longer looked for in the channels that are left.
      found = earliest(found, limit + 1);
      foundUntil = found.at(-1)!.offset;
    }
    const more = found.length > limit;
    const publications = earliest(found, limit);
    const offset = more ? publications.at(-1)!.offset : Math.max(from, until);
    const complete = isOfThisLog && (since === undefined || lostOffset <= from);
    return { publications, complete, lostOffset, position: { epoch: this.#epoch, offset }, more };
  }

  /** Lists as `Engine.channels()` does. */
  channels(after: string, limit: number, nowMs: number): ChannelInfo[] {
    this.expire(nowMs);
    const names = Array.from(this.#logs.keys()).filter((name) => name > after).sort();
    return names.slice(0, limit).map((channel) => {
      const log = this.#logs.get(channel)!;
      return { channel, publications: log.count, last: formatPosition(log.newest) };
    });
  }

  /** Logs of these channels, and of those that a pattern takes in, with news since `offset`. */
  #matching(subscriptions: readonly string[], offset: number): Set<ChannelLog> {
    const found = new Set<ChannelLog>();
    const patterns = subscriptions.filter(isPattern);
    for (const name of subscriptions) {
      const log = this.#logs.get(name);
      if (log !== undefined) found.add(log);
    }
    if (patterns.length === 0) return found;
    for (let log = this.#newest; log !== undefined; log = log.older) {
      if (log.newest.offset <= offset) break;
      if (patterns.some((pattern) => covers(pattern, log.channel))) found.add(log);
    }
    return found;
  }

  #logFor(channel: string): ChannelLog {
    let log = this.#logs.get(channel);
    if (log === undefined) {
      log = new ChannelLog(channel);
      this.#logs.set(channel, log);
    } else if (log === this.#newest) {
      return log;
    } else {
      this.#unlink(log);
    }
    log.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = log;
    this.#newest = log;
    this.#oldest ??= log;
    return log;
  }

  #unlink(log: ChannelLog): void {
    if (log.newer !== undefined) log.newer.older = log.older;
    else this.#newest = log.older;
    if (log.older !== undefined) log.older.newer = log.newer;
    else this.#oldest = log.newer;
    log.newer = log.older = undefined;
  }

  /** Evicts what is over the channel's own bounds; forgets the channel if nothing is left. */
  #trim(log: ChannelLog, nowMs: number): void {
    const { historyCount, historyBytesMax, historyAgeS } = this.#limits;
    const before = nowMs - historyAgeS * 1000;
    while (
      log.count > historyCount || log.bytes > historyBytesMax ||
      log.count > 0 && log.oldestKeptAt <= before
    ) {
      if (log.count === 1) return this.#forget(log);
      this.#evict(log);
    }
  }

  #evict(log: ChannelLog): void {
    const publication = log.evict();
    this.#publications--;
    this.#bytes -= publication.costBytes;
    this.#onEvict?.(publication);
  }

  #forget(log: ChannelLog): void {
    this.#forgottenOffset = Math.max(this.#forgottenOffset, log.newest.offset);
    while (log.count > 0) this.#evict(log);
    this.#unlink(log);
    this.#logs.delete(log.channel);
  }
}

/** Puts publications in order, and returns the first `count`. */
function earliest(publications: Publication[], count: number): Publication[] {
  return publications.sort((a, b) => a.offset - b.offset).slice(0, count);
}
