import { assertEquals, assertThrows } from "@std/assert";
import {
  encodeBinaryEvent,
  encodeEventText,
  encodeSocketPacket,
  escapeNonAscii,
  isReservedEvent,
  type SocketPacket,
} from "../../../lib/protocols/socketio/codec.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

const TEXT_PACKETS: [packet: SocketPacket, text: string][] = [
  [{ type: "connect", namespace: "/" }, "0"],
  [{ type: "connect", namespace: "/", data: { sid: "x" } }, '0{"sid":"x"}'],
  [{ type: "connect", namespace: "/news" }, "0/news,"],
  [
    { type: "connect", namespace: "/news", data: { sid: "x", pid: "y" } },
    '0/news,{"sid":"x","pid":"y"}',
  ],
  [{ type: "connect", namespace: "/news", query: "token=a" }, "0/news?token=a,"],
  [{ type: "connect", namespace: "/", query: "token=a" }, "0/?token=a,"],
  [{ type: "disconnect", namespace: "/" }, "1"],
  [{ type: "disconnect", namespace: "/news" }, "1/news,"],
  [{ type: "event", namespace: "/", data: ["a"] }, '2["a"]'],
  [
    { type: "event", namespace: "/", data: ["a", 1, null, [true], { b: "€" }] },
    '2["a",1,null,[true],{"b":"€"}]',
  ],
  [{ type: "event", namespace: "/", id: 0, data: ["a"] }, '20["a"]'],
  [{ type: "event", namespace: "/news", id: 12, data: ["a"] }, '2/news,12["a"]'],
  [{ type: "event", namespace: "/", data: ["\u001e\n"] }, '2["\\u001e\\n"]'],
  [{ type: "event", namespace: "/", data: ["a", undefined] }, '2["a",null]'],
  [
    { type: "event", namespace: "/", data: ["a", new Date(0)] },
    '2["a","1970-01-01T00:00:00.000Z"]',
  ],
  [
    { type: "event", namespace: "/", data: ["a", { _placeholder: true, num: 0 }] },
    '2["a",{"_placeholder":true,"num":0}]',
  ],
  [{ type: "ack", namespace: "/", id: 0, data: [] }, "30[]"],
  [
    { type: "ack", namespace: "/news", id: 9007199254740991, data: ["ok"] },
    '3/news,9007199254740991["ok"]',
  ],
  [{ type: "connect_error", namespace: "/", data: { message: "no" } }, '4{"message":"no"}'],
  [{ type: "connect_error", namespace: "/news", data: "no" }, '4/news,"no"'],
];

Deno.test("encodeSocketPacket() writes every type of packet as text", () => {
  for (const [packet, text] of TEXT_PACKETS) {
    assertEquals(encodeSocketPacket(packet), { text, attachments: [] });
  }
});

Deno.test("encodeSocketPacket() puts a placeholder in the place of bytes, wherever they are", () => {
  assertEquals(
    encodeSocketPacket({ type: "event", namespace: "/", data: ["a", bytes(1, 2)] }),
    { text: '51-["a",{"_placeholder":true,"num":0}]', attachments: [bytes(1, 2)] },
  );
  assertEquals(
    encodeSocketPacket({
      type: "event",
      namespace: "/news",
      id: 7,
      data: ["a", { b: [bytes(1), "c"], d: bytes() }, bytes(2).buffer],
    }),
    {
      text: '53-/news,7["a",{"b":[{"_placeholder":true,"num":0},"c"],' +
        '"d":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":2}]',
      attachments: [bytes(1), bytes(), bytes(2)],
    },
  );
  assertEquals(
    encodeSocketPacket({ type: "ack", namespace: "/", id: 3, data: [bytes(9)] }),
    { text: '61-3[{"_placeholder":true,"num":0}]', attachments: [bytes(9)] },
  );
});

Deno.test("encodeSocketPacket() keeps own keys named like parts of a prototype", () => {
  const args = JSON.parse('{"__proto__":{"a":1},"constructor":2,"toString":3}');
  assertEquals(
    encodeSocketPacket({ type: "event", namespace: "/", data: ["a", args, bytes(1)] }),
    {
      text: '51-["a",{"__proto__":{"a":1},"constructor":2,"toString":3},' +
        '{"_placeholder":true,"num":0}]',
      attachments: [bytes(1)],
    },
  );
});

Deno.test("encodeSocketPacket() takes up to 10 attachments", () => {
  const packet = (count: number): SocketPacket => ({
    type: "event",
    namespace: "/",
    data: ["a", ...Array(count).fill(bytes(1))],
  });
  const { text, attachments } = encodeSocketPacket(packet(10));
  assertEquals(text.slice(0, 8), '510-["a"');
  assertEquals(attachments, Array(10).fill(bytes(1)));
  assertThrows(
    () => encodeSocketPacket(packet(11)),
    RangeError,
    "Cannot encode packet: at most 10 attachments, got 11",
  );
});

