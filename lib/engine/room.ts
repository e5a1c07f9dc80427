import { Refusal } from "../core/errors.ts";
import type { History } from "../core/history.ts";
import { shareOf } from "../core/limits.ts";
import type { Draft } from "../core/publication.ts";

/** Who wants room for new channels, and how much there is. */
export interface RoomOptions {
  readonly history: History;
  /** Who publishes; undefined for nobody in particular, who is held to no share. */
  readonly caller: string | undefined;
  readonly channelsMax: number;
  /** New channels that have their room already, and whose they will be. */
  readonly taken?: ReadonlyMap<string, string | undefined>;
}

/**
 * Throws a `Refusal` if the drafts name more new channels than there is room for, in all or for their
 * caller, who may have half of what the others leave: so nobody can lock the others out.
 */
export function checkRoom(
  drafts: readonly Draft[],
  { history, caller, channelsMax, taken = new Map() }: RoomOptions,
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
  const waiting = taken.values().filter((owner) => owner === caller);
  const own = history.channelsOf(caller) + waiting.reduce((count) => count + 1, 0);
  if (own + added <= shareOf(channelsMax, total - own)) return;
  throw new Refusal(
    "over-limit",
    `Cannot publish to another channel: ${own} of the server's ${channelsMax} are yours, and the ` +
      "rest is for others; use those again, or wait until their history is too old",
  );
}
