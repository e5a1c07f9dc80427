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

/** Tells whether the placeholders in `data` name each of `count` attachments exactly once. */
export function hasPlaceholders(data: unknown, count: number): boolean {
  const missing = new Set(Array(count).keys());
  return takePlaceholders(data, missing) && missing.size === 0;
}

/** A copy of `data` that has the attachments in place of their placeholders. */
export function attachBytes(data: unknown, attachments: readonly Bytes[]): unknown {
  if (Array.isArray(data)) return data.map((item) => attachBytes(item, attachments));
  if (looksLikePlaceholder(data)) return attachments[data.num];
  if (!isObject(data)) return data;
  // Defines each property: assigning to a key `__proto__` would set the prototype instead.
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, attachBytes(value, attachments)]),
  );
}

/** Takes the numbers of all placeholders in `value` out of `missing`; false if one is not there. */
function takePlaceholders(value: unknown, missing: Set<number>): boolean {
  if (looksLikePlaceholder(value)) return missing.delete(value.num);
  if (!isObject(value)) return true;
  return Object.values(value).every((item) => takePlaceholders(item, missing));
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
