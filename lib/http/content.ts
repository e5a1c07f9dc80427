import { parseJson } from "../core/json.ts";
import { Refusal } from "../core/errors.ts";
import { type Data, dataBytes } from "../core/publication.ts";
import { ownText, quoteText } from "../core/text.ts";
import { formToJson, quoteField, readField } from "./form.ts";

/** The content of a body: JSON, text, JSON on each line, the fields of a form, or bytes. */
export type Content = "json" | "text" | "lines" | "form" | "bytes";

/** How to read a body. */
export interface Reading {
  readonly content: Content;
  /** The field of a form that has the message, as JSON; undefined for an object of all fields. */
  readonly field?: string | undefined;
}

/** The bounds of a body. */
export interface ContentLimits {
  /** Bytes of one message. */
  readonly publishBytesMax: number;
  /** Messages of one body. */
  readonly publishPerSecondMax: number;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const UTF8 = /^(utf-?8|us-ascii)$/i;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The values of `?as=`. */
const AS: ReadonlyMap<string, Content> = new Map([
  ["text", "text"],
  ["json", "json"],
  ["form", "form"],
  ["binary", "bytes"],
]);
const JSON_TYPE = /^((application|text)\/json|.*\+json)$/;
const LINES_TYPE = /^application\/(x-)?(ndjson|jsonl|jsonlines)$/;
/** The type that curl gives to any text, and text whose type has another name. */
const TEXT_TYPE =
  /^(text\/.*|application\/(x-www-form-urlencoded|xml(-dtd)?|(x-)?(javascript|yaml|sh)|toml|sql|graphql)|.*\+(xml|yaml))$/;

/**
 * How to read the body of a request. `?as=text|json|form|binary` comes before its type, and `?field=` goes
 * with `as=form`. By its type JSON is `application/json`, `text/json` and every type that ends in `+json`;
 * lines are `application/x-ndjson` and `application/jsonl`; text is `text/…`, XML and other text, no type at
 * all, and the type that curl gives to any text. Throws a `Refusal` for a body that cannot be read.
 */
export function readingOf(headers: Headers, query: URLSearchParams): Reading {
  const coding = headers.get("content-encoding")?.trim() ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    throw new Refusal("unsupported", "Cannot take a compressed body: send it without encoding");
  }
  const as = query.get("as");
  const field = query.get("field") ?? undefined;
  if (field !== undefined && as !== "form") {
    throw new Refusal("bad-request", "Cannot read a field of what is no form: add as=form");
  }
  const [essence = "", ...parameters] = (headers.get("content-type") ?? "text/plain").split(";");
  const type = essence.trim().toLowerCase();
  if (as !== null) return { content: readAs(as, type), field };
  const content = contentOfType(type);
  if (content !== "bytes") checkCharset(parameters);
  return { content };
}

/**
 * The messages of a body: one, or one for each line of `lines`. JSON stays as it was sent. Text becomes
 * `{"message":"…"}`, a form an object of its fields or the JSON in the field that is named. Throws a
 * `Refusal` that says what is wrong, and in which line or field.
 */
export function readContent(
  { content, field }: Reading,
  body: Uint8Array<ArrayBuffer>,
  limits: ContentLimits,
): Data[] {
  if (content === "bytes") return [body];
  const text = decodeText(body);
  if (content === "lines") return readLines(text, limits);
  if (content === "json") return [readJson(text, "the body")];
  if (content === "text") return [JSON.stringify({ message: text })];
  if (field === undefined) return [formToJson(text)];
  return [readJson(readField(text, field), quoteField(field))];
}

function readAs(as: string, type: string): Content {
  const content = AS.get(as);
  if (content === undefined) {
    throw new Refusal(
      "bad-request",
      `Cannot read as: expected text, json, form or binary, got ${quoteText(as)}`,
    );
  }
  if (content === "form") refuseParts(type);
  return content;
}

function contentOfType(type: string): Content {
  if (!TOKEN.test(type)) {
    throw new Refusal(
      "unsupported",
      "Cannot read Content-Type: expected a type and a subtype, such as application/json",
    );
  }
  refuseParts(type);
  if (JSON_TYPE.test(type)) return "json";
  if (LINES_TYPE.test(type)) return "lines";
  return TEXT_TYPE.test(type) ? "text" : "bytes";
}

function refuseParts(type: string): void {
  if (!type.startsWith("multipart/")) return;
  throw new Refusal(
    "unsupported",
    "Cannot take a form of several parts: send one message as the body, or application/x-ndjson",
  );
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
      "Cannot read the body: it is not UTF-8; send bytes as application/octet-stream, or with ?as=binary",
    );
  }
}

function readJson(text: string, where: string): string {
  try {
    parseJson(text);
    return text;
  } catch (error) {
    // Keeps the position and drops the line, which would be taken for a line of the body.
    const message = (error as Error).message.replace(/ \(line \d+ column \d+\)$/, "");
    throw new Refusal("bad-request", `Cannot read ${where} as JSON: ${message}`);
  }
}

function readLines(text: string, { publishBytesMax, publishPerSecondMax }: ContentLimits): Data[] {
  const trimmed = text.trimEnd();
  if (trimmed === "") {
    throw new Refusal("bad-request", "Cannot publish: expected JSON on each line, got none");
  }
  // Splits no more lines than it may take: a body full of line breaks is refused at once.
  const lines = trimmed.split("\n", publishPerSecondMax + 1);
  if (lines.length > publishPerSecondMax) {
    throw new Refusal(
      "too-large",
      `Cannot publish more than ${publishPerSecondMax} messages at once`,
    );
  }
  return lines.map((line, index) => {
    const where = `line ${index + 1}`;
    // A copy: a slice of the text would keep all of it in memory as long as the message.
    const data = readJson(ownText(line.endsWith("\r") ? line.slice(0, -1) : line), where);
    if (dataBytes(data) <= publishBytesMax) return data;
    throw new Refusal(
      "too-large",
      `Cannot publish ${where}: it has more than ${publishBytesMax} bytes`,
    );
  });
}
