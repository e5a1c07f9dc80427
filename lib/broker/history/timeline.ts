import type { Span } from "./channel_log.ts";
import type { Publication } from "../../core/publication.ts";
import { firstIndex } from "./search.ts";

// Fewer slots than this are not worth closing up.
const SLOTS_MIN = 64;

/** What to look for, and how hard. */
export interface TimelineQuery extends Span {
  /** Reports whether a channel's are looked for. */
  readonly isWanted: (channel: string) => boolean;
  /** How many slots may be read. */
  readonly stepsMax: number;
}

/**
 * Publications of all channels in the order of their offsets, and since when each is kept. One that
 * is removed leaves its offset behind, so that its neighbours need not move; when half of all slots
 * are such, they are closed up, which makes removing cheap on the whole.
 */
export class Timeline {
  /** A publication, or the offset of one that is gone. */
  #slots: (Publication | number)[] = [];
  #keptAt: number[] = [];
  /** The latest time of each and all before it: unlike the times, these never go back. */
  #latest: number[] = [];
  /** Where the oldest publication is; all before it are gone. */
  #first = 0;
  #gone = 0;

  /** Adds a publication whose offset is higher than any before, kept no longer than those. */
  append(publication: Publication, keptAt: number): void {
    this.#slots.push(publication);
    this.#keptAt.push(keptAt);
    this.#latest.push(Math.max(publication.time, this.#latest.at(-1) ?? 0));
  }

  /** Removes a publication that is in it. */
  remove({ offset }: Publication): void {
    const slots = this.#slots;
    slots[this.#indexFrom(offset)] = offset;
    this.#gone++;
    while (typeof slots[this.#first] === "number") this.#first++;
    if (this.#gone * 2 > slots.length && slots.length >= SLOTS_MIN) this.#closeUp();
  }

  /** The oldest publication, if it is kept since `beforeMs` or longer. */
  oldestKeptSince(beforeMs: number): Publication | undefined {
    const keptAt = this.#keptAt[this.#first];
    if (keptAt === undefined || keptAt > beforeMs) return undefined;
    return this.#slots[this.#first] as Publication;
  }

  /**
   * The offset after which everything is kept that has this time or a later one, and little else: only
   * after the wall clock was set back older ones too. Undefined if nothing has.
   */
  offsetBefore(time: number): number | undefined {
    let index = firstIndex(this.#first, this.#latest.length, (at) => this.#latest[at]! >= time);
    while (typeof this.#slots[index] === "number") index++;
    const slot = this.#slots[index];
    return slot === undefined ? undefined : offsetOf(slot) - 1;
  }

  /** Finds publications, in the span's order. Returns undefined if that takes more than `stepsMax`. */
  find(query: TimelineQuery): Publication[] | undefined {
    const { from, until, limit, newestFirst, isWanted, stepsMax } = query;
    const found: Publication[] = [];
    const begin = this.#indexFrom(from + 1);
    const end = this.#indexFrom(until + 1);
    for (let step = 0; step < end - begin && found.length < limit; step++) {
      if (step >= stepsMax) return undefined;
      const slot = this.#slots[newestFirst ? end - 1 - step : begin + step]!;
      if (typeof slot !== "number" && isWanted(slot.channel)) found.push(slot);
    }
    return found;
  }

  /** Where the first is whose offset is `offset` or higher. */
  #indexFrom(offset: number): number {
    const slots = this.#slots;
    return firstIndex(this.#first, slots.length, (index) => offsetOf(slots[index]!) >= offset);
  }

  #closeUp(): void {
    const isKept = (_: unknown, index: number) => typeof this.#slots[index] !== "number";
    this.#keptAt = this.#keptAt.filter(isKept);
    this.#latest = this.#latest.filter(isKept);
    this.#slots = this.#slots.filter(isKept);
    this.#first = this.#gone = 0;
  }
}

function offsetOf(slot: Publication | number): number {
  return typeof slot === "number" ? slot : slot.offset;
}
