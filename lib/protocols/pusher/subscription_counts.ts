import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";

/** What counting over all nodes needs. Channels are named as in Hark. */
export interface SubscriptionCountsOptions {
  readonly clock: Clock;
  /** The number of subscribers of a channel at this node. */
  readonly countHere: (channel: string) => number;
  /** Sends this node's count of a channel to the other nodes. */
  readonly tell: (channel: string, count: number) => void;
  /** The count of all nodes has changed. */
  readonly onChange: (channel: string, total: number) => void;
}

/** A channel with so many subscribers is large. */
export const LARGE_CHANNEL = 100;
/** The count of a large channel is sent at most once in so many milliseconds. */
export const INTERVAL_MS = 5000;

/**
 * The numbers of subscribers of channels, over all nodes. Each change is sent at once, except of large
 * channels: a crowd of n that comes would cost n² frames.
 */
export class SubscriptionCounts {
  readonly #options: SubscriptionCountsOptions;
  /** What the other nodes know of this one; without channels that have no subscriber. */
  readonly #here = new Map<string, number>();
  readonly #nodes = new Map<string, Map<string, number>>();
  /** The totals that were sent last. */
  readonly #totals = new Map<string, number>();
  /** Large channels whose counts wait for the next moment to be sent. */
  readonly #pauses: Deadlines<string>;
  #isClosed = false;

  constructor(options: SubscriptionCountsOptions) {
    this.#options = options;
    this.#pauses = new Deadlines(options.clock, INTERVAL_MS, (channel) => this.update(channel));
  }

  /** Channels and their counts at this node, as the other nodes know them. */
  get here(): [channel: string, count: number][] {
    return [...this.#here];
  }

  /** The count of a channel may have changed at this node. */
  update(channel: string): void {
    if (this.#isClosed) return;
    const count = this.#options.countHere(channel);
    const total = count + this.#elsewhere(channel);
    if (this.#pauses.has(channel) && total >= LARGE_CHANNEL) return;
    if (count !== (this.#here.get(channel) ?? 0)) {
      set(this.#here, channel, count);
      this.#options.tell(channel, count);
    }
    if (total === (this.#totals.get(channel) ?? 0)) return;
    set(this.#totals, channel, total);
    if (total >= LARGE_CHANNEL) this.#pauses.start(channel);
    this.#options.onChange(channel, total);
  }

  /** Another node has sent its count of a channel. */
  heard(node: string, channel: string, count: number): void {
    const counts = this.#nodes.get(node) ?? new Map<string, number>();
    set(counts, channel, count);
    if (counts.size > 0) this.#nodes.set(node, counts);
    else this.#nodes.delete(node);
    this.update(channel);
  }

  /** Replaces all counts of another node. */
  replace(node: string, counts: readonly (readonly [channel: string, count: number])[]): void {
    const now = new Map(counts);
    for (const channel of [...this.#nodes.get(node)?.keys() ?? []]) {
      if (!now.has(channel)) this.heard(node, channel, 0);
    }
    for (const [channel, count] of now) this.heard(node, channel, count);
  }

  /** Sends no more counts, and drops those that wait. */
  close(): void {
    this.#isClosed = true;
    this.#pauses.clear();
  }

  #elsewhere(channel: string): number {
    let sum = 0;
    for (const counts of this.#nodes.values()) sum += counts.get(channel) ?? 0;
    return sum;
  }
}

function set(counts: Map<string, number>, channel: string, count: number): void {
  if (count > 0) counts.set(channel, count);
  else counts.delete(channel);
}
