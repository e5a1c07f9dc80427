import { assertEquals } from "@std/assert";
import {
  encodePacket,
  type ServerPacket,
  toEngineText,
} from "../../../lib/protocols/socketio/codec.ts";

const PACKETS: [packet: ServerPacket, text: string][] = [
  [{ type: "connect", namespace: "/" }, "40"],
  [{ type: "connect", namespace: "/", data: { sid: "x" } }, '40{"sid":"x"}'],
  [{ type: "connect", namespace: "/news" }, "40/news,"],
  [
    { type: "connect", namespace: "/news", data: { sid: "x", pid: "y" } },
    '40/news,{"sid":"x","pid":"y"}',
  ],
  [{ type: "disconnect", namespace: "/" }, "41"],
  [{ type: "disconnect", namespace: "/news" }, "41/news,"],
  [{ type: "ack", namespace: "/", id: 0, data: [] }, "430[]"],
  [
    { type: "ack", namespace: "/news", id: 9007199254740991, data: ["ok"] },
    '43/news,9007199254740991["ok"]',
  ],
  [
    { type: "ack", namespace: "/", id: 7, data: [1, null, [true], "\u001e\n", undefined] },
    '437[1,null,[true],"\\u001e\\n",null]',
  ],
  [{ type: "connect_error", namespace: "/", data: { message: "no" } }, '44{"message":"no"}'],
  [{ type: "connect_error", namespace: "/news", data: "no" }, '44/news,"no"'],
];

Deno.test("encodePacket() writes every type of packet as a text packet of Engine.IO", () => {
  for (const [packet, text] of PACKETS) {
    for (const protocol of [4, 5] as const) assertEquals(encodePacket(packet, protocol), text);
  }
});

Deno.test("encodePacket() keeps own keys named like parts of a prototype", () => {
  const json = '{"__proto__":{"a":1},"constructor":2,"toString":3}';
  const packet: ServerPacket = { type: "ack", namespace: "/", id: 1, data: [JSON.parse(json)] };
  assertEquals(encodePacket(packet, 5), `431[${json}]`);
});

Deno.test("toEngineText() writes JSON in ASCII for protocol 4, and leaves the namespace", () => {
  const texts: [text: string, escaped: string][] = [
    ["", "4"],
    ["0", "40"],
    ['2["a\x7f"]', '42["a\x7f"]'],
    ['2["é€😀\x80\uffff"]', '42["\\u00e9\\u20ac\\ud83d\\ude00\\u0080\\uffff"]'],
    ['2["\ud800"]', '42["\\ud800"]'],
    ['2/é,["é"]', '42/é,["\\u00e9"]'],
    [
      '51-/é,12["é",{"_placeholder":true,"num":0}]',
      '451-/é,12["\\u00e9",{"_placeholder":true,"num":0}]',
    ],
    ["0/é,", "40/é,"],
    ["0/é", "40/é"],
    ['4"é"', '44"\\u00e9"'],
    ['["é"]', '4["\\u00e9"]'],
  ];
  for (const [text, escaped] of texts) {
    assertEquals(toEngineText(text, 4), escaped);
    assertEquals(toEngineText(text, 5), `4${text}`);
  }
});
