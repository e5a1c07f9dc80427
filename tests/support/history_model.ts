import { covers } from "../../lib/core/channel.ts";
import type { HistoryPage, HistoryQuery } from "../../lib/core/engine.ts";
import type { HistoryLimits } from "../../lib/core/history.ts";
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

  append(publication: Publication): void {
    this.kept.push(publication);
    this.#offset = publication.offset;
    this.#trim(publication.channel, publication.time);
    while (bytes(this.kept) > this.#limits.historyTotalBytesMax) this.#forget(this.#channels()[0]!);
  }

  expire(nowMs: number): void {
    for (const channel of this.#channels()) {
      if (!this.#isOld(this.#of(channel).at(-1)!, nowMs)) return;
      this.#forget(channel);
    }
  }

  read({ channels, since, until = Infinity, limit }: HistoryQuery, nowMs: number): HistoryPage {
    this.expire(nowMs);
    const isOurs = since === undefined ||
      since.epoch === this.#epoch && since.offset <= this.#offset;
    const from = isOurs ? since?.offset ?? 0 : 0;
    const end = Math.min(until, this.#offset);
    const read = this.#channels().filter((channel) =>
      channels.includes(channel) ||
      this.#of(channel).at(-1)!.offset > from && channels.some((name) => covers(name, channel))
    );
    for (const channel of read) this.#trim(channel, nowMs);
    const all = this.kept.filter(({ channel, offset }) =>
      read.includes(channel) && offset > from && offset <= end
    );
    const publications = all.slice(0, limit);
    const more = all.length > limit;
    const lostOffset = Math.max(this.#forgotten, ...read.map((name) => this.#lost.get(name) ?? 0));
    const complete = isOurs && (since === undefined || lostOffset <= from);
    const offset = more ? publications.at(-1)!.offset : Math.max(from, end);
    return { publications, complete, lostOffset, position: { epoch: this.#epoch, offset }, more };
  }

  /** Names in the order of their last publication. */
  #channels(): string[] {
    return [...new Set(this.kept.map(({ channel }) => channel).reverse())].reverse();
  }

  #of(channel: string): Publication[] {
    return this.kept.filter((publication) => publication.channel === channel);
  }

  #isOld(publication: Publication, nowMs: number): boolean {
    return publication.time <= nowMs - this.#limits.historyAgeS * 1000;
  }

  #trim(channel: string, nowMs: number): void {
    const { historyCount, historyBytesMax } = this.#limits;
    for (;;) {
      const own = this.#of(channel);
      const isOver = own.length > historyCount || bytes(own) > historyBytesMax ||
        own.some((publication, at) => at === 0 && this.#isOld(publication, nowMs));
      if (!isOver) return;
      if (own.length === 1) return this.#forget(channel);
      this.kept = this.kept.filter((publication) => publication !== own[0]);
      this.#lost.set(channel, own[0]!.offset);
    }
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
