import { assert, assertEquals } from "@std/assert";
import { DEPTH_MAX, parseJson } from "../../lib/core/json.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { dataBytes } from "../../lib/core/publication.ts";
import { type Content, readContent, type Reading, readingOf } from "../../lib/http/content.ts";
import type { Dice } from "../support/dice.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { nested, several, someBytes, someJson, someText } from "./grammar.ts";
import { mutateBytes, mutateText } from "./mutator.ts";
import { attempt, checkPrototypes } from "./properties.ts";

const CONTENTS: readonly Content[] = ["json", "text", "lines", "form", "bytes"];
const QUERIES = ["", "as=text", "as=json", "as=form", "as=binary", "as=form&field=a", "as=x"];
const LIMITS = { publishBytesMax: 100, publishPerSecondMax: 5 };
const TYPES: readonly string[] = [
  ...["application/json", "application/problem+json", "application/x-ndjson", "text/plain"],
  ...["application/x-www-form-urlencoded", "application/octet-stream", "multipart/form-data"],
  ...["image/svg+xml", "*/*"],
];
const PARAMETERS = ["charset=utf-8", 'Charset="UTF-8"', "charset=latin1", "boundary=x", "q", ""];
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** `parseJson()`: takes what JSON is, up to a depth. */
const jsonFuzzer: Fuzzer = {
  name: "json",
  rounds: 1000,
  round(dice, show) {
    const text = nested(dice, someJson(dice), dice.pick([0, 0, 1, 2, 3, 99, 100, 101, 20_000]));
    const input = dice.chance(0.5) ? text : mutateText(dice, text, [someJson(dice)]);
    show(input);
    const depthMax = dice.pick([DEPTH_MAX, DEPTH_MAX + 1, 3]);
    const result = attempt(() => parseJson(input, depthMax), [SyntaxError, RangeError], {
      quotes: true,
    });
    const isJson = "value" in attempt(() => JSON.parse(input), [SyntaxError], { quotes: true });
    const isFlat = depthOf(input) <= depthMax;
    if ("value" in result) assertEquals([isJson, isFlat], [true, true]);
    else if (result.error instanceof RangeError) assertEquals([isJson, isFlat], [true, false]);
    else assertEquals(isJson, false);
    if ("value" in result) {
      assertEquals(JSON.stringify(result.value), JSON.stringify(JSON.parse(input)));
    }
    checkPrototypes();
  },
};

/** What a body is, and the messages in it. */
const bodyFuzzer: Fuzzer = {
  name: "content",
  rounds: 1000,
  round(dice, show) {
    const headers = someHeaders(dice);
    show(Object.fromEntries(headers));
    const query = new URLSearchParams(dice.pick(QUERIES));
    const found = attempt(() => readingOf(headers, query), [Refusal]);
    const reading = "value" in found ? found.value : { content: dice.pick(CONTENTS) };
    const body = someBody(dice);
    show(body);
    const messages = attempt(() => readContent(reading, body, LIMITS), [Refusal], { quotes: true });
    if ("value" in messages) checkMessages(reading, body, messages.value);
    checkPrototypes();
  },
};

export const CONTENT_FUZZERS: readonly Fuzzer[] = [jsonFuzzer, bodyFuzzer];

/** How many levels of arrays and objects there are in a text that is JSON. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [mark] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (mark === "[" || mark === "{") deepest = Math.max(deepest, ++depth);
    else if (mark === "]" || mark === "}") depth--;
  }
  return deepest;
}

function someHeaders(dice: Dice): Headers {
  const type = [dice.pick(TYPES), ...several(dice, 2, () => dice.pick(PARAMETERS))].join("; ");
  const headers = new Headers();
  const set = (name: string, value: string) => {
    // Only what can stand in a header gets so far.
    const printable = value.replace(/[^\t\x20-\x7e\x80-\xff]/g, "");
    if (dice.chance(0.9)) headers.set(name, printable);
  };
  set("content-type", dice.chance(0.6) ? type : mutateText(dice, type, TYPES));
  if (dice.chance(0.2)) set("content-encoding", dice.pick(["identity", "gzip", " IDENTITY ", ""]));
  return headers;
}

function someBody(dice: Dice): Uint8Array<ArrayBuffer> {
  if (dice.chance(0.1)) return someBytes(dice, 100);
  const isShort = dice.chance(0.5);
  const line = () => isShort ? String(dice.upTo(9)) : someJson(dice).trim();
  const lines = [line(), ...several(dice, 7, line)];
  const text = dice.chance(0.5) ? someJson(dice) : lines.join(dice.pick(["\n", "\r\n", "\n\n"]));
  const body = encoder.encode(dice.chance(0.3) ? someText(dice, 40) : text);
  return dice.chance(0.5) ? body : mutateBytes(dice, body);
}

function checkMessages(
  { content, field }: Reading,
  body: Uint8Array,
  messages: readonly (string | Uint8Array)[],
): void {
  if (content === "bytes") return assertEquals(messages, [body]);
  const text = decoder.decode(body);
  const values = messages.map((message) => JSON.parse(String(message)));
  if (content === "text") assertEquals(values, [{ message: text }]);
  else if (content === "form") {
    const fields = new URLSearchParams(`&${text}`);
    if (field !== undefined) return assertEquals(messages, [fields.get(field)!]);
    const told = Object.entries(values[0]).flatMap(([name, value]) =>
      [value].flat().map((each) => `${name}=${each}`)
    );
    assertEquals(told.sort(), Array.from(fields, ([name, value]) => `${name}=${value}`).sort());
  } else if (content === "json") assertEquals(messages, [text]);
  else {
    assert(messages.length >= 1 && messages.length <= LIMITS.publishPerSecondMax);
    for (const message of messages as string[]) {
      assert(!message.includes("\n") && dataBytes(message) <= LIMITS.publishBytesMax);
    }
    assertEquals(messages.join("\n"), text.trimEnd().replaceAll("\r\n", "\n"));
  }
}
