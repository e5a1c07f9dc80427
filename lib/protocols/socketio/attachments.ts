import type { Bytes } from "../engineio/codec.ts";

/** How many attachments a packet can have; clients refuse more. */
export const ATTACHMENTS_MAX = 10;

/** Where a placeholder stands. */
interface Place {
  readonly holder: object;
  readonly key: string | number;
}

/** The place of each attachment, by its number; undefined where the JSON was not read. */
export type Places = readonly (Place | undefined)[];

/**
 * Finds the placeholders in an array of JSON values. Undefined unless they name each of `count`
 * attachments exactly once.
 */
export function findPlaceholders(data: object, count: number): Places | undefined {
  const places: (Place | undefined)[] = Array(count).fill(undefined);
  return takePlaces(data, places) && !places.includes(undefined) ? places : undefined;
}

/** Puts each attachment in the place of its placeholder. */
export function putAttachments(places: Places, attachments: readonly Bytes[]): void {
  places.forEach((place, num) => {
    if (place === undefined) return;
    // Not assigned, as the key may be `__proto__`.
    const value = attachments[num];
    Object.defineProperty(place.holder, place.key, { ...PLAIN, value });
  });
}

const PLAIN = { writable: true, enumerable: true, configurable: true };

/** Collects the places in `holder`; false if a number is out of range, or comes twice. */
function takePlaces(holder: object, places: (Place | undefined)[]): boolean {
  if (Array.isArray(holder)) {
    for (let at = 0; at < holder.length; at++) {
      if (isObject(holder[at]) && !takePlace(holder, at, holder[at], places)) return false;
    }
    return true;
  }
  for (const key of Object.keys(holder)) {
    const item = (holder as Record<string, unknown>)[key];
    if (isObject(item) && !takePlace(holder, key, item, places)) return false;
  }
  return true;
}

function takePlace(
  holder: object,
  key: Place["key"],
  item: Record<string, unknown>,
  places: (Place | undefined)[],
): boolean {
  const { _placeholder, num } = item;
  if (_placeholder !== true) return takePlaces(item, places);
  const isFree = typeof num === "number" && Object.hasOwn(places, num) && !places[num];
  if (!isFree) return false;
  places[num] = { holder, key };
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
