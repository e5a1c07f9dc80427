import { Refusal } from "../core/errors.ts";
import type { Draft } from "../core/publication.ts";
import type { Batch } from "./broker.ts";
import type { History } from "./history/history.ts";
import type { JournalBatch } from "./journal.ts";

/** A channel that batches under way begin. */
interface Pending {
  readonly caller: string;
  batches: number;
}

/** The new channels of a batch. */
type NewChannels = ReadonlySet<string>;

/** Owns the channels that no caller began. */
const NOBODY = "";
const NONE: NewChannels = new Set();

/**
 * Bounds the channels of which history keeps something, in all and for each caller: a caller may have
 * begun half of what the others leave, so nobody alone can lock the others out. Counts channels of
 * batches that are appended and not applied yet, too: `History.begun` holds what is reserved for them
 * until `applied()` or `release()`.
 */
export class ChannelQuota {
  readonly #history: History;
  readonly #channelsMax: number;
  readonly #pending = new Map<string, Pending>();

  constructor(history: History, channelsMax: number) {
    this.#history = history;
    this.#channelsMax = channelsMax;
  }

  /**
   * Reserves the new channels of a batch until they are applied or released. Throws a `Refusal` if there
   * are too many, in all or for the caller. A batch without a caller has no quota of its own.
   */
  take({ drafts, caller }: Batch): NewChannels {
    const names = this.#newChannels(drafts);
    if (names.size === 0) return names;
    this.#check(names.difference(this.#pending).size, caller);
    for (const name of names) this.#add(name, caller ?? NOBODY);
    return names;
  }

  /** For each draft the caller that began its channel, if that was another one. */
  beganBy({ drafts, caller = NOBODY }: Batch): JournalBatch["beganBy"] {
    let owners: (string | undefined)[] | undefined;
    drafts.forEach(({ channel }, index) => {
      const owner = this.#history.beganBy(channel) ?? this.#pending.get(channel)?.caller ?? caller;
      if (owner !== caller) (owners ??= new Array(drafts.length).fill(undefined))[index] = owner;
    });
    return owners;
  }

  /** A publication of this channel is applied: from now on, history counts it. */
  applied(channel: string): void {
    const pending = this.#pending.get(channel);
    if (pending === undefined) return;
    this.#pending.delete(channel);
    this.#history.begun.remove(pending.caller);
  }

  /** The batch that began these channels was appended, or has failed. */
  release(channels: NewChannels): void {
    for (const channel of channels) {
      const pending = this.#pending.get(channel);
      if (pending !== undefined && --pending.batches === 0) this.applied(channel);
    }
  }

  #newChannels(drafts: readonly Draft[]): NewChannels {
    let names: Set<string> | undefined;
    for (const { channel } of drafts) {
      if (!this.#history.has(channel)) (names ??= new Set()).add(channel);
    }
    return names ?? NONE;
  }

  #add(channel: string, caller: string): void {
    const pending = this.#pending.get(channel);
    if (pending !== undefined) {
      pending.batches++;
      return;
    }
    this.#pending.set(channel, { caller, batches: 1 });
    this.#history.begun.add(caller);
  }

  #check(amount: number, caller: string | undefined): void {
    if (amount === 0) return;
    const { begun } = this.#history;
    const owner = caller ?? NOBODY;
    const bound = begun.boundFor(owner, { amount, isExempt: caller === undefined });
    if (bound === undefined) return;
    if (bound === "all") {
      throw new Refusal(
        "over-limit",
        `Cannot publish: history has its ${this.#channelsMax} channels already`,
      );
    }
    throw new Refusal(
      "over-limit",
      `Cannot publish to another channel: ${
        begun.of(owner)
      } of the server's ${this.#channelsMax} ` +
        "are yours, and the rest is for others; use those again, or wait until their history is too old",
    );
  }
}
