import type { Publication } from "../../core/publication.ts";

// Fewer slots than this are not worth closing up.
const SLOTS_MIN = 64;

/** What to look for, and how hard. */
export interface TimelineQuery {
  /** Look after it. */
  readonly offset: number;
  /** Look up to here, inclusive. */
  readonly until: number;
  /** At most so many. */
  readonly limit: number;
  /** Tells whether a channel's are looked for. */
  readonly isWanted: (channel: string) => boolean;
  /** How many slots may be looked at. */
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
  /** Where the oldest publication is; all before it are gone. */
  #first = 0;
  #gone = 0;

  /** Adds a publication whose offset is higher than any before, kept no longer than those. */
  append(publication: Publication, keptAt: number): void {
    this.#slots.push(publication);
    this.#keptAt.push(keptAt);
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

  /** Finds publications, oldest first. Returns undefined if that takes more than `stepsMax`. */
  find({ offset, until, limit, isWanted, stepsMax }: TimelineQuery): Publication[] | undefined {
    const found: Publication[] = [];
    const begin = this.#indexFrom(offset + 1);
    for (let index = begin; index < this.#slots.length && found.length < limit; index++) {
      const slot = this.#slots[index]!;
      if (offsetOf(slot) > until) break;
      if (index - begin >= stepsMax) return undefined;
      if (typeof slot !== "number" && isWanted(slot.channel)) found.push(slot);
    }
    return found;
  }

  /** Where the first is whose offset is `offset` or higher. */
  #indexFrom(offset: number): number {
    const slots = this.#slots;
    let low = this.#first;
    let high = slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsetOf(slots[middle]!) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #closeUp(): void {
    const isKept = (_: unknown, index: number) => typeof this.#slots[index] !== "number";
    this.#keptAt = this.#keptAt.filter(isKept);
    this.#slots = this.#slots.filter(isKept);
    this.#first = this.#gone = 0;
  }
}

function offsetOf(slot: Publication | number): number {
  return typeof slot === "number" ? slot : slot.offset;
}
