import { type ChannelLog, Holder } from "./channel_log.ts";

/**
 * Tracks the bytes retained per caller: a channel belongs to the caller that published to it
 * last. When all bytes are taken, the caller that holds most loses some, so that nobody
 * loses a quiet channel to a caller that floods a thousand.
 */
export class Holders {
  readonly #holders = new Map<string, Holder>();
  /** By the power of two that their bytes have reached, so that nobody has to be searched for. */
  readonly #ranks = new Map<number, Set<Holder>>();
  #rankBytesMax = 1;

  /** The longest silent channel of a caller that holds most, or at least half as much. */
  get longestSilent(): ChannelLog | undefined {
    for (; this.#rankBytesMax >= 1; this.#rankBytesMax /= 2) {
      for (const { oldest } of this.#ranks.get(this.#rankBytesMax) ?? []) return oldest;
    }
    this.#rankBytesMax = 1;
    return undefined;
  }

  /** Makes a channel this caller's newest, whoever's it was. */
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

  /** Takes a channel from whose it is. */
  take(log: ChannelLog): void {
    const holder = log.holder!;
    holder.remove(log);
    this.charge(log, -log.bytes);
    log.holder = undefined;
    if (holder.channels > 0) return;
    this.#holders.delete(holder.caller);
    this.#ranks.get(holder.rankBytes)?.delete(holder);
  }

  /** Notes that a channel holds so many bytes more, or fewer. */
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
