import type { LinkJournal } from "../broker/link/journal.ts";
import type { LogKeeper } from "../broker/link/keeper.ts";
import type { Admit } from "../hub/admission.ts";

/** The slots that each worker holds, by the numbers that it knows them by. */
type Held = Map<string, Map<number, () => void>>;

/**
 * Has a keeper admit the connections of all workers. Returns what gives back all that a worker held,
 * which is to be called when that is gone.
 */
export function grantSlots(
  keeper: LogKeeper,
  admit: (address: string) => () => void,
): (node: string) => void {
  const held: Held = new Map();
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

/** Takes the slots of a worker's connections where those of all are. */
export function slotsOf(journal: LinkJournal): Admit {
  return async (address) => {
    const id = await journal.call("admit", address);
    return () => {
      // If nobody answers, that one has given back what this process held.
      journal.call("release", id).catch(() => {});
    };
  };
}
