import { OFFSET_JUMP } from "../../lib/broker/redis/scripts.ts";

/** A message that a follower got; the id is empty where the wire format has none. */
export interface Got {
  readonly text: string;
  readonly id: string;
}

/** A follower was told that some messages are gone. */
export interface Notice {
  /** Where it was, */
  readonly since: number;
  /** and what had been acknowledged by then. */
  readonly until: number;
}

/** All that was published in a drill, and what became of it. */
export class Ledger {
  /** The offset of each text that was acknowledged. */
  readonly accepted = new Map<string, number>();
  /** Attempts that were answered by 503. */
  refused = 0;
  /** Attempts that got no answer, as their node was gone. */
  unanswered = 0;
  /** The longest that a publisher waited for its answer, in milliseconds. */
  slowestMs = 0;
  /** The highest offset that was acknowledged. */
  highest = 0;
  readonly #texts = new Map<string, string>();
  readonly #ids = new Map<string, string[]>();
  readonly #got = new Map<string, Got>();

  accept(text: string, id: string): void {
    const { offset } = readId(id);
    this.know(text, id);
    this.accepted.set(text, offset);
    this.highest = Math.max(this.highest, offset);
  }

  /**
   * Throws if an id was given twice, or a text kept twice. With the end of a log go the keys in it: what
   * is repeated after that is published anew.
   */
  know(text: string, id: string): void {
    const otherText = this.#texts.get(id) ?? text;
    if (otherText !== text) throw new Error(`${id} is ${text}, and was ${otherText}`);
    const ids = this.#ids.get(text) ?? [];
    const doubled = ids.find((other) => other !== id && !isBeyondJump(other, id));
    if (doubled !== undefined) throw new Error(`${text} is doubled: ${doubled} and ${id}`);
    this.#texts.set(id, text);
    if (!ids.includes(id)) this.#ids.set(text, [...ids, id]);
  }

  /** What a follower got: one object for all that got the same, as a crowd gets millions. */
  share(text: string, id: string): Got {
    const key = id === "" ? text : id;
    let got = this.#got.get(key);
    if (got?.text !== text) this.#got.set(key, got = { text, id });
    return got;
  }

  /** The id of a text that somebody knows; undefined if it has several. */
  idOf(text: string): string | undefined {
    const ids = this.#ids.get(text) ?? [];
    return ids.length === 1 ? ids[0] : undefined;
  }

  /** The first offset after each jump: there some that were given may be lost. */
  jumps(): number[] {
    const offsets = Array.from(this.#texts.keys(), (id) => readId(id).offset).sort((a, b) => a - b);
    return offsets.filter((offset, at) => at > 0 && offset - offsets[at - 1]! >= OFFSET_JUMP);
  }

  answered(startedAt: number): void {
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
  }
}

/** Reports whether a log has lost its end between two ids, or is another. */
function isBeyondJump(one: string, other: string): boolean {
  const [a, b] = [readId(one), readId(other)];
  return a.epoch !== b.epoch || Math.abs(a.offset - b.offset) >= OFFSET_JUMP;
}

/** The parts of an id. */
export function readId(id: string): { epoch: string; offset: number } {
  const [, epoch = "", offset] = /^(\w+)-(\d+)$/.exec(id) ?? [];
  if (offset === undefined) throw new Error(`expected an id, got ${id}`);
  return { epoch, offset: Number(offset) };
}
