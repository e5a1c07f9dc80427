import { ownText, quoteText } from "../core/text.ts";
import { Refusal } from "../core/errors.ts";

/** Fields in one form, empty ones included; a form with more is refused before it is read. */
export const FIELDS_MAX = 1000;

/**
 * Reads `application/x-www-form-urlencoded` text as a JSON object; a field that occurs several times
 * becomes a list. Throws a `Refusal` if there are too many, or if the percent-encoding is malformed or not
 * UTF-8.
 *
 * @see https://url.spec.whatwg.org/#urlencoded-parsing
 */
export function formToJson(text: string): string {
  const fields = new Map<string, string | string[]>();
  for (const [name, value] of parseForm(text)) {
    const before = fields.get(name);
    if (before === undefined) fields.set(name, value);
    else if (typeof before === "string") fields.set(name, [before, value]);
    else before.push(value);
  }
  return JSON.stringify(Object.fromEntries(fields));
}

/** Reads one field of a form. Throws a `Refusal` as `formToJson()` does, and unless it occurs once. */
export function readField(text: string, name: string): string {
  const [value, ...others] = parseForm(text).getAll(name);
  if (value !== undefined && others.length === 0) return ownText(value);
  const found = value === undefined
    ? "the form does not have it"
    : "the form has it more than once";
  throw new Refusal("bad-request", `Cannot read ${quoteField(name)}: ${found}`);
}

/** The name of a field, for an error: one line of bounded length. */
export function quoteField(name: string): string {
  return `field ${quoteText(name)}`;
}

function parseForm(text: string): URLSearchParams {
  checkCount(text);
  try {
    // `URLSearchParams` accepts everything, and replaces what it cannot decode.
    decodeURIComponent(text);
  } catch {
    throw new Refusal(
      "bad-request",
      "Cannot read the body as a form: its percent-encoding is malformed or not UTF-8",
    );
  }
  return new URLSearchParams(`&${text}`);
}

function checkCount(text: string): void {
  let count = 1;
  for (let at = text.indexOf("&"); at >= 0; at = text.indexOf("&", at + 1)) {
    if (++count <= FIELDS_MAX) continue;
    throw new Refusal("too-large", `Cannot take a form of more than ${FIELDS_MAX} fields`);
  }
}
