import { type Decoded, failure, success } from "./codec.ts";

/**
 * The answer to a JSONP poll: a script that hands `payload` to the callback of that number.
 *
 * Only the digits of `index`, the request's `j`, are used, so that it cannot bring in script.
 */
export function encodeJsonp(index: string, payload: string): string {
  const script = JSON.stringify(payload)
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
  return `___eio[${index.replace(/[^0-9]/g, "")}](${script});`;
}

/**
 * The payload in the form that a JSONP client posts, its field `d`.
 *
 * Browsers turn newlines in a form into CR LF, so clients write a newline as `\n`, and what was
 * `\n` as `\\n`.
 */
export function decodeJsonpBody(form: string): Decoded<string> {
  const [, field] = /(?:^|&)d=([^&]*)/.exec(form) ?? [];
  if (field === undefined) return failure("form has no field d");
  try {
    const text = decodeURIComponent(field.replaceAll("+", " "));
    return success(text.replace(/(\\?)\\n/g, (_, escape) => escape === "" ? "\n" : "\\n"));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return failure("form field d is not valid percent-encoded UTF-8");
  }
}
