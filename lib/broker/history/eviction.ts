import { type ChannelLog, Holder } from "./channel_log.ts";

/**
 * Tracks the bytes retained per caller. The caller that published to a channel last holds it. When
 * history is full, the caller that holds most loses some: nobody loses a quiet channel to a caller
 * that floods a thousand.
 */
export class Holders {
  readonly #holders = new Map<string, Holder>();
  /** By the power of two that their bytes have reached: finds who holds most without a search. */
  readonly #ranks = new Map<number, Set<Holder>>();
  #rankBytesMax = 1;

  /** The longest silent channel of the caller that holds most, or of one with at least half as much. */
  get longestSilent(): ChannelLog | undefined {
    for (; this.#rankBytesMax >= 1; this.#rankBytesMax /= 2) {
      for (const { oldest } of this.#ranks.get(this.#rankBytesMax) ?? []) return oldest;
    }
    this.#rankBytesMax = 1;
    return undefined;
  }

  /** Makes a channel the newest of this caller, and takes it from any other. */
  give(log: ChannelLog, caller: string): void {
    const { holder } = log;
    if (holder?.caller === caller) {
      if (holder.newest === log) return;
      holder.remove(log);
      holder.add(log);
      return;
    }
    if (holder !== undefined) this.take(log);
    log.holder = this.#holderOf(caller);
    log.holder.add(log);
    this.charge(log, log.bytes);
  }

  /** Takes a channel from its holder. */
  take(log: ChannelLog): void {
    const holder = log.holder!;
    holder.remove(log);
    this.charge(log, -log.bytes);
    log.holder = undefined;
    if (holder.channels > 0) return;
    this.#holders.delete(holder.caller);
    this.#ranks.get(holder.rankBytes)?.delete(holder);
  }

  /** Counts that a channel has so many bytes more, or fewer if negative. */
  charge(log: ChannelLog, bytes: number): void {
    const holder = log.holder!;
    holder.bytes += bytes;
    if (holder.bytes >= holder.rankBytes && holder.bytes < holder.rankBytes * 2) return;
    this.#ranks.get(holder.rankBytes)?.delete(holder);
    holder.rankBytes = 2 ** Math.floor(Math.log2(Math.max(1, holder.bytes)));
    this.#rank(holder);
  }

  #holderOf(caller: string): Holder {
    let holder = this.#holders.get(caller);
    if (holder === undefined) {
      holder = new Holder(caller);
      this.#holders.set(caller, holder);
      this.#rank(holder);
    }
    return holder;
  }

  #rank(holder: Holder): void {
    const { rankBytes } = holder;
    const holders = this.#ranks.get(rankBytes);
    if (holders === undefined) this.#ranks.set(rankBytes, new Set([holder]));
    else holders.add(holder);
    this.#rankBytesMax = Math.max(this.#rankBytesMax, rankBytes);
  }
}
