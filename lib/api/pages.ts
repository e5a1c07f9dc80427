import { Refusal } from "../core/errors.ts";
import { quoteText } from "../core/text.ts";

/** Entries in one page: what `?limit=` may say. */
export const LIMIT_MAX = 1000;
const LIMIT = 100;

/** Reads `limit`, how many entries a page has. Throws a `Refusal` that says what is wrong. */
export function readLimit(query: URLSearchParams): number {
  const text = query.get("limit");
  if (text === null) return LIMIT;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new Refusal(
    "bad-request",
    `Cannot read limit: expected an integer from 1 to ${LIMIT_MAX}, got ${quoteText(text)}`,
  );
}

/** As many of the first items as weigh no more than `max` together, at least one. */
export function fitting<T>(
  items: readonly T[],
  max: number,
  weigh: (item: T) => number,
): readonly T[] {
  let sum = 0;
  const end = items.findIndex((item, index) => {
    sum += weigh(item);
    return index > 0 && sum > max;
  });
  return end < 0 ? items : items.slice(0, end);
}
