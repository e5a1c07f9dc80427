import type { Clock } from "../core/clock.ts";
import type { Position } from "../core/publication.ts";
import { isMoment } from "../core/since.ts";
import type { HistoryPage, HistoryQuery } from "./broker.ts";
import { ChannelQuota } from "./channel_quota.ts";
import { History, type HistoryLimits, type OnEvict } from "./history/history.ts";
import { type Entry, type Gap, GAPS_MAX, isGap, type Kept, type Logged } from "./journal.ts";

/**
 * How long after a gap another node may still report that its clients have seen what is lost. Until
 * then no position from before the gap counts as complete.
 */
export const DOUBT_MS = 5000;

/** How an entry follows what a replica has: it is next, known already, or others are missing. */
export type Fit = "next" | "known" | "missing";

/** This node's copy of the log: as much of it as history may hold. */
export class Replica {
  readonly epoch: string;
  readonly history: History;
  readonly quota: ChannelQuota;
  #gaps: readonly Gap[];
  /** Where the last gap in the feed ends, and when it came. */
  #doubtedOffset = 0;
  #doubtedAt = -Infinity;

  /** Takes over what a journal keeps. */
  constructor(
    kept: Kept,
    { limits, clock, onEvict }: { limits: HistoryLimits; clock: Clock; onEvict: OnEvict },
  ) {
    const { position: { epoch, offset }, publications, forgottenOffset, lostOffsets } = kept;
    this.epoch = epoch;
    this.#gaps = kept.gaps;
    const history = this.history = new History({ epoch, offset: forgottenOffset }, limits, onEvict);
    const nowMs = clock.monotonic();
    const ages = agesMs(publications.map(({ publication }) => publication.time), clock.now());
    publications.forEach(({ publication, caller, beganBy }, index) => {
      history.append(publication, nowMs - ages[index]!, caller, beganBy);
    });
    history.restore(lostOffsets);
    history.skip(offset, Math.max(0, ...kept.gaps.map(incompleteUntil)));
    history.expire(nowMs);
    this.quota = new ChannelQuota(history, limits.channelsMax);
  }

  get offset(): number {
    return this.history.offset;
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.offset };
  }

  /** All that this replica has, as a journal would keep it, without keys. */
  kept(): Kept {
    return { ...this.history.kept(), position: this.position, gaps: this.#gaps, keys: [] };
  }

  /** Offsets are consecutive unless a gap explains a jump. */
  fit(entry: Entry): Fit {
    const [last, after] = isGap(entry)
      ? [entry.until, entry.after]
      : [entry.publication.offset, entry.publication.offset - 1];
    if (last <= this.offset) return "known";
    return after === this.offset ? "next" : "missing";
  }

  /** Keeps the next publication. */
  append({ publication, caller, beganBy }: Logged, nowMs: number): void {
    this.history.append(publication, nowMs, caller, beganBy);
    this.quota.applied(publication.channel);
  }

  /** Goes on after a gap. If clients have seen what is lost, every position before it is incomplete. */
  skip(gap: Gap, nowMs: number): void {
    const { until } = gap;
    this.#doubtedOffset = until;
    this.#doubtedAt = nowMs;
    const gaps = [...this.#gaps, gap];
    const dropped = gaps.length > GAPS_MAX ? gaps.shift() : undefined;
    this.#gaps = gaps;
    this.history.skip(until, Math.max(incompleteUntil(gap), dropped?.until ?? 0));
  }

  /**
   * The entries that this replica lacks; undefined if the journal does not keep all of them, or has
   * another log.
   */
  missing({ position, publications }: Kept): readonly Logged[] | undefined {
    if (position.epoch !== this.epoch) return undefined;
    const missing = publications.filter(({ publication }) => publication.offset > this.offset);
    return missing.length === position.offset - this.offset ? missing : undefined;
  }

  /** Reads as `Broker.history()` does. */
  read(query: HistoryQuery, nowMs: number): HistoryPage {
    const page = this.history.read(query, nowMs);
    const { since } = query;
    if (since === undefined || isMoment(since)) return page;
    const isDoubted = since.offset < this.#doubtedOffset && nowMs - this.#doubtedAt < DOUBT_MS;
    return isDoubted || this.#isInGap(since.offset) ? { ...page, complete: false } : page;
  }

  #isInGap(offset: number): boolean {
    return this.#gaps.some(({ after, until }) => after < offset && offset < until);
  }
}

/** Every position before this offset is incomplete, as clients have seen what is lost. */
function incompleteUntil({ until, seen }: Gap): number {
  return seen === undefined ? 0 : until;
}

/**
 * The ages of things that happened one after the other at these times. The wall clock may have been set
 * meanwhile, so nothing counts as younger than what came after it.
 */
export function agesMs(times: readonly number[], wallMs: number): number[] {
  let ageMs = 0;
  return times.map((_, index) => ageMs = Math.max(ageMs, wallMs - times.at(-index - 1)!)).reverse();
}
