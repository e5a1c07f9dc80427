import { covers } from "../../lib/core/channel.ts";
import type { HistoryPage, HistoryQuery } from "../../lib/broker/broker.ts";
import type { HistoryLimits } from "../../lib/broker/history/history.ts";
import { isMoment, type Since } from "../../lib/core/since.ts";
import type { Position, Publication } from "../../lib/core/publication.ts";

/** What `History` must keep and tell, in the plainest way: one list, searched from end to end. */
export class HistoryModel {
  kept: Publication[] = [];
  readonly #epoch: string;
  readonly #limits: HistoryLimits;
  readonly #lost = new Map<string, number>();
  #forgotten: number;
  #offset: number;

  constructor(start: Position, limits: HistoryLimits) {
    this.#epoch = start.epoch;
    this.#limits = limits;
    this.#forgotten = this.#offset = start.offset;
  }

  /** `gone` are those that make room where it is not the longest silent channel's turn. */
  append(publication: Publication, gone?: ReadonlySet<number>): void {
    this.kept.push(publication);
    this.#offset = publication.offset;
    this.#trim(publication.channel);
    this.expire(publication.time);
    while (bytes(this.kept) > this.#limits.historyTotalBytesMax) {
      const isNext = (channel: string) => gone?.has(this.#of(channel).at(-1)!.offset) ?? true;
      this.#forget(this.#channels().find(isNext)!);
    }
  }

  expire(nowMs: number): void {
    const before = nowMs - this.#limits.historyAgeS * 1000;
    while (this.kept.length > 0 && this.kept[0]!.time <= before) this.#evict(this.kept[0]!.channel);
  }

  read(query: HistoryQuery, nowMs: number): HistoryPage {
    this.expire(nowMs);
    const { channels, since, until = Infinity, limit, newestFirst = false } = query;
    const known = this.#offsetOf(since);
    const isAhead = since !== undefined && !isMoment(since) && since.epoch === this.#epoch;
    const from = known ?? (isAhead ? this.#offset : 0);
    const end = Math.min(until, this.#offset);
    const isRead = (channel: string) => channels.some((name) => covers(name, channel));
    const all = this.kept.filter(({ channel, offset }) =>
      isRead(channel) && offset > from && offset <= end
    );
    if (newestFirst) all.reverse();
    const publications = all.slice(0, limit);
    const more = all.length > limit;
    const lost = this.#channels().filter(isRead).map((channel) => {
      const offset = this.#lost.get(channel) ?? 0;
      // Up to where a pattern is read from, nobody asks.
      return channels.includes(channel) || offset > from ? offset : 0;
    });
    const lostOffset = Math.max(this.#forgotten, ...lost);
    const isOfWhatIsKept = since === undefined || isMoment(since);
    const complete = isOfWhatIsKept || known !== undefined && lostOffset <= known;
    const offset = more && !newestFirst ? publications.at(-1)!.offset : Math.max(from, end);
    const position = { epoch: this.#epoch, offset };
    return { publications, complete, lostOffset, beginOffset: from, position, more };
  }

  #offsetOf(since: Since | undefined): number | undefined {
    if (since === undefined) return 0;
    if (isMoment(since)) {
      const first = this.kept.find(({ time }) => time >= since.sinceMs);
      return first === undefined ? this.#offset : first.offset - 1;
    }
    return since.epoch === this.#epoch && since.offset <= this.#offset ? since.offset : undefined;
  }

  /** Names in the order of their last publication. */
  #channels(): string[] {
    return [...new Set(this.kept.map(({ channel }) => channel).reverse())].reverse();
  }

  #of(channel: string): Publication[] {
    return this.kept.filter((publication) => publication.channel === channel);
  }

  #trim(channel: string): void {
    const { historyCount, historyBytesMax } = this.#limits;
    const isOver = () =>
      this.#of(channel).length > historyCount || bytes(this.#of(channel)) > historyBytesMax;
    while (isOver()) this.#evict(channel);
  }

  /** Lets go the oldest of a channel. */
  #evict(channel: string): void {
    const [oldest, ...rest] = this.#of(channel);
    if (rest.length === 0) return this.#forget(channel);
    this.kept = this.kept.filter((publication) => publication !== oldest);
    this.#lost.set(channel, oldest!.offset);
  }

  #forget(channel: string): void {
    this.#forgotten = Math.max(this.#forgotten, this.#of(channel).at(-1)!.offset);
    this.kept = this.kept.filter((publication) => publication.channel !== channel);
    this.#lost.delete(channel);
  }
}

function bytes(publications: readonly Publication[]): number {
  return publications.reduce((sum, publication) => sum + publication.costBytes, 0);
}
