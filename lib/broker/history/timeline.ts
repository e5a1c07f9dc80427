import type { Span } from "./channel_log.ts";
import type { Publication } from "../../core/publication.ts";
import { firstIndex } from "./search.ts";

// Compacting fewer slots is not worth it.
const SLOTS_MIN = 64;

/** What to look for, and for how long. */
export interface TimelineQuery extends Span {
  /** Reports whether publications of this channel are wanted. */
  readonly isWanted: (channel: string) => boolean;
  /** How many slots may be read. */
  readonly stepsMax: number;
}

/**
 * Publications of all channels in the order of their offsets, and since when each is kept. A
 * removed one leaves its offset in its slot, so no other has to move. Once half of all slots are
 * like that, the timeline is compacted.
 */
export class Timeline {
  /** A publication, or the offset of one that is gone. */
  #slots: (Publication | number)[] = [];
  #keptAt: number[] = [];
  /** The latest time of each slot and all before it: unlike the times, these never go back. */
  #latest: number[] = [];
  /** The index of the oldest publication. */
  #first = 0;
  #gone = 0;

  /** Adds a publication whose offset is higher and whose `keptAt` is not lower than any before. */
  append(publication: Publication, keptAt: number): void {
    this.#slots.push(publication);
    this.#keptAt.push(keptAt);
    this.#latest.push(Math.max(publication.time, this.#latest.at(-1) ?? 0));
  }

  /** Removes a publication that was added. */
  remove({ offset }: Publication): void {
    const slots = this.#slots;
    slots[this.#indexFrom(offset)] = offset;
    this.#gone++;
    while (typeof slots[this.#first] === "number") this.#first++;
    if (this.#gone * 2 > slots.length && slots.length >= SLOTS_MIN) this.#compact();
  }

  /** The oldest publication, if it was kept at `beforeMs` or earlier. */
  oldestKeptSince(beforeMs: number): Publication | undefined {
    const keptAt = this.#keptAt[this.#first];
    if (keptAt === undefined || keptAt > beforeMs) return undefined;
    return this.#slots[this.#first] as Publication;
  }

  /**
   * An offset such that everything of this time or later comes after it; undefined if there is
   * nothing. If the wall clock was set back, older publications may come after it too.
   */
  offsetBefore(time: number): number | undefined {
    let index = firstIndex(this.#first, this.#latest.length, (at) => this.#latest[at]! >= time);
    while (typeof this.#slots[index] === "number") index++;
    const slot = this.#slots[index];
    return slot === undefined ? undefined : offsetOf(slot) - 1;
  }

  /** Finds publications in the order of the span; undefined if that takes more than `stepsMax` steps. */
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

  /** The index of the first slot with this offset or a higher one. */
  #indexFrom(offset: number): number {
    const slots = this.#slots;
    return firstIndex(this.#first, slots.length, (index) => offsetOf(slots[index]!) >= offset);
  }

  #compact(): void {
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
