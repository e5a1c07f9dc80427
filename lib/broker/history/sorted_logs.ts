import type { ChannelLog } from "./channel_log.ts";
import { firstIndex } from "./search.ts";

// A larger block is split, so adding a log moves few others.
const BLOCK_LOGS_MAX = 512;

/**
 * Logs in the order of their channels' names. The channels of a pattern are neighbours, and are
 * found without a look at any other. Names are ASCII.
 */
export class SortedLogs {
  /** No block is empty, and its names come before those of the next. */
  readonly #blocks: ChannelLog[][] = [];

  /** Adds the log of a channel that has none. */
  add(log: ChannelLog): void {
    const at = this.#blockOf(log.channel);
    const block = this.#blocks[at];
    if (block === undefined) return void this.#blocks.push([log]);
    block.splice(indexFrom(block, log.channel), 0, log);
    if (block.length <= BLOCK_LOGS_MAX) return;
    this.#blocks.splice(at + 1, 0, block.splice(block.length >>> 1));
  }

  /** Removes a log that was added. */
  remove(log: ChannelLog): void {
    const at = this.#blockOf(log.channel);
    const block = this.#blocks[at]!;
    block.splice(indexFrom(block, log.channel), 1);
    if (block.length === 0) this.#blocks.splice(at, 1);
  }

  /** The first `limit` logs whose channels come after `name`. */
  after(name: string, limit: number): ChannelLog[] {
    const found: ChannelLog[] = [];
    for (const { block, from } of this.#ranges(justAfter(name))) {
      found.push(...block.slice(from, from + limit - found.length));
      if (found.length >= limit) break;
    }
    return found;
  }

  /** How many logs match a pattern. */
  count(pattern: string): number {
    let count = 0;
    for (const { from, to } of this.#ranges(...boundsOf(pattern))) count += to - from;
    return count;
  }

  /** The logs that match a pattern. */
  of(pattern: string): ChannelLog[] {
    const ranges = this.#ranges(...boundsOf(pattern));
    return Array.from(ranges, ({ block, from, to }) => block.slice(from, to)).flat();
  }

  /** The parts of blocks with names from `begin` up to `end`, exclusive. */
  *#ranges(begin: string, end?: string): Iterable<Range> {
    const first = this.#blockOf(begin);
    for (let at = first; at < this.#blocks.length; at++) {
      const block = this.#blocks[at]!;
      const from = at === first ? indexFrom(block, begin) : 0;
      const isAll = end === undefined || block.at(-1)!.channel < end;
      const to = isAll ? block.length : indexFrom(block, end);
      yield { block, from, to };
      if (!isAll) return;
    }
  }

  /** The index of the last block that begins at or before `name`, or else of the first. */
  #blockOf(name: string): number {
    const blocks = this.#blocks;
    return Math.max(0, firstIndex(0, blocks.length, (at) => blocks[at]![0]!.channel > name) - 1);
  }
}

interface Range {
  readonly block: readonly ChannelLog[];
  readonly from: number;
  readonly to: number;
}

/** The first name that matches a pattern, and the first one after all that do. */
function boundsOf(pattern: string): [begin: string, end?: string] {
  const prefix = pattern.slice(0, -1);
  if (prefix === "") return [prefix];
  const separator = prefix.charCodeAt(prefix.length - 1);
  return [justAfter(prefix), prefix.slice(0, -1) + String.fromCharCode(separator + 1)];
}

function justAfter(name: string): string {
  return `${name}\0`;
}

/** The index of the first log whose channel is `name` or comes after it. */
function indexFrom(block: readonly ChannelLog[], name: string): number {
  return firstIndex(0, block.length, (index) => block[index]!.channel >= name);
}
