import { Refusal } from "../core/errors.ts";
import type { History } from "./history/history.ts";
import { Counts, shareOf } from "../core/limits.ts";
import type { Draft } from "../core/publication.ts";

/** New channels that have their room, though nothing is kept of them yet, and who begins them. */
export class TakenRoom {
  readonly #channels = new Set<string>();
  readonly #begun = new Counts();

  get size(): number {
    return this.#channels.size;
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  /** How many are this caller's. */
  channelsOf(caller: string): number {
    return this.#begun.of(caller);
  }

  add(channel: string, caller: string | undefined): void {
    this.#channels.add(channel);
    if (caller !== undefined) this.#begun.add(caller);
  }
}

/** Who wants room for new channels, and how much there is. */
export interface RoomOptions {
  readonly history: History;
  /** Who publishes; undefined for nobody in particular, who is held to no share. */
  readonly caller: string | undefined;
  readonly channelsMax: number;
  readonly taken?: TakenRoom;
}

/**
 * Throws a `Refusal` if the drafts name more new channels than there is room for, in all or for their
 * caller, who may have begun half of what the others leave: so nobody alone can lock the others out.
 */
export function checkRoom(
  drafts: readonly Draft[],
  { history, caller, channelsMax, taken = new TakenRoom() }: RoomOptions,
): void {
  const names = drafts.map((draft) => draft.channel).filter((name) => !taken.has(name));
  const added = history.countNew(names);
  if (added === 0) return;
  const total = history.stats.channels + taken.size;
  if (total + added > channelsMax) {
    throw new Refusal(
      "over-limit",
      `Cannot publish: history has its ${channelsMax} channels already`,
    );
  }
  if (caller === undefined) return;
  const own = history.channelsOf(caller) + taken.channelsOf(caller);
  if (own + added <= shareOf(channelsMax, total - own)) return;
  throw new Refusal(
    "over-limit",
    `Cannot publish to another channel: ${own} of the server's ${channelsMax} are yours, and the ` +
      "rest is for others; use those again, or wait until their history is too old",
  );
}
