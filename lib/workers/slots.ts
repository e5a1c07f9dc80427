import type { LinkJournal } from "../broker/link/journal.ts";
import type { LogKeeper } from "../broker/link/keeper.ts";
import type { Admit } from "../hub/admission.ts";

/**
 * Has a keeper admit the connections of all workers. Returns a function that releases all slots of a
 * worker, for when that is gone.
 */
export function grantSlots(
  keeper: LogKeeper,
  admit: (address: string) => () => void,
): (node: string) => void {
  /** The slots of each worker, by number. */
  const held = new Map<string, Map<number, () => void>>();
  let last = 0;
  keeper.answer("admit", (node, [address]) => {
    const release = admit(String(address));
    const id = ++last;
    if (!held.has(node)) held.set(node, new Map());
    held.get(node)!.set(id, release);
    return id;
  });
  keeper.answer("release", (node, [id]) => {
    const slots = held.get(node);
    slots?.get(Number(id))?.();
    slots?.delete(Number(id));
    return null;
  });
  return (node) => {
    held.get(node)?.forEach((release) => release());
    held.delete(node);
  };
}

/** Takes the slots of a worker's connections from the parent, which has those of all workers. */
export function slotsOf(journal: LinkJournal): Admit {
  return async (address) => {
    const id = await journal.call("admit", address);
    return () => {
      // Without an answer the parent is gone, and so are its slots.
      journal.call("release", id).catch(() => {});
    };
  };
}
