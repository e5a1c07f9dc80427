import type { Position, Publication } from "../core/publication.ts";
import { isMoment } from "../core/since.ts";
import type { HistoryPage, HistoryQuery } from "./broker.ts";
import { ChannelQuota } from "./channel_quota.ts";
import { History, type HistoryLimits } from "./history/history.ts";
import { type Entry, type Gap, GAPS_MAX, isGap, type Kept, type Logged } from "./journal.ts";

/** What a replica is made of. */
export interface ReplicaOptions {
  readonly kept: Kept;
  readonly limits: HistoryLimits;
  /** The wall clock, in milliseconds since 1970. */
  readonly wallMs: number;
  readonly nowMs: number;
  readonly onEvict: (publication: Publication, isLast: boolean) => void;
}

/**
 * For so long after a gap another node may still say that it has seen more than was kept: until then
 * nothing from before the gap is called complete.
 */
export const DOUBT_MS = 5000;

/** How an entry goes with what a replica has: it is due, was had before, or others are missing. */
export type Fit = "due" | "had" | "missing";

/** This node's copy of the log, as far as it has come and as much as history holds. */
export class Replica {
  readonly epoch: string;
  readonly history: History;
  readonly quota: ChannelQuota;
  #offset: number;
  #gaps: readonly Gap[];
  /** Where the last gap that was met ends, and when. */
  #doubtedOffset = 0;
  #doubtedAt = -Infinity;

  /** Takes over what a journal keeps. */
  constructor({ kept, limits, wallMs, nowMs, onEvict }: ReplicaOptions) {
    const { position: { epoch, offset }, publications, forgottenOffset, lostOffsets } = kept;
    this.epoch = epoch;
    this.#offset = offset;
    this.#gaps = kept.gaps;
    const history = this.history = new History({ epoch, offset: forgottenOffset }, limits, onEvict);
    const ages = agesMs(publications.map(({ publication }) => publication.time), wallMs);
    publications.forEach(({ publication, caller, beganBy }, index) => {
      history.append(publication, nowMs - ages[index]!, caller, beganBy);
    });
    history.restore(lostOffsets, offset);
    history.skip(offset, Math.max(0, ...kept.gaps.map(incompleteUntil)));
    history.expire(nowMs);
    this.quota = new ChannelQuota(history, limits.channelsMax);
  }

  get offset(): number {
    return this.#offset;
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.#offset };
  }

  /** All that this replica has, as a journal would keep it; keys are not its own. */
  kept(): Kept {
    return { ...this.history.kept(), position: this.position, gaps: this.#gaps, keys: [] };
  }

  /** Offsets are consecutive, but where a gap says why not. */
  fit(entry: Entry): Fit {
    const [last, after] = isGap(entry)
      ? [entry.until, entry.after]
      : [entry.publication.offset, entry.publication.offset - 1];
    if (last <= this.#offset) return "had";
    return after === this.#offset ? "due" : "missing";
  }

  /** Keeps a publication that is due. */
  append({ publication, caller, beganBy }: Logged, nowMs: number): void {
    this.#offset = publication.offset;
    this.history.append(publication, nowMs, caller, beganBy);
    this.quota.applied(publication.channel);
  }

  /** Goes on behind a gap that is due. If somebody has seen what is lost, nobody before it has had all. */
  skip(gap: Gap, nowMs: number): void {
    const { until } = gap;
    this.#doubtedOffset = until;
    this.#doubtedAt = nowMs;
    this.#offset = until;
    const gaps = [...this.#gaps, gap];
    const dropped = gaps.length > GAPS_MAX ? gaps.shift() : undefined;
    this.#gaps = gaps;
    this.history.skip(until, Math.max(incompleteUntil(gap), dropped?.until ?? 0));
  }

  /**
   * What this replica lacks of what is kept; undefined if not all of that is kept, or if the log has
   * gone on elsewhere.
   */
  missing({ position, publications }: Kept): readonly Logged[] | undefined {
    if (position.epoch !== this.epoch) return undefined;
    const missing = publications.filter(({ publication }) => publication.offset > this.#offset);
    return missing.length === position.offset - this.#offset ? missing : undefined;
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

/** Before this offset no position is complete: what somebody has seen is lost. */
function incompleteUntil({ until, seen }: Gap): number {
  return seen === undefined ? 0 : until;
}

/**
 * How old things are that happened one after the other at these times. Only the wall clock can tell,
 * which may have been set since: nothing is taken for younger than what came after it.
 */
export function agesMs(times: readonly number[], wallMs: number): number[] {
  let ageMs = 0;
  return times.map((_, index) => ageMs = Math.max(ageMs, wallMs - times.at(-index - 1)!)).reverse();
}
