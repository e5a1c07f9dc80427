import { quoteText } from "./text.ts";
import { ID_PATTERN, isPosition, parsePosition, type Position } from "./publication.ts";

/** A beginning in the log: after a position, or with the publications kept since a moment. */
export type Since = Position | Moment;

/** A time. To read from there begins with the oldest that is kept, and misses nothing. */
export interface Moment {
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** The milliseconds of each unit of a duration. */
const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION_PATTERN = "^([0-9]{1,9})([smhd])$";
/** Every form of it but a date-time, as a regular expression. */
export const SINCE_PATTERN = `^all$|${DURATION_PATTERN}|${ID_PATTERN}`;

const DURATION = new RegExp(DURATION_PATTERN);
// RFC 3339 section 5.6. An unescaped + in a query is read as a space.
const DATE_TIME =
  /^(\d{4}-\d\d-(\d\d))[Tt](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:[Zz]|([+ -])(\d\d:\d\d))$/;

/** Reports whether it is a moment and not a position. */
export function isMoment(since: Since): since is Moment {
  return "sinceMs" in since;
}

/**
 * Reads an id, `all`, a duration such as `10m` (s, m, h or d) before `nowMs`, or a date-time of
 * RFC 3339. Throws a `SyntaxError` on anything else.
 */
export function parseSince(text: string, nowMs: number): Since {
  if (isPosition(text)) return parsePosition(text);
  if (text === "all") return { sinceMs: 0 };
  const agoMs = durationMs(text);
  const sinceMs = agoMs === undefined ? parseDateTime(text) : nowMs - agoMs;
  if (sinceMs !== undefined) return { sinceMs: Math.max(0, sinceMs) };
  throw new SyntaxError(
    "Cannot parse since: expected an id (<epoch>-<offset>), all, a duration such as 10m or 2h, or " +
      `a date-time such as 2026-01-31T09:30:00Z, got ${quoteText(text)}`,
  );
}

/** Returns the milliseconds of a duration such as `10m` (s, m, h or d); undefined if it is none. */
export function durationMs(text: string): number | undefined {
  const [, amount, unit = ""] = DURATION.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * UNITS_MS[unit]!;
}

function parseDateTime(text: string): number | undefined {
  const [, date, day, time, sign, offset] = DATE_TIME.exec(text) ?? [];
  const zone = offset === undefined ? "Z" : `${sign === "-" ? "-" : "+"}${offset}`;
  const ms = Date.parse(`${date}T${time}${zone}`);
  // JavaScript takes the 31st of every month, and means a day of the next.
  const isInMonth = new Date(Date.parse(`${date}T00:00:00Z`)).getUTCDate() === Number(day);
  return Number.isNaN(ms) || !isInMonth ? undefined : ms;
}
