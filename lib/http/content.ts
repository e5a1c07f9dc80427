import { parseJson } from "../core/json.ts";
import { Refusal } from "../core/errors.ts";
import type { Data } from "../core/publication.ts";

/** How a body is read: JSON, text, JSON on each line, or bytes. */
export type Content = "json" | "text" | "lines" | "bytes";

/** What a body may carry. */
export interface ContentLimits {
  /** Bytes of one message. */
  readonly publishBytesMax: number;
  /** Messages of one body. */
  readonly publishPerSecondMax: number;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const UTF8 = /^(utf-?8|us-ascii)$/i;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const WHITE_SPACE: readonly number[] = [NEWLINE, RETURN, 0x20, 0x09];

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * How the body of a request is to be read. JSON is `application/json` and every type that ends in
 * `+json`; text is `text/…`, no type at all, and what curl says it sends when it is given a text.
 * Throws a `Refusal` for what cannot be carried.
 */
export function contentOf(headers: Headers): Content {
  const coding = headers.get("content-encoding")?.trim() ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    throw new Refusal("unsupported", "Cannot take a compressed body: send it without encoding");
  }
  const [essence = "", ...parameters] = (headers.get("content-type") ?? "text/plain").split(";");
  const type = essence.trim().toLowerCase();
  if (!TOKEN.test(type)) {
    throw new Refusal(
      "unsupported",
      "Cannot read Content-Type: expected a type and a subtype, such as application/json",
    );
  }
  if (type.startsWith("multipart/")) {
    throw new Refusal(
      "unsupported",
      "Cannot take a form of several parts: send one message as the body, or application/x-ndjson",
    );
  }
  const content = contentOfType(type);
  if (content !== "bytes") checkCharset(parameters);
  return content;
}

/**
 * The messages of a body: one, but one a line of `lines`. JSON stays as it was sent; text becomes
 * `{"message":"…"}`. Throws a `Refusal` that says what is wrong, and in which line.
 */
export function readContent(
  content: Content,
  body: Uint8Array<ArrayBuffer>,
  limits: ContentLimits,
): Data[] {
  if (content === "bytes") return [body];
  if (content === "lines") return readLines(body, limits);
  const text = decodeText(body);
  return [content === "json" ? readJson(text, "the body") : JSON.stringify({ message: text })];
}

function contentOfType(type: string): Content {
  if (type === "application/json" || type.endsWith("+json")) return "json";
  if (type === "application/x-ndjson") return "lines";
  const isText = type.startsWith("text/") || type === "application/x-www-form-urlencoded";
  return isText ? "text" : "bytes";
}

function checkCharset(parameters: readonly string[]): void {
  for (const parameter of parameters) {
    const [name = "", value = ""] = parameter.split("=", 2).map((part) => part.trim());
    if (name.toLowerCase() !== "charset" || UTF8.test(value.replaceAll('"', ""))) continue;
    throw new Refusal("unsupported", "Cannot read this charset: send the text as UTF-8");
  }
}

function decodeText(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch {
    throw new Refusal(
      "bad-request",
      "Cannot read the body: it is not UTF-8; send bytes as application/octet-stream",
    );
  }
}

function readJson(text: string, where: string): string {
  try {
    parseJson(text);
    return text;
  } catch (error) {
    // Where in the text stays; which line of it would be taken for a line of the body.
    const message = (error as Error).message.replace(/ \(line \d+ column \d+\)$/, "");
    throw new Refusal("bad-request", `Cannot read ${where} as JSON: ${message}`);
  }
}

/** Each line is decoded by itself: a text cut out of the body's would keep that as long as the line. */
function readLines(body: Uint8Array, { publishBytesMax, publishPerSecondMax }: ContentLimits) {
  const messages: Data[] = [];
  for (const line of linesOf(body)) {
    if (messages.length === publishPerSecondMax) {
      throw new Refusal(
        "too-large",
        `Cannot publish more than ${publishPerSecondMax} messages at once`,
      );
    }
    const where = `line ${messages.length + 1}`;
    if (line.length > publishBytesMax) {
      throw new Refusal(
        "too-large",
        `Cannot publish ${where}: it has more than ${publishBytesMax} bytes`,
      );
    }
    messages.push(readJson(decodeText(line), where));
  }
  if (messages.length > 0) return messages;
  throw new Refusal("bad-request", "Cannot publish: expected JSON on each line, got none");
}

/** The lines of a body without their ends, up to the last that is not empty. */
function* linesOf(body: Uint8Array): Iterable<Uint8Array> {
  let end = body.length;
  while (WHITE_SPACE.includes(body[end - 1]!)) end--;
  for (let from = 0; from < end;) {
    const newline = body.indexOf(NEWLINE, from);
    const to = newline < 0 ? end : Math.min(newline, end);
    yield body.subarray(from, body[to - 1] === RETURN && to > from ? to - 1 : to);
    from = to + 1;
  }
}
