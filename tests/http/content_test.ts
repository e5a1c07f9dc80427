import { assert, assertEquals, assertThrows } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import type { Data } from "../../lib/core/publication.ts";
import { type Content, contentOf, readContent } from "../../lib/http/content.ts";
import { retainedBytes } from "../support/retained.ts";

const LIMITS = { publishBytesMax: 20, publishPerSecondMax: 3 };

function read(content: Content, body: string | number[]): Data[] {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : Uint8Array.from(body);
  return readContent(content, bytes, LIMITS);
}

function refusalOf(act: () => unknown): [string, string] {
  const { type, message } = assertThrows(act, Refusal);
  return [type, message];
}

const TYPES: readonly (readonly [type: string | undefined, content: Content])[] = [
  ["application/json", "json"],
  ["Application/JSON; charset=utf-8", "json"],
  ["application/cloudevents+json", "json"],
  [undefined, "text"],
  ["text/plain", "text"],
  ['text/plain;charset="UTF-8"', "text"],
  ["text/csv; header=present", "text"],
  ["application/x-www-form-urlencoded", "text"],
  ["application/x-ndjson", "lines"],
  ["application/octet-stream", "bytes"],
  ["image/png", "bytes"],
  ["application/jsonx; charset=latin1", "bytes"],
];

Deno.test("contentOf() knows how each media type is read", () => {
  for (const [type, content] of TYPES) {
    const headers = new Headers(type === undefined ? {} : { "content-type": type });
    assertEquals([type, contentOf(headers)], [type, content]);
  }
});

Deno.test("contentOf() refuses what cannot be carried, with a sentence", () => {
  const charset = "Cannot read this charset: send the text as UTF-8";
  const compressed = "Cannot take a compressed body: send it without encoding";
  const malformed =
    "Cannot read Content-Type: expected a type and a subtype, such as application/json";
  const form = "Cannot take a form of several parts: " +
    "send one message as the body, or application/x-ndjson";
  const refused: readonly (readonly [Record<string, string>, string])[] = [
    [{ "content-type": "multipart/form-data; boundary=x" }, form],
    [{ "content-type": "text/plain; charset=iso-8859-1" }, charset],
    [{ "content-type": "application/json; a=b; charset=utf-16" }, charset],
    [{ "content-type": "text" }, malformed],
    [{ "content-type": "" }, malformed],
    [{ "content-type": "text/plain, text/plain" }, malformed],
    [{ "content-encoding": "gzip" }, compressed],
    [{ "content-encoding": "identity, br" }, compressed],
  ];
  for (const [headers, message] of refused) {
    assertEquals(refusalOf(() => contentOf(new Headers(headers))), ["unsupported", message]);
  }
  assertEquals(contentOf(new Headers({ "content-encoding": "Identity" })), "text");
});

Deno.test("readContent() keeps JSON as it was sent", () => {
  const kept = [
    "1",
    '"ü\u{1f600}"',
    ' { "a" :\n[1.0, 12345678901234567890] }\r\n',
    '{"__proto__":{"x":1},"__proto__":2}',
    '"\\ud800"',
  ];
  for (const text of kept) assertEquals(read("json", text), [text]);
  assertEquals(read("json", "\ufeff[]"), ["[]"]);
});

Deno.test("readContent() makes a message of a text, whatever is in it", () => {
  assertEquals(read("text", "deploy finished"), ['{"message":"deploy finished"}']);
  assertEquals(read("text", "a=1&b=%20+\n\0"), ['{"message":"a=1&b=%20+\\n\\u0000"}']);
  assertEquals(read("text", ""), ['{"message":""}']);
});

Deno.test("readContent() keeps bytes", () => {
  assertEquals(read("bytes", [0, 255, 128]), [Uint8Array.of(0, 255, 128)]);
  assertEquals(read("bytes", []), [new Uint8Array()]);
});

Deno.test("readContent() makes a message of each line", () => {
  assertEquals(read("lines", '{"a":1}\n2\r\n"x"'), ['{"a":1}', "2", '"x"']);
  assertEquals(read("lines", "1\n\n \r\n"), ["1"]);
  assertEquals(read("lines", "1\n2\n3\n"), ["1", "2", "3"]);
  assertEquals(read("lines", "\ufeff1\n 2 \r\n3\r\t\n \n\n"), ["1", " 2 ", "3"]);
  assertEquals(read("lines", '"1234567890123456å"\n'), ['"1234567890123456å"']);
});

Deno.test("readContent() says what is wrong, and in which line", () => {
  const utf8 = "Cannot read the body: it is not UTF-8; send bytes as application/octet-stream";
  const end = "Unexpected end of JSON input";
  const refused: readonly (readonly [Content, string | number[], string, string])[] = [
    ["json", "", "bad-request", `Cannot read the body as JSON: ${end}`],
    [
      "json",
      "[1",
      "bad-request",
      "Cannot read the body as JSON: " +
      "Expected ',' or ']' after array element in JSON at position 2",
    ],
    [
      "json",
      "[".repeat(101) + "]".repeat(101),
      "bad-request",
      "Cannot read the body as JSON: expected at most 100 levels of arrays and objects",
    ],
    ["json", [0x22, 0xff, 0x22], "bad-request", utf8],
    ["json", [0x22, 0xed, 0xa0, 0x80, 0x22], "bad-request", utf8],
    ["text", [0x61, 0xe2, 0x82], "bad-request", utf8],
    ["text", [0xc0, 0x80], "bad-request", utf8],
    ["lines", [0x31, 0x0a, 0xfe], "bad-request", utf8],
    ["lines", "", "bad-request", "Cannot publish: expected JSON on each line, got none"],
    ["lines", "\n \n", "bad-request", "Cannot publish: expected JSON on each line, got none"],
    ["lines", "1\n\n2", "bad-request", `Cannot read line 2 as JSON: ${end}`],
    [
      "lines",
      "1\n2\n{",
      "bad-request",
      "Cannot read line 3 as JSON: " +
      "Expected property name or '}' in JSON at position 1",
    ],
    ["lines", "1\n2\n3\n4", "too-large", "Cannot publish more than 3 messages at once"],
    ["lines", `1${"\n".repeat(9)}2`, "bad-request", `Cannot read line 2 as JSON: ${end}`],
    ["lines", "1\n2\n3\n{", "too-large", "Cannot publish more than 3 messages at once"],
    [
      "lines",
      '1\n"123456789012345678å"',
      "too-large",
      "Cannot publish line 2: it has more than 20 bytes",
    ],
  ];
  for (const [content, body, type, message] of refused) {
    assertEquals(refusalOf(() => read(content, body)), [type, message]);
  }
});

Deno.test("readContent() gives messages that keep nothing of their body", async () => {
  const encoder = new TextEncoder();
  for (const content of ["lines", "json", "text", "bytes"] as const) {
    const bytes = await retainedBytes((index) => {
      const rest = content === "lines" ? "\n".repeat(100_000) : "";
      const body = encoder.encode(`"number ${1_000_000 + index}"${rest}`);
      return readContent(content, body, LIMITS);
    });
    assert(bytes < 1000, `${content}: ${bytes} bytes`);
  }
});
