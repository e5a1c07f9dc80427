import { isPattern, matcherOf, withoutCovered } from "../../core/channel.ts";
import { ChannelLog, gather, GATHERED_PAGES, type Span } from "./channel_log.ts";
import type { ChannelInfo, HistoryPage, HistoryQuery, HistoryStats } from "../broker.ts";
import { Holders } from "./eviction.ts";
import type { Kept, Logged } from "../journal.ts";
import { Quota } from "../../core/quota.ts";
import { formatPosition, type Position, type Publication } from "../../core/publication.ts";
import { isMoment, type Since } from "../../core/since.ts";
import { SortedLogs } from "./sorted_logs.ts";
import { Timeline } from "./timeline.ts";

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

/** Called with each publication that is evicted; `isLast` if its channel has no other. */
export type OnEvict = (publication: Publication, isLast: boolean) => void;

// Reading a slot of the timeline costs as much as skipping so many channels.
const CHANNELS_PER_SLOT = 8;

/**
 * What is kept of the log, by channel, within bounds of count, age and bytes. The highest offset
 * that was evicted is remembered, so a reader learns whether something is gone. When all bytes are
 * taken, the caller that holds most loses its longest silent channel.
 *
 * Channels are read from their own logs, patterns from one timeline of all channels: a replay costs
 * what it returns, however many channels there are.
 *
 * Every `nowMs` MUST come from one monotonic clock: setting the wall clock evicts nothing, and
 * keeps nothing.
 */
export class History {
  /** The channels that each caller has begun, including those of `ChannelQuota`. */
  readonly begun: Quota;
  readonly #epoch: string;
  readonly #limits: HistoryLimits;
  readonly #onEvict: OnEvict | undefined;
  readonly #logs = new Map<string, ChannelLog>();
  readonly #sortedLogs = new SortedLogs();
  readonly #timeline = new Timeline();
  readonly #holders = new Holders();
  #publications = 0;
  #bytes = 0;
  #offset: number;
  /** The highest offset of all channels of which nothing is kept any more. */
  #forgottenOffset: number;
  /** The highest offset that was lost of a channel which had more. */
  #lostOffset = 0;

  constructor(start: Position, limits: HistoryLimits, onEvict?: OnEvict) {
    this.#epoch = start.epoch;
    this.#offset = start.offset;
    this.#forgottenOffset = start.offset;
    this.#limits = limits;
    this.begun = new Quota(limits.channelsMax);
    this.#onEvict = onEvict;
  }

  get offset(): number {
    return this.#offset;
  }

