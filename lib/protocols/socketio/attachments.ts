import type { Bytes } from "../engineio/codec.ts";

/** How many attachments a packet can have; clients refuse more. */
export const ATTACHMENTS_MAX = 10;

/** What stands in a packet's JSON for the attachment of that number. */
export interface Placeholder {
  readonly _placeholder: true;
  readonly num: number;
}

/** JSON text with placeholders, and the bytes that they stand for. */
export interface Detached {
  readonly json: string;
  readonly attachments: readonly Bytes[];
}

/** The placeholder of attachment `num`. */
export function placeholder(num: number): Placeholder {
  return { _placeholder: true, num };
}

/**
 * Writes `data` as JSON with a placeholder for each `Uint8Array` and `ArrayBuffer` in it.
 *
 * Throws a `TypeError` if there are such bytes and `data` also holds an object that looks like a
 * placeholder, a `RangeError` if there are more than 10, and what `JSON.stringify()` throws.
 */
export function detachBytes(data: readonly unknown[]): Detached {
  const attachments: Bytes[] = [];
  let lookalikes = 0;
  // The holder has the value as it is; `toJSON()` has already run for the second parameter.
  const json = JSON.stringify(data, function (this: Record<string, unknown>, key, value) {
    const bytes = toBytes(this[key]);
    if (bytes === undefined) {
      if (looksLikePlaceholder(value)) lookalikes++;
      return value;
    }
    return placeholder(attachments.push(bytes) - 1);
  });
  if (attachments.length > ATTACHMENTS_MAX) {
    throw new RangeError(
      `Cannot encode packet: at most ${ATTACHMENTS_MAX} attachments, got ${attachments.length}`,
    );
  }
  if (attachments.length > 0 && lookalikes > 0) {
    throw new TypeError(
      "Cannot encode packet: beside bytes, no object can have _placeholder: true",
    );
  }
  return { json, attachments };
}

/** Where a placeholder stands. */
interface Place {
  readonly holder: object;
  readonly key: string | number;
}

/**
 * The places of a packet's placeholders, each at the number of its attachment; undefined where they were
 * not read.
 */
export type Places = readonly (Place | undefined)[];

/**
 * Finds where the placeholders in an array of JSON values stand; undefined unless they name each of
 * `count` attachments exactly once.
 */
export function findPlaceholders(data: object, count: number): Places | undefined {
  const places: (Place | undefined)[] = Array(count).fill(undefined);
  return takePlaces(data, places) && !places.includes(undefined) ? places : undefined;
}

/** Puts the attachments where their placeholders stand. */
export function putAttachments(places: Places, attachments: readonly Bytes[]): void {
  places.forEach((place, num) => {
    if (place === undefined) return;
    // Not assigned, as the key may be `__proto__`.
    const value = attachments[num];
    Object.defineProperty(place.holder, place.key, { ...PLAIN, value });
  });
}

const PLAIN = { writable: true, enumerable: true, configurable: true };

/** Notes the places in `holder`; false if one has a number that is not there, or is there twice. */
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
  item: object,
  places: (Place | undefined)[],
): boolean {
  if (!looksLikePlaceholder(item)) return takePlaces(item, places);
  const { num } = item;
  const isFree = typeof num === "number" && Object.hasOwn(places, num) && !places[num];
  if (!isFree) return false;
  places[num] = { holder, key };
  return true;
}

function toBytes(value: unknown): Bytes | undefined {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return value instanceof Uint8Array ? value as Bytes : undefined;
}

function looksLikePlaceholder(value: unknown): value is Placeholder {
  return isObject(value) && value._placeholder === true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