Deno.test("encodeSocketPacket() refuses an object that a client would take for an attachment", () => {
  for (const num of [0, 5]) {
    assertThrows(
      () =>
        encodeSocketPacket({
          type: "event",
          namespace: "/",
          data: ["a", bytes(1), { b: { _placeholder: true, num } }],
        }),
      TypeError,
      "Cannot encode packet: beside bytes, no object can have _placeholder: true",
    );
  }
});

Deno.test("encodeSocketPacket(), encodeEventText() and encodeBinaryEvent() refuse a wrong namespace", () => {
  for (const namespace of ["", "news", "/a,b", "/a\n", "/a\x1e1", "/a\x7f"]) {
    const message =
      "Cannot encode packet: expected a namespace that starts with / and has no comma";
    const packets: SocketPacket[] = [
      { type: "connect", namespace },
      { type: "disconnect", namespace },
      { type: "event", namespace, data: ["a"] },
      { type: "ack", namespace, id: 1, data: [] },
      { type: "connect_error", namespace, data: "no" },
    ];
    for (const packet of packets) {
      assertThrows(() => encodeSocketPacket(packet), TypeError, message);
    }
    assertThrows(() => encodeEventText(namespace, "a"), TypeError, message);
    assertThrows(() => encodeBinaryEvent(namespace, "a", bytes()), TypeError, message);
  }
});

const RESERVED = [
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
];

Deno.test("encodeSocketPacket(), encodeEventText() and encodeBinaryEvent() refuse a reserved event", () => {
  for (const event of RESERVED) {
    const message = `Cannot encode event: Socket.IO keeps the name "${event}" for itself`;
    assertThrows(
      () => encodeSocketPacket({ type: "event", namespace: "/", data: [event] }),
      TypeError,
      message,
    );
    assertThrows(() => encodeEventText("/", event), TypeError, message);
    assertThrows(() => encodeBinaryEvent("/", event, bytes()), TypeError, message);
  }
});

Deno.test("encodeSocketPacket() refuses an id that is no whole number", () => {
  for (const id of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(
      () => encodeSocketPacket({ type: "ack", namespace: "/", id, data: [] }),
      RangeError,
      `Cannot encode packet: expected a whole number as its id, got ${id}`,
    );
  }
});

Deno.test("isReservedEvent() knows the six names, and not those that objects inherit", () => {
  assertEquals(RESERVED.filter((event) => !isReservedEvent(event)), []);
  for (const event of ["message", "error", "Connect", "constructor", "__proto__", ""]) {
    assertEquals(isReservedEvent(event), false);
  }
});

Deno.test("encodeEventText() writes the event that encodeSocketPacket() does", () => {
  const events: [namespace: string, event: string, args: string[], text: string][] = [
    ["/", "a", [], '2["a"]'],
    ["/", "message", ['{"message":"hello"}'], '2["message",{"message":"hello"}]'],
    ["/news", "a", ["1", '"x-7"'], '2/news,["a",1,"x-7"]'],
    ["/", 'quote"\\\n€', ["null"], '2["quote\\"\\\\\\n€",null]'],
  ];
  for (const [namespace, event, args, text] of events) {
    assertEquals(encodeEventText(namespace, event, ...args), text);
    const data: [string, ...unknown[]] = [event, ...args.map((arg) => JSON.parse(arg))];
    assertEquals(encodeSocketPacket({ type: "event", namespace, data }).text, text);
  }
});

Deno.test("encodeBinaryEvent() writes the event that encodeSocketPacket() does", () => {
  assertEquals(encodeBinaryEvent("/", "a", bytes(1, 2)), {
    text: '51-["a",{"_placeholder":true,"num":0}]',
    attachments: [bytes(1, 2)],
  });
  const encoded = encodeBinaryEvent("/news", "a", bytes(3), '"x-7"');
  assertEquals(encoded, {
    text: '51-/news,["a",{"_placeholder":true,"num":0},"x-7"]',
    attachments: [bytes(3)],
  });
  assertEquals(
    encodeSocketPacket({ type: "event", namespace: "/news", data: ["a", bytes(3), "x-7"] }),
    encoded,
  );
});

Deno.test("escapeNonAscii() writes JSON in ASCII and leaves the namespace", () => {
  const texts: [text: string, escaped: string][] = [
    ["", ""],
    ["0", "0"],
    ['2["a\x7f"]', '2["a\x7f"]'],
    ['2["é€😀\x80\uffff"]', '2["\\u00e9\\u20ac\\ud83d\\ude00\\u0080\\uffff"]'],
    ['2["\ud800"]', '2["\\ud800"]'],
    ['2/é,["é"]', '2/é,["\\u00e9"]'],
    [
      '51-/é,12["é",{"_placeholder":true,"num":0}]',
      '51-/é,12["\\u00e9",{"_placeholder":true,"num":0}]',
    ],
    ["0/é,", "0/é,"],
    ["0/é", "0/é"],
    ['4"é"', '4"\\u00e9"'],
    ['["é"]', '["\\u00e9"]'],
  ];
  for (const [text, escaped] of texts) assertEquals(escapeNonAscii(text), escaped);
});
