import { parseJson } from "../core/json.ts";
import { Refusal } from "../core/errors.ts";
import { type Data, dataBytes } from "../core/publication.ts";

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
  const text = decodeText(body);
  if (content === "lines") return readLines(text, limits);
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
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
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

function readLines(text: string, { publishBytesMax, publishPerSecondMax }: ContentLimits): Data[] {
  const trimmed = text.trimEnd();
  if (trimmed === "") {
    throw new Refusal("bad-request", "Cannot publish: expected JSON on each line, got none");
  }
  // No more lines than matter are looked at, or a body full of them would be long to refuse.
  const lines = trimmed.split("\n", publishPerSecondMax + 1);
  if (lines.length > publishPerSecondMax) {
    throw new Refusal(
      "too-large",
      `Cannot publish more than ${publishPerSecondMax} messages at once`,
    );
  }
  return lines.map((line, index) => {
    const where = `line ${index + 1}`;
    const data = readJson(line.endsWith("\r") ? line.slice(0, -1) : line, where);
    if (dataBytes(data) <= publishBytesMax) return data;
    throw new Refusal(
      "too-large",
      `Cannot publish ${where}: it has more than ${publishBytesMax} bytes`,
    );
  });
}
