import { assertEquals, assertThrows } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import type { Data } from "../../lib/core/publication.ts";
import { type Content, readContent, type Reading, readingOf } from "../../lib/http/content.ts";
import { assertRetainsLess } from "../support/retained.ts";

const LIMITS = { publishBytesMax: 20, publishPerSecondMax: 3 };

function read(content: Content, body: string | number[], field?: string): Data[] {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : Uint8Array.from(body);
  return readContent({ content, field }, bytes, LIMITS);
}

function reading(headers: HeadersInit, query = ""): Reading {
  return readingOf(new Headers(headers), new URLSearchParams(query));
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
  ["text/xml; charset=utf-8", "text"],
  ["application/xml", "text"],
  ["application/xml-dtd", "text"],
  ["application/rss+xml", "text"],
  ["image/svg+xml", "text"],
  ["application/javascript", "text"],
  ["application/x-yaml", "text"],
  ["application/openapi+yaml", "text"],
  ["application/toml", "text"],
  ["text/json; charset=utf-8", "json"],
  ["application/x-ndjson", "lines"],
  ["application/ndjson", "lines"],
  ["application/jsonl; charset=utf-8", "lines"],
  ["application/octet-stream", "bytes"],
  ["image/png", "bytes"],
  ["application/jsonx; charset=latin1", "bytes"],
  ["application/xmlx", "bytes"],
  ["image/json", "bytes"],
];

Deno.test("readingOf() knows how each media type is read", () => {
  for (const [type, content] of TYPES) {
    const headers: HeadersInit = type === undefined ? {} : { "content-type": type };
    assertEquals([type, reading(headers)], [type, { content }]);
  }
});

Deno.test("readingOf() refuses bodies that cannot be read, with a sentence", () => {
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
    assertEquals(refusalOf(() => reading(headers)), ["unsupported", message]);
  }
  assertEquals(reading({ "content-encoding": "Identity" }), { content: "text" });
});

Deno.test("readingOf() goes by as= and field=, whatever the type of the body", () => {
  const types = [
    "image/png",
    "application/json",
    "text/plain; charset=latin1",
    "multipart/x",
    "a",
    "",
  ];
  const cases: readonly [query: string, Reading][] = [
    ["as=text", { content: "text", field: undefined }],
    ["as=json", { content: "json", field: undefined }],
    ["as=binary", { content: "bytes", field: undefined }],
    ["as=form", { content: "form", field: undefined }],
    ["as=form&field=payload", { content: "form", field: "payload" }],
    ["as=form&field=", { content: "form", field: "" }],
  ];
  for (const type of types) {
    for (const [query, expected] of cases) {
      if (type.startsWith("multipart/") && expected.content === "form") continue;
      assertEquals(reading({ "content-type": type }, query), expected, `${type} ${query}`);
    }
  }
  const as = (got: string) => `Cannot read as: expected text, json, form or binary, got ${got}`;
  const field = "Cannot read a field of what is no form: add as=form";
  const refused: readonly [query: string, message: string][] = [
    ["as=", as('""')],
    ["as=JSON", as('"JSON"')],
    ["as=lines", as('"lines"')],
    ["as=constructor", as('"constructor"')],
    [`as=${"x".repeat(1000)}`, as(`"${"x".repeat(80)}"`)],
    ["field=payload", field],
    ["as=json&field=payload", field],
  ];
  for (const [query, message] of refused) {
    assertEquals(refusalOf(() => reading({}, query)), ["bad-request", message], query);
  }
  const parts = { "content-type": "Multipart/Form-Data; boundary=x" };
  assertEquals(refusalOf(() => reading(parts, "as=form"))[0], "unsupported");
  const compressed = { "content-encoding": "gzip" };
  assertEquals(refusalOf(() => reading(compressed, "as=binary"))[0], "unsupported");
});

