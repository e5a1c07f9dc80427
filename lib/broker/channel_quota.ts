import { Refusal } from "../core/errors.ts";
import { Quota } from "../core/quota.ts";
import type { Draft } from "../core/publication.ts";
import type { Batch } from "./broker.ts";
import type { History } from "./history/history.ts";
import type { JournalBatch } from "./journal.ts";

/** A channel that batches under way are going to begin. */
interface Pending {
  readonly caller: string;
  batches: number;
}

/** The new channels of a batch. */
export type NewChannels = ReadonlySet<string>;

/** Owns what has no caller. */
const NOBODY = "";
const NONE: NewChannels = new Set();

/**
 * Bounds the channels of which something is kept, in all and for each caller, which may have begun half
 * of what the others leave: so nobody alone can lock the others out. Batches that are appended and not
 * yet applied count too.
 */
export class ChannelQuota {
  readonly #channelsMax: number;
  readonly #pending = new Map<string, Pending>();
  readonly #begun: Quota;

  constructor(channelsMax: number) {
    this.#channelsMax = channelsMax;
    this.#begun = new Quota(channelsMax);
  }

  /**
   * Reserves the new channels of a batch, until they are applied or released. Throws a `Refusal` if these
   * are too many, in all or for the caller; a batch with no caller has no quota of its own.
   */
  take({ drafts, caller }: Batch, history: History): NewChannels {
    const names = newChannels(drafts, history);
    if (names.size === 0) return names;
    this.#check(names, caller, history);
    for (const name of names) this.#add(name, caller ?? NOBODY);
    return names;
  }

  /** Of each draft whoever began its channel, if that was somebody else; undefined if none was. */
  beganBy({ drafts, caller = NOBODY }: Batch, history: History): JournalBatch["beganBy"] {
    let owners: (string | undefined)[] | undefined;
    drafts.forEach(({ channel }, index) => {
      const owner = history.beganBy(channel) ?? this.#pending.get(channel)?.caller ?? caller;
      if (owner !== caller) (owners ??= new Array(drafts.length).fill(undefined))[index] = owner;
    });
    return owners;
  }

  /** History has this channel now, if it keeps anything. */
  applied(channel: string): void {
    const pending = this.#pending.get(channel);
    if (pending === undefined) return;
    this.#pending.delete(channel);
    this.#begun.remove(pending.caller);
  }

  /** The batch with these channels was appended, or has failed. */
  release(channels: NewChannels): void {
    for (const channel of channels) {
      const pending = this.#pending.get(channel);
      if (pending !== undefined && --pending.batches === 0) this.applied(channel);
    }
  }

  #add(channel: string, caller: string): void {
    const pending = this.#pending.get(channel);
    if (pending !== undefined) {
      pending.batches++;
      return;
    }
    this.#pending.set(channel, { caller, batches: 1 });
    this.#begun.add(caller);
  }

  #check(names: NewChannels, caller: string | undefined, history: History): void {
    const amount = names.difference(this.#pending).size;
    if (amount === 0) return;
    const owner = caller ?? NOBODY;
    const request = { amount, isExempt: caller === undefined, beside: history.begun };
    const bound = this.#begun.boundFor(owner, request);
    if (bound === undefined) return;
    if (bound === "all") {
      throw new Refusal(
        "over-limit",
        `Cannot publish: history has its ${this.#channelsMax} channels already`,
      );
    }
    const own = history.begun.of(owner) + this.#begun.of(owner);
    throw new Refusal(
      "over-limit",
      `Cannot publish to another channel: ${own} of the server's ${this.#channelsMax} are yours, ` +
        "and the rest is for others; use those again, or wait until their history is too old",
    );
  }
}

function newChannels(drafts: readonly Draft[], history: History): NewChannels {
  let names: Set<string> | undefined;
  for (const { channel } of drafts) if (!history.has(channel)) (names ??= new Set()).add(channel);
  return names ?? NONE;
}