  get stats(): HistoryStats {
    return { channels: this.#logs.size, publications: this.#publications, bytes: this.#bytes };
  }

  /** Reports whether something is kept of `channel`. */
  has(channel: string): boolean {
    return this.#logs.has(channel);
  }

  /** The caller that began `channel`, "" for no caller; undefined if nothing is kept of it. */
  beganBy(channel: string): string | undefined {
    return this.#logs.get(channel)?.beganBy;
  }

  /**
   * Keeps a publication, whose offset is higher than any before, and evicts what is too much.
   * Publications without a `caller` count for one caller, "". A new channel counts for `beganBy`.
   */
  append(publication: Publication, nowMs: number, caller = "", beganBy = caller): void {
    this.#offset = publication.offset;
    const log = this.#logFor(publication.channel, beganBy);
    this.#holders.give(log, caller);
    log.append(publication);
    this.#holders.charge(log, publication.costBytes);
    this.#timeline.append(publication, nowMs);
    this.#publications++;
    this.#bytes += publication.costBytes;
    this.#trim(log);
    this.expire(nowMs);
    while (this.#bytes > this.#limits.historyTotalBytesMax) this.#makeRoom();
  }

  /** Takes over what an earlier run had lost of each channel, once all that it kept is appended. */
  restore(lostOffsets: Kept["lostOffsets"]): void {
    for (const [channel, lostOffset] of lostOffsets) {
      const log = this.#logs.get(channel);
      if (log === undefined) this.#forgottenOffset = Math.max(this.#forgottenOffset, lostOffset);
      else if (lostOffset > log.lostOffset) this.#lose(log, lostOffset);
    }
    while (this.#logs.size > this.#limits.channelsMax) this.#makeRoom();
  }

  /** All that is kept: another history takes it over by `append()` and `restore()`. */
  kept(): Pick<Kept, "publications" | "lostOffsets" | "forgottenOffset"> {
    const logs = [...this.#logs.values()];
    const publications = logs.flatMap(({ entries, first, holder, beganBy }) => {
      const caller = holder!.caller;
      return entries.slice(first).map((publication): Logged => ({
        publication,
        caller: caller === "" ? undefined : caller,
        beganBy: beganBy === caller ? undefined : beganBy,
      }));
    }).sort((a, b) => a.publication.offset - b.publication.offset);
    const lostOffsets = logs.filter(({ lostOffset }) => lostOffset > 0)
      .map(({ channel, lostOffset }) => [channel, lostOffset] as const);
    return { publications, lostOffsets, forgottenOffset: this.#forgottenOffset };
  }

  /** Goes on after `offset`. Positions before `forgottenOffset` are incomplete. */
  skip(offset: number, forgottenOffset: number): void {
    this.#offset = offset;
    this.#forgottenOffset = Math.max(this.#forgottenOffset, forgottenOffset);
  }

  /** Evicts what is too old at `nowMs`. */
  expire(nowMs: number): void {
    const before = nowMs - this.#limits.historyAgeS * 1000;
    for (;;) {
      const publication = this.#timeline.oldestKeptSince(before);
      if (publication === undefined) return;
      this.#evict(this.#logs.get(publication.channel)!);
    }
  }

  /** Reads as `Broker.history()` does. */
  read(query: HistoryQuery, nowMs: number): HistoryPage {
    this.expire(nowMs);
    const { channels, since, limit, newestFirst = false } = query;
    const until = Math.min(query.until ?? this.#offset, this.#offset);
    const known = this.#offsetOf(since);
    const from = known ?? this.#beginOf(since);
    const lostOffset = this.#lostAfter(from, channels);
    const found = this.#find(channels, { from, until, limit: limit + 1, newestFirst });
    const more = found.length > limit;
    const publications = found.slice(0, limit);
    const isCut = more && !newestFirst;
    const offset = isCut ? publications.at(-1)!.offset : Math.max(from, until);
    const isOfWhatIsKept = since === undefined || isMoment(since);
    const complete = isOfWhatIsKept || known !== undefined && lostOffset <= known;
    const position = { epoch: this.#epoch, offset };
    return { publications, complete, lostOffset, beginOffset: from, position, more };
  }

  /** Lists as `Broker.channels()` does. */
  channels(after: string, limit: number, nowMs: number): ChannelInfo[] {
    this.expire(nowMs);
    return this.#sortedLogs.after(after, limit).map(({ channel, count, newest }) => {
      return { channel, publications: count, last: formatPosition(newest) };
    });
  }

  /** The offset to read after; undefined if `since` is of another log. */
  #offsetOf(since: Since | undefined): number | undefined {
    if (since === undefined) return 0;
    if (isMoment(since)) return this.#timeline.offsetBefore(since.sinceMs) ?? this.#offset;
    const isOfThisLog = since.epoch === this.#epoch && since.offset <= this.#offset;
    return isOfThisLog ? since.offset : undefined;
  }

  /** Where to begin if `since` belongs to another log, or is beyond the end of this one. */
  #beginOf(since: Since | undefined): number {
    const isOfThisLog = since !== undefined && !isMoment(since) && since.epoch === this.#epoch;
    return isOfThisLog ? this.#offset : 0;
  }

  /** The highest offset that is gone on these channels; with patterns, it may miss one up to `from`. */
  #lostAfter(from: number, subscriptions: readonly string[]): number {
    let found = this.#forgottenOffset;
    for (const log of this.#logsNamed(subscriptions)) found = Math.max(found, log.lostOffset);
    // The channel that lost it is still kept, or `forgottenOffset` would be higher.
    if (this.#lostOffset <= Math.max(found, from)) return found;
    const patterns = withoutCovered(subscriptions).filter(isPattern);
    if (patterns[0] === "*") return this.#lostOffset;
    for (const pattern of patterns) {
      for (const { lostOffset } of this.#sortedLogs.of(pattern)) {
        if (lostOffset > from && lostOffset > found) found = lostOffset;
      }
    }
    return found;
  }

  /** The publications on these channels in a span, in its order. */
  #find(subscriptions: readonly string[], span: Span): Publication[] {
    const wanted = withoutCovered(subscriptions);
    const patterns = wanted.filter(isPattern);
    const named = this.#logsNamed(wanted);
    if (patterns.length === 0) return gather(named, span);
    let channels = 0;
    for (const pattern of patterns) channels += this.#sortedLogs.count(pattern);
    // If few publications of a long time are wanted, it is quicker to go from channel to channel. The
    // timeline may take as many steps as that costs: so a read takes at most twice as long as it must.
    const stepsMax = span.limit * GATHERED_PAGES + channels / CHANNELS_PER_SLOT;
    const query = { ...span, isWanted: matcherOf(subscriptions), stepsMax };
    const logsOf = (pattern: string) => this.#sortedLogs.of(pattern);
    return this.#timeline.find(query) ??
      gather([...named, ...patterns.flatMap(logsOf)], span);
  }

  /** The logs of the channels among these, once each. */
  #logsNamed(subscriptions: readonly string[]): Set<ChannelLog> {
    const found = new Set<ChannelLog>();
    for (const name of subscriptions) {
      const log = this.#logs.get(name);
      if (log !== undefined) found.add(log);
    }
    return found;
  }

  #logFor(channel: string, beganBy: string): ChannelLog {
    let log = this.#logs.get(channel);
    if (log === undefined) {
      log = new ChannelLog(channel, beganBy);
      this.#logs.set(channel, log);
      this.#sortedLogs.add(log);
      this.begun.add(beganBy);
    }
    return log;
  }

  /** Evicts what is over the bounds of one channel. */
  #trim(log: ChannelLog): void {
    const { historyCount, historyBytesMax } = this.#limits;
    while (log.count > historyCount || log.bytes > historyBytesMax) this.#evict(log);
  }

  /** Evicts the oldest publication of a channel, and forgets the channel if nothing is left. */
  #evict(log: ChannelLog): void {
    const publication = log.evict();
    this.#timeline.remove(publication);
    this.#publications--;
    this.#bytes -= publication.costBytes;
    this.#holders.charge(log, -publication.costBytes);
    const isLast = log.count === 0;
    if (isLast) this.#drop(log, publication.offset);
    else this.#lose(log, publication.offset);
    this.#onEvict?.(publication, isLast);
  }

  /** Forgets one channel, to make room for others. */
  #makeRoom(): void {
    const log = this.#holders.longestSilent!;
    while (log.count > 0) this.#evict(log);
  }

  #lose(log: ChannelLog, offset: number): void {
    log.lostOffset = offset;
    this.#lostOffset = Math.max(this.#lostOffset, offset);
  }

  #drop(log: ChannelLog, offset: number): void {
    this.#forgottenOffset = Math.max(this.#forgottenOffset, offset);
    this.#holders.take(log);
    this.#logs.delete(log.channel);
    this.#sortedLogs.remove(log);
    this.begun.remove(log.beganBy);
  }
}