Deno.test("readContent() makes an object of a form", () => {
  const cases: readonly [form: string, json: string][] = [
    ["", "{}"],
    ["a=1", '{"a":"1"}'],
    ["a=1&b=2", '{"a":"1","b":"2"}'],
    ["text=two+words%20%26%20more&", '{"text":"two words & more"}'],
    ["a=1&b&a=&a=3", '{"a":["1","","3"],"b":""}'],
    ["?a=1", '{"?a":"1"}'],
    ["%C3%BC=%F0%9F%98%80", '{"ü":"😀"}'],
    ["__proto__=1&__proto__=2", '{"__proto__":["1","2"]}'],
    ["=x&a=b=c", '{"":"x","a":"b=c"}'],
    ["a=%00%0A", '{"a":"\\u0000\\n"}'],
  ];
  for (const [form, json] of cases) assertEquals(read("form", form), [json], form);
});

Deno.test("readContent() looks at no more than 1000 fields of a form", () => {
  const fields = (count: number) =>
    Array.from({ length: count }, (_, index) => `${index}=`).join("&");
  assertEquals(Object.keys(JSON.parse(String(read("form", fields(1000))[0]))).length, 1000);
  const refusal = ["too-large", "Cannot take a form of more than 1000 fields"];
  for (const form of [fields(1001), "&".repeat(1000), `${fields(1000)}&%`]) {
    assertEquals(refusalOf(() => read("form", form)), refusal);
    assertEquals(refusalOf(() => read("form", form, "0")), refusal);
  }
});

Deno.test("readContent() takes the JSON in one field of a form as it is", () => {
  const json = '{"ref": "main", "n": 1.0, "+": "a b"}';
  const form = `a=1&payload=${encodeURIComponent(json)}&b=2`;
  assertEquals(read("form", form, "payload"), [json]);
  assertEquals(read("form", "=1", ""), ["1"]);
  const utf8 =
    "Cannot read the body: it is not UTF-8; send bytes as application/octet-stream, or with " +
    "?as=binary";
  const encoding = "Cannot read the body as a form: its percent-encoding is malformed or not UTF-8";
  const refused: readonly [string | number[], field: string | undefined, message: string][] = [
    ["a=1", "payload", 'Cannot read field "payload": the form does not have it'],
    ["", "payload", 'Cannot read field "payload": the form does not have it'],
    ["a=1&a=2", "a", 'Cannot read field "a": the form has it more than once'],
    ["a=", "a", 'Cannot read field "a" as JSON: Unexpected end of JSON input'],
    [
      "a=1",
      "x\n".repeat(100),
      `Cannot read field ${JSON.stringify("x\n".repeat(40))}: the form does not have it`,
    ],
    ["a=%", undefined, encoding],
    ["a=%zz", "a", encoding],
    ["a=%FC", undefined, encoding],
    [[0x61, 0x3d, 0xfc], undefined, utf8],
  ];
  for (const [body, field, message] of refused) {
    assertEquals(refusalOf(() => read("form", body, field)), ["bad-request", message]);
  }
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
  const utf8 =
    "Cannot read the body: it is not UTF-8; send bytes as application/octet-stream, or with " +
    "?as=binary";
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
    ["lines", `1${"\n".repeat(9)}2`, "too-large", "Cannot publish more than 3 messages at once"],
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

Deno.test("readContent() returns messages that keep nothing of their body in memory", async () => {
  const encoder = new TextEncoder();
  for (const content of ["lines", "json", "text", "bytes"] as const) {
    await assertRetainsLess(1000, (index) => {
      const rest = content === "lines" ? "\n".repeat(100_000) : "";
      const body = encoder.encode(`"number ${1_000_000 + index}"${rest}`);
      return readContent({ content }, body, LIMITS);
    }, content);
  }
  await assertRetainsLess(1000, (index) => {
    const body = encoder.encode(`rest=${"x".repeat(100_000)}&a="number ${1_000_000 + index}"`);
    return readContent({ content: "form", field: "a" }, body, LIMITS);
  }, "form");
});
