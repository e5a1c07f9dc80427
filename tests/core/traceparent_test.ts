import { assertEquals } from "@std/assert";
import { parseTraceparent } from "../../lib/core/traceparent.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const RIGHT = `00-${TRACE}-${PARENT}-01`;

Deno.test("parseTraceparent() accepts what the standard accepts, as version 00 of it", () => {
  const cases: [string, string][] = [
    [RIGHT, RIGHT],
    [`00-${TRACE}-${PARENT}-00`, `00-${TRACE}-${PARENT}-00`],
    [`00-${TRACE}-${PARENT}-ff`, `00-${TRACE}-${PARENT}-ff`],
    [`01-${TRACE}-${PARENT}-01`, RIGHT],
    [`cc-${TRACE}-${PARENT}-03`, RIGHT],
    [`cc-${TRACE}-${PARENT}-02`, `00-${TRACE}-${PARENT}-00`],
    [`cc-${TRACE}-${PARENT}-01-what-the-future-will-be-like`, RIGHT],
  ];
  for (const [text, expected] of cases) assertEquals(parseTraceparent(text), expected, text);
});

Deno.test("parseTraceparent() ignores an invalid text", () => {
  const wrong = [
    "",
    "00",
    `${RIGHT}-more`,
    `${RIGHT}x`,
    ` ${RIGHT}`,
    `${RIGHT}, ${RIGHT}`,
    RIGHT.toUpperCase(),
    `ff-${TRACE}-${PARENT}-01`,
    `00-${"0".repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.slice(1)}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}0-01`,
    `00-${TRACE}-${PARENT}-1`,
    `cc-${TRACE}-${PARENT}-01.more`,
    `0x-${TRACE}-${PARENT}-01`,
    "-".repeat(100_000),
  ];
  for (const text of wrong) assertEquals(parseTraceparent(text), undefined, text.slice(0, 80));
});
