import { ownText } from "../core/text.ts";
import { Refusal } from "../core/errors.ts";

/** Fields of a form, the empty ones too: before more are looked at, it is refused. */
export const FIELDS_MAX = 1000;

/**
 * The fields of `application/x-www-form-urlencoded` text as a JSON object, a field that comes several
 * times as a list. Throws a `Refusal` for too many, and if the percent-encoding is malformed or not of UTF-8.
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

/** What one field of a form has. Throws a `Refusal` as `formToJson()`, and unless it is there once. */
export function readField(text: string, name: string): string {
  const [value, ...others] = parseForm(text).getAll(name);
  if (value !== undefined && others.length === 0) return ownText(value);
  const found = value === undefined
    ? "the form does not have it"
    : "the form has it more than once";
  throw new Refusal("bad-request", `Cannot read ${quoteField(name)}: ${found}`);
}

/** A field's name for an error: on one line, and not endless. */
export function quoteField(name: string): string {
  return `field ${JSON.stringify(name.slice(0, 80))}`;
}

function parseForm(text: string): URLSearchParams {
  checkCount(text);
  try {
    // `URLSearchParams` takes everything, and puts a mark in the place of what it cannot read.
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
