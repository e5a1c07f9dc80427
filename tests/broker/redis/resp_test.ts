import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  encodeCommand,
  type Reply,
  ReplyError,
  RESP_LIMITS,
  RespDecoder,
} from "../../../lib/broker/redis/resp.ts";
import { Dice } from "../../support/dice.ts";

const encoder = new TextEncoder();

function decode(text: string, limits = RESP_LIMITS): Reply[] {
  return new RespDecoder(limits).push(encoder.encode(text));
}

const commands: [args: (string | number)[], text: string][] = [
  [["PING"], "*1\r\n$4\r\nPING\r\n"],
  [["SET", "a", ""], "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n"],
  [["SELECT", 12], "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n"],
  [["ECHO", "€\r\n😀"], "*2\r\n$4\r\nECHO\r\n$9\r\n€\r\n😀\r\n"],
  [["ECHO", "\ud800"], "*2\r\n$4\r\nECHO\r\n$3\r\n\ufffd\r\n"],
];

Deno.test("encodeCommand() counts bytes, not characters", () => {
  for (const [args, text] of commands) {
    const encoded = encoder.encode(encodeCommand(args));
    assertEquals(new TextDecoder().decode(encoded), text);
  }
});

const replies: [text: string, replies: Reply[]][] = [
  ["+OK\r\n", ["OK"]],
  ["+\r\n", [""]],
  [":0\r\n:-1\r\n:9007199254740991\r\n", [0, -1, 9007199254740991]],
  [":12345678\r\n:123456789\r\n:1234567890\r\n:007\r\n", [12345678, 123456789, 1234567890, 7]],
  ["$0\r\n\r\n", [""]],
  ["$12\r\nabcdefghijkl\r\n$13\r\nabcdefghijklm\r\n", ["abcdefghijkl", "abcdefghijklm"]],
  ["$12\r\nabcdefghij\u007f\u0000\r\n$12\r\nabcdefghijé\r\n", [
    "abcdefghij\u007f\u0000",
    "abcdefghijé",
  ]],
  ["$3\r\n\ufeff\r\n", ["\ufeff"]],
  ["$4\r\na\r\nb\r\n", ["a\r\nb"]],
  ["$3\r\n€\r\n", ["€"]],
  ["$-1\r\n", [null]],
  ["*0\r\n*-1\r\n", [[], null]],
  ["*2\r\n*0\r\n*1\r\n*-1\r\n", [[[], [null]]]],
  [
    "*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n$5\r\nWorld\r\n+next\r\n",
    [[[1, 2, 3], ["Hello", "World"]], "next"],
  ],
];

Deno.test("RespDecoder reads literal replies, in one chunk and byte by byte", () => {
  for (const [text, expected] of replies) {
    assertEquals(decode(text), expected);
    const decoder = new RespDecoder();
    const found = [...encoder.encode(text)].flatMap((byte) => decoder.push(Uint8Array.of(byte)));
    assertEquals(found, expected, text);
  }
});

Deno.test("RespDecoder reads errors with their codes, also inside arrays", () => {
  const [first, second] = decode(
    "-NOSCRIPT No matching script\r\n*1\r\n-weird\r\n",
  ) as [Reply, readonly Reply[]];
  assertInstanceOf(first, ReplyError);
  assertEquals([first.code, first.message], ["NOSCRIPT", "NOSCRIPT No matching script"]);
  assertInstanceOf(second[0], ReplyError);
  assertEquals([second[0].code, second[0].message], ["ERR", "weird"]);
});

Deno.test("RespDecoder rejects bytes that are no reply, and says why", () => {
  for (
    const [text, why] of [
      ["hello\r\n", 'begins with one of + - : $ *, got "hello"'],
      ["\r\n", 'begins with one of + - : $ *, got ""'],
      [":\r\n", 'expected a whole number, got ""'],
      [":1.5\r\n", 'expected a whole number, got "1.5"'],
      ["$x\r\n", 'expected a whole number, got "x"'],
      ["$-2\r\n", "expected a length, got -2"],
      ["*-3\r\n", "expected a length, got -3"],
      ["$1\r\nab\r\n", "expected a line end after a bulk string"],
      ["+a\rb", "expected a line feed after a carriage return"],
    ] as const
  ) assertThrows(() => decode(text), SyntaxError, why);
});

Deno.test("RespDecoder accepts a reply at a limit, and rejects one over it before it is complete", () => {
  const limits = { replyBytesMax: 20, itemsMax: 3, depthMax: 2 };
  assertEquals(decode("$13\r\n0123456789abc\r\n", limits), ["0123456789abc"]);
  assertThrows(() => decode("$14\r\n0123456789abcd\r\n", limits), RangeError, "more than 20 bytes");
  assertThrows(() => decode("$21\r\n", limits), RangeError, "21 is over 20");
  assertThrows(() => decode("+" + "a".repeat(20), limits), RangeError, "more than 20 bytes");
  assertEquals(decode("*3\r\n:1\r\n:2\r\n:3\r\n", limits), [[1, 2, 3]]);
  assertThrows(() => decode("*4\r\n", limits), RangeError, "4 is over 3");
  assertEquals(decode("*1\r\n*1\r\n:1\r\n", limits), [[[1]]]);
  assertThrows(() => decode("*1\r\n*1\r\n*1\r\n", limits), RangeError, "nested deeper than 2");
  // The limit is each reply's, not the connection's.
  assertEquals(decode("+0123456789\r\n".repeat(5), limits).length, 5);
});

Deno.test("RespDecoder accepts a line of 64 KiB, and rejects a longer one before it is complete", () => {
  const line = "+" + "a".repeat(64 * 1024 - 1);
  assertEquals(decode(`${line}\r\n`), [line.slice(1)]);
  const why = "a line has more than 65536 bytes";
  assertThrows(() => decode(`${line}a\r\n`), SyntaxError, why);
  const decoder = new RespDecoder();
  assertEquals(decoder.push(encoder.encode(line)), []);
  assertThrows(() => decoder.push(encoder.encode("a")), SyntaxError, why);
});

Deno.test("RespDecoder reads random replies from random chunks", () => {
  const dice = new Dice(7);
  const texts = ["", "a", "€uro", "\r\n", "x".repeat(300), "😀".repeat(100)];
  const make = (depth: number): [string, Reply] => {
    const kind = dice.upTo(depth === 0 ? 5 : 4 - 1);
    if (kind === 0) {
      const number = dice.upTo(1_000_000 - 1) - 500_000;
      return [`:${number}\r\n`, number];
    }
    if (kind === 1) return ["$-1\r\n", null];
    if (kind < 4) {
      const text = dice.pick(texts);
      return [`$${encoder.encode(text).length}\r\n${text}\r\n`, text];
    }
    const items = Array.from({ length: dice.upTo(5 - 1) }, () => make(depth + 1));
    return [`*${items.length}\r\n${items.map(([text]) => text).join("")}`, items.map(([, r]) => r)];
  };
  for (let round = 0; round < 200; round++) {
    const made = Array.from({ length: 1 + dice.upTo(20 - 1) }, () => make(0));
    const bytes = encoder.encode(made.map(([text]) => text).join(""));
    const decoder = new RespDecoder();
    const found: Reply[] = [];
    for (let at = 0; at < bytes.length;) {
      const to = at + 1 + dice.upTo(200 - 1);
      found.push(...decoder.push(bytes.subarray(at, to)));
      at = to;
    }
    assertEquals(found, made.map(([, reply]) => reply));
  }
});
