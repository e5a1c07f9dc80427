import { assertEquals, assertThrows } from "@std/assert";
import { DEPTH_MAX, parseJson } from "../../lib/core/json.ts";

function nest(depth: number, open: string, inner: string, close: string): string {
  return open.repeat(depth) + inner + close.repeat(depth);
}

Deno.test("parseJson() accepts JSON as deep as the limit, and refuses deeper JSON", () => {
  const message = "expected at most 100 levels of arrays and objects";
  for (const [open, inner, close] of [["[", "", "]"], ["[", "1", "]"], ['{"a":', "1", "}"]]) {
    const text = (depth: number) => nest(depth, open!, inner!, close!);
    assertEquals(JSON.stringify(parseJson(text(DEPTH_MAX))), text(DEPTH_MAX));
    for (const depth of [DEPTH_MAX + 1, 100_000]) {
      assertThrows(() => parseJson(text(depth)), RangeError, message);
    }
  }
  const second = `[[${"1,".repeat(1000)}1],${nest(DEPTH_MAX, "[", "", "]")}]`;
  assertThrows(() => parseJson(second), RangeError, message);
  assertEquals(parseJson("[[[]]]", 3), [[[]]]);
  assertThrows(() => parseJson("[[[[]]]]", 3), RangeError, "at most 3 levels");
});

Deno.test("parseJson() ignores brackets in texts", () => {
  const text = JSON.stringify("[".repeat(1000));
  assertEquals(parseJson(text), "[".repeat(1000));
});

Deno.test("parseJson() refuses malformed JSON, however deep", () => {
  for (const text of ["", "{", "[".repeat(100_000), "01", "[1,]", "\u00a01"]) {
    assertThrows(() => parseJson(text), SyntaxError);
  }
});

Deno.test("parseJson() makes own properties of keys such as __proto__", () => {
  const value = parseJson('{"__proto__":{"polluted":true}}') as object;
  assertEquals(Object.keys(value), ["__proto__"]);
  assertEquals(Object.getPrototypeOf(value), Object.prototype);
});

Deno.test("parseJson() counts no bracket that is in a text", () => {
  const open = "[{".repeat(200);
  const texts = [`"${open}"`, `{"${open}":"${open}\\""}`, `["\\\\",["\\"${open}","${open}\\\\"]]`];
  for (const text of texts) assertEquals(parseJson(text, 2), JSON.parse(text));
  for (const text of [`["\\\\",[[1,2,3]]]`, `["\\"",{"a":{"]":1}}]`]) {
    assertThrows(() => parseJson(text, 2), RangeError, "at most 2 levels");
  }
  assertEquals(parseJson("[[],[],[[]],{}]", 3), [[], [], [[]], {}]);
});
