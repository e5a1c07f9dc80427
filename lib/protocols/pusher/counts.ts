import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";

/** What counting over all nodes needs; channels are Hark's. */
export interface CountsOptions {
  readonly clock: Clock;
  /** How many are on a channel at this node. */
  readonly countHere: (channel: string) => number;
  /** Sends this node's count of a channel to the others. */
  readonly tell: (channel: string, count: number) => void;
  /** The count of all nodes has changed. */
  readonly onChange: (channel: string, total: number) => void;
}

/** So many subscribers make a channel large. */
export const LARGE_CHANNEL = 100;
/** How often the count of a large channel is sent at most. */
export const INTERVAL_MS = 5000;

/**
 * How many are on channels, over all nodes. Each change is sent at once, but of a large channel once in a
 * while: else a crowd of n that comes would cost n² frames.
 */
export class Counts {
  readonly #options: CountsOptions;
  /** What the others know of this node; nothing where it has nobody. */
  readonly #here = new Map<string, number>();
  readonly #nodes = new Map<string, Map<string, number>>();
  /** What was sent last. */
  readonly #totals = new Map<string, number>();
  /** Large channels of which nothing is sent for a while. */
  readonly #pauses: Deadlines<string>;
  readonly #paused = new Set<string>();

  constructor(options: CountsOptions) {
    this.#options = options;
    this.#pauses = new Deadlines(options.clock, INTERVAL_MS, (channel) => {
      this.#paused.delete(channel);
      this.update(channel);
    });
  }

  /** Channels and their counts, as far as the others know them of this node. */
  get here(): [channel: string, count: number][] {
    return [...this.#here];
  }

  /** The count of a channel may have changed at this node. */
  update(channel: string): void {
    const count = this.#options.countHere(channel);
    const total = count + this.#elsewhere(channel);
    if (this.#paused.has(channel) && total >= LARGE_CHANNEL) return;
    if (count !== (this.#here.get(channel) ?? 0)) {
      set(this.#here, channel, count);
      this.#options.tell(channel, count);
    }
    if (total === (this.#totals.get(channel) ?? 0)) return;
    set(this.#totals, channel, total);
    if (total >= LARGE_CHANNEL) this.#pause(channel);
    this.#options.onChange(channel, total);
  }

  /** The count of a channel is this at another node. */
  heard(node: string, channel: string, count: number): void {
    const counts = this.#nodes.get(node) ?? new Map<string, number>();
    set(counts, channel, count);
    if (counts.size > 0) this.#nodes.set(node, counts);
    else this.#nodes.delete(node);
    this.update(channel);
  }

  /** The counts at another node are these, whatever was known of it. */
  replace(node: string, counts: readonly (readonly [channel: string, count: number])[]): void {
    const now = new Map(counts);
    for (const channel of [...this.#nodes.get(node)?.keys() ?? []]) {
      if (!now.has(channel)) this.heard(node, channel, 0);
    }
    for (const [channel, count] of now) this.heard(node, channel, count);
  }

  /** Sends nothing that is put off any more. */
  close(): void {
    for (const channel of this.#paused) this.#pauses.cancel(channel);
  }

  #elsewhere(channel: string): number {
    let sum = 0;
    for (const counts of this.#nodes.values()) sum += counts.get(channel) ?? 0;
    return sum;
  }

  #pause(channel: string): void {
    this.#paused.add(channel);
    this.#pauses.start(channel);
  }
}

function set(counts: Map<string, number>, channel: string, count: number): void {
  if (count > 0) counts.set(channel, count);
  else counts.delete(channel);
}
