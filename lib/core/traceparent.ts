const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;
/** The flag that every later version has. */
const SAMPLED = 1;

/**
 * Reads a `traceparent` (W3C Trace Context, section 3.2), and returns it as version 00 writes it, 55
 * characters; of a later version, the part that both have. Undefined for null, and for an invalid one,
 * which the standard says to ignore.
 */
export function parseTraceparent(text: string | null): string | undefined {
  if (text === null) return undefined;
  const [, version, traceId = "", parentId = "", flags = "", rest] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || version === "ff") return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return undefined;
  if (version === "00") return rest === undefined ? text : undefined;
  const sampled = (Number.parseInt(flags, 16) & SAMPLED).toString().padStart(2, "0");
  return `00-${traceId}-${parentId}-${sampled}`;
}
