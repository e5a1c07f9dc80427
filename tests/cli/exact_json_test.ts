import { assertEquals, assertThrows } from "@std/assert";
import { parseExactly } from "../../lib/cli/exact_json.ts";

Deno.test("parseExactly() gives numbers back as they were written", () => {
  const texts = [
    "12345678901234567890",
    '{"a":[1.0,1e400,-0,0.1,3],"__proto__":{"b":1e2}}',
    '["1.0",true,null,{}]',
    "-1.50",
  ];
  for (const text of texts) assertEquals(JSON.stringify(parseExactly(text)), text);
});

Deno.test("parseExactly() returns a number where a JavaScript number is exact", () => {
  assertEquals(parseExactly('{"time":1795388120531,"x":-2.5}'), { time: 1795388120531, x: -2.5 });
});

Deno.test("parseExactly() accepts every depth that JSON.parse() accepts", () => {
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  assertEquals(JSON.stringify(parseExactly(deep)) === deep, true);
});

Deno.test("parseExactly() refuses malformed JSON", () => {
  for (const text of ["", "{", "[1,]", "01"]) assertThrows(() => parseExactly(text), SyntaxError);
});
