import { type Decoded, failure, success } from "./codec.ts";

/**
 * The answer to a JSONP poll: a script that passes `payload` to the callback with the number `index`, the
 * request's `j`. Only its digits are used, so it cannot inject script.
 */
export function encodeJsonp(index: string, payload: string): string {
  const script = JSON.stringify(payload)
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
  return `___eio[${index.replace(/[^0-9]/g, "")}](${script});`;
}

/**
 * The payload in the field `d` of the form that a JSONP client posts.
 *
 * Browsers turn newlines in a form into CR LF. So clients write a newline as `\n`, and a backslash
 * before an n as `\\n`.
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
