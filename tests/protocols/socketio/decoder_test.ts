import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../../lib/protocols/engineio/codec.ts";
import type { SocketPacket } from "../../../lib/protocols/socketio/codec.ts";
import { DEPTH_MAX } from "../../../lib/core/json.ts";
import { UNREAD } from "../../../lib/protocols/socketio/decoder.ts";
import {
  random,
  randomBytes,
  randomChoice,
  randomInteger,
  randomText,
} from "../../support/random.ts";
import { assertRetainsLess } from "../../support/retained.ts";
import { decoderOf, messagesOf } from "../../support/socketio_packets.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const PROTOCOLS = [4, 5] as const;
const DUE = { ok: true, value: undefined } as const;

const PACKETS: [text: string, packet: SocketPacket][] = [
  ["0", { type: "connect", namespace: "/" }],
  ["0/", { type: "connect", namespace: "/" }],
  ["0/,", { type: "connect", namespace: "/" }],
  ["0{}", { type: "connect", namespace: "/", data: {} }],
  ['0{"token":"a"}', { type: "connect", namespace: "/", data: { token: "a" } }],
  ["0/news", { type: "connect", namespace: "/news" }],
  ["0/news,", { type: "connect", namespace: "/news" }],
  ['0/news,{"token":"a"}', { type: "connect", namespace: "/news", data: { token: "a" } }],
  ["1", { type: "disconnect", namespace: "/" }],
  ["1/news", { type: "disconnect", namespace: "/news" }],
  ["1/news,", { type: "disconnect", namespace: "/news" }],
  ['2["a"]', { type: "event", namespace: "/", data: ["a"] }],
  ['2[""]', { type: "event", namespace: "/", data: [""] }],
  ['2["a",1,null]', { type: "event", namespace: "/", data: ["a", 1, null] }],
  ['2/,["a"]', { type: "event", namespace: "/", data: ["a"] }],
  ['20["a"]', { type: "event", namespace: "/", id: 0, data: ["a"] }],
  ['2/news,12["a",{}]', { type: "event", namespace: "/news", id: 12, data: ["a", {}] }],
  ['2/a-[{"b,["a"]', { type: "event", namespace: '/a-[{"b', data: ["a"] }],
  ['2["constructor"]', { type: "event", namespace: "/", data: ["constructor"] }],
  ['2["a",{"_placeholder":true,"num":0}]', {
    type: "event",
    namespace: "/",
    data: ["a", { _placeholder: true, num: 0 }],
  }],
  ["30[]", { type: "ack", namespace: "/", id: 0, data: [] }],
  ['3/news,9007199254740991["ok"]', {
    type: "ack",
    namespace: "/news",
    id: 9007199254740991,
    data: ["ok"],
  }],
  ['4"no"', { type: "connect_error", namespace: "/", data: "no" }],
  ['4/news,{"message":"no"}', {
    type: "connect_error",
    namespace: "/news",
    data: { message: "no" },
  }],
];

Deno.test("add() takes a connect packet of 16384 characters, and none that has more", () => {
  for (const protocol of PROTOCOLS) {
    const namespace = `/${"n".repeat(16_382)}`;
    const decoder = decoderOf(protocol);
    assertEquals(decoder.add(`0${namespace}`), { ok: true, value: { type: "connect", namespace } });
    assertEquals(decoder.add(`0${namespace},`), {
      ok: false,
      reason: "connect packet has more than 16384 characters",
    });
    assertEquals(decoder.add(`1${namespace},`).ok, true);
  }
});

Deno.test("add() reads every type of text packet", () => {
  for (const protocol of PROTOCOLS) {
    const decoder = decoderOf(protocol);
    for (const [text, packet] of PACKETS) {
      assertEquals(decoder.add(text), { ok: true, value: packet });
    }
  }
});

Deno.test("add() reads a query behind the namespace in protocol 4 only", () => {
  const packets: [text: string, in4: SocketPacket, in5: SocketPacket][] = [
    [
      "0/news?token=a&b=%2C,",
      { type: "connect", namespace: "/news", query: "token=a&b=%2C" },
      { type: "connect", namespace: "/news?token=a&b=%2C" },
    ],
    [
      "0/news?token=a?b",
      { type: "connect", namespace: "/news", query: "token=a?b" },
      { type: "connect", namespace: "/news?token=a?b" },
    ],
    [
      "0/?,",
      { type: "connect", namespace: "/", query: "" },
      { type: "connect", namespace: "/?" },
    ],
    [
      '2/news?a,["b"]',
      { type: "event", namespace: "/news", data: ["b"] },
      { type: "event", namespace: "/news?a", data: ["b"] },
    ],
  ];
  for (const [text, in4, in5] of packets) {
    assertEquals(decoderOf(4).add(text), { ok: true, value: in4 });
    assertEquals(decoderOf(5).add(text), { ok: true, value: in5 });
  }
});

Deno.test("add() puts attachments in the place of their placeholders", () => {
  const packets: [text: string, attachments: Bytes[], packet: SocketPacket][] = [
    [
      '51-["a",{"_placeholder":true,"num":0}]',
      [bytes(1, 2)],
      { type: "event", namespace: "/", data: ["a", bytes(1, 2)] },
    ],
    [
      '52-/news,7["a",{"b":[{"_placeholder":true,"num":1},null]},{"num":0,"_placeholder":true}]',
      [bytes(1), bytes()],
      { type: "event", namespace: "/news", id: 7, data: ["a", { b: [bytes(), null] }, bytes(1)] },
    ],
    [
      '61-/news,3[{"_placeholder":true,"num":0}]',
      [bytes(9)],
      { type: "ack", namespace: "/news", id: 3, data: [bytes(9)] },
    ],
  ];
  for (const protocol of PROTOCOLS) {
    const decoder = decoderOf(protocol);
    for (const [text, attachments, packet] of packets) {
      assertEquals(decoder.add(text), DUE);
      for (const attachment of attachments.slice(0, -1)) {
        assertEquals(decoder.add(attachment), DUE);
      }
      assertEquals(decoder.add(attachments.at(-1)!), { ok: true, value: packet });
    }
  }
});

Deno.test("add() takes up to 10 attachments", () => {
  const text = (count: number) => `5${count}-${JSON.stringify(["a", ...placeholders(count)])}`;
  const decoder = decoderOf(5);
  assertEquals(decoder.add(text(10)), DUE);
  for (let num = 0; num < 9; num++) assertEquals(decoder.add(bytes(num)), DUE);
  assertEquals(decoder.add(bytes(9)), {
    ok: true,
    value: {
      type: "event",
      namespace: "/",
      data: ["a", ...Array.from({ length: 10 }, (_, num) => bytes(num))],
    },
  });
  assertEquals(decoder.add(text(11)), {
    ok: false,
    reason: "attachment count is not from 1 to 10",
  });
});

Deno.test("add() takes no more bytes of attachments than it may hold", () => {
  const text = '52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]';
  const decoder = decoderOf(5, { attachmentBytesMax: 5 });
  for (let round = 0; round < 2; round++) {
    assertEquals([text, bytes(1, 2), bytes(3, 4, 5)].map((part) => decoder.add(part)), [
      DUE,
      DUE,
      {
        ok: true,
        value: { type: "event", namespace: "/", data: ["a", bytes(1, 2), bytes(3, 4, 5)] },
      },
    ]);
  }
  decoder.add(text);
  assertEquals(decoder.add(bytes(1, 2, 3)), DUE);
  assertEquals(decoder.add(bytes(4, 5, 6)), {
    ok: false,
    reason: "attachments have more than 5 bytes",
  });
});

Deno.test("add() leaves the arguments of an event or ack unread that is too large", () => {
  const jsonCharsMax = 20;
  const event = (name: string, chars: number) =>
    `["${name}","${"x".repeat(chars - 7 - name.length)}"]`;
  const fits = event("a", jsonCharsMax);
  assertEquals(fits.length, jsonCharsMax);
  const large = event("a", jsonCharsMax + 1);
  const place = '{"_placeholder":true,"num":0}';
  const cases: [text: string, packet: SocketPacket][] = [
    [`2${fits}`, { type: "event", namespace: "/", data: JSON.parse(fits) }],
    [`2${large}`, { type: "event", namespace: "/", data: ["a", UNREAD] }],
    [`2/news,7${large}`, { type: "event", namespace: "/news", id: 7, data: ["a", UNREAD] }],
    [`2 [ "\\u0061\\"" , ${"[".repeat(200)}`, {
      type: "event",
      namespace: "/",
      data: ['a"', UNREAD],
    }],
    [`37${large}`, { type: "ack", namespace: "/", id: 7, data: [UNREAD] }],
  ];
  for (const protocol of PROTOCOLS) {
    const decoder = decoderOf(protocol, { jsonCharsMax });
    for (const [text, value] of cases) assertEquals(decoder.add(text), { ok: true, value }, text);
    assertEquals(decoder.add(`52-["a",${place},{}]`), DUE);
    assertEquals(decoder.add(bytes(1)), DUE);
    const value: SocketPacket = { type: "event", namespace: "/", data: ["a", UNREAD] };
    assertEquals(decoder.add(bytes(2)), { ok: true, value });
    for (const text of [`2${"[".repeat(21)}`, `2["connect","${"x".repeat(20)}"]`]) {
      assertEquals(decoder.add(text), {
        ok: false,
        reason: "event is no array that starts with a free name",
      });
    }
    assertEquals(decoder.add(`4"${"x".repeat(20)}"`), {
      ok: false,
      reason: "connect_error has more than 20 characters",
    });
    const data = { token: "x".repeat(20) };
    const connect: SocketPacket = { type: "connect", namespace: "/", data };
    assertEquals(decoder.add(`0${JSON.stringify(data)}`), { ok: true, value: connect });
  }
});

Deno.test("add() takes a binary packet without attachments in protocol 4 only", () => {
  assertEquals(decoderOf(4).add('50-["a"]'), {
    ok: true,
    value: { type: "event", namespace: "/", data: ["a"] },
  });
  assertEquals(decoderOf(5).add('50-["a"]'), {
    ok: false,
    reason: "attachment count is not from 1 to 10",
  });
});

Deno.test("add() refuses text while attachments are due, and bytes while none is", () => {
  const decoder = decoderOf(5);
  const unexpected = { ok: false, reason: "binary message while no attachment is due" } as const;
  assertEquals(decoder.add(bytes(1)), unexpected);
  assertEquals(decoder.add(`52-${JSON.stringify(["a", ...placeholders(2)])}`), DUE);
  assertEquals(decoder.add(bytes(1)), DUE);
  assertEquals(decoder.add('2["b"]'), {
    ok: false,
    reason: "text message while attachments are due",
  });
  assertEquals(decoder.add(bytes(2)), {
    ok: true,
    value: { type: "event", namespace: "/", data: ["a", bytes(1), bytes(2)] },
  });
  assertEquals(decoder.add(bytes(3)), unexpected);
});

const NO_TYPE = "packet does not start with a type digit from 0 to 6";
const NO_EVENT = "event is no array that starts with a free name";
const NO_JSON = "data is not valid JSON";
const NO_COUNT = "attachment count is not from 1 to 10";
const MISPLACED = "an attachment count belongs to binary packets, and only to them";
const CONTROL = "namespace contains a control character";

Deno.test("add() refuses a text that is no packet", () => {
  const refused: [text: string, reason: string][] = [
    ["", NO_TYPE],
    ["7", NO_TYPE],
    ["9[]", NO_TYPE],
    ["hello", NO_TYPE],
    ['["a"]', NO_TYPE],
    [' 2["a"]', NO_TYPE],
    ["2", NO_EVENT],
    ["2/news", NO_EVENT],
    ['2/news["a"]', NO_EVENT],
    ["2[]", NO_EVENT],
    ["2{}", NO_EVENT],
    ['2"a"', NO_EVENT],
    ["2null", NO_EVENT],
    ["2[1]", NO_EVENT],
    ["2[null]", NO_EVENT],
    ['2[["a"]]', NO_EVENT],
    ['2{"0":"a","length":1}', NO_EVENT],
    ...[
      "connect",
      "connect_error",
      "disconnect",
      "disconnecting",
      "newListener",
      "removeListener",
    ].map((event): [string, string] => [`2["${event}"]`, NO_EVENT]),
    ['2["a"', NO_JSON],
    ['2["a"]]', NO_JSON],
    ["2['a']", NO_JSON],
    ['2-1["a"]', NO_JSON],
    ['2 1["a"]', NO_JSON],
    ['2,["a"]', NO_JSON],
    ['29007199254740992["a"]', "ack id is too large"],
    [`2${"9".repeat(1_000_000)}["a"]`, "ack id is too large"],
    ["3[]", "ack has no id"],
    ["3", "ack has no id"],
    ["31", "ack data is no array"],
    ["31{}", "ack data is no array"],
    ['31"a"', "ack data is no array"],
    ["0[]", "connect data is no object"],
    ["0null", "connect data is no object"],
    ['0"a"', "connect data is no object"],
    ["01", "connect has an id"],
    ["0/news,1{}", "connect has an id"],
    ["1{}", "disconnect has data"],
    ["1null", "disconnect has data"],
    ["11", "disconnect has an id"],
    ["4", "connect_error data is neither text nor object"],
    ["4[]", "connect_error data is neither text nor object"],
    ["4null", "connect_error data is neither text nor object"],
    ['41"no"', "connect_error has an id"],
    ["0/ne\nws,", CONTROL],
    ["0/ne\x1e1,", CONTROL],
    ["0/\0,", CONTROL],
    ["0/a\x7f", CONTROL],
  ];
  for (const [text, reason] of refused) {
    assertEquals(decoderOf(5).add(text), { ok: false, reason }, text.slice(0, 40));
    assertEquals(decoderOf(4).add(text), { ok: false, reason }, text.slice(0, 40));
  }
});

Deno.test("add() refuses a wrong attachment count", () => {
  const refused: [text: string, reason: string][] = [
    ["5", MISPLACED],
    ['5["a"]', MISPLACED],
    ['5-["a"]', MISPLACED],
    ['51["a"]', MISPLACED],
    ['5-1-["a"]', MISPLACED],
    ['5/news,1-["a"]', MISPLACED],
    ["61[]", MISPLACED],
    ['21-["a"]', MISPLACED],
    ["31-[]", MISPLACED],
    ["01-", MISPLACED],
    ['511-["a"]', NO_COUNT],
    ['5999999999999999999999-["a"]', NO_COUNT],
    [`5${"9".repeat(1_000_000)}-["a"]`, NO_COUNT],
    ["51-", NO_EVENT],
    ["51-{}", NO_EVENT],
    ["61-[]", "ack has no id"],
    ['51-["connect",{"_placeholder":true,"num":0}]', NO_EVENT],
    ['51-[{"_placeholder":true,"num":0}]', NO_EVENT],
  ];
  for (const [text, reason] of refused) {
    assertEquals(decoderOf(5).add(text), { ok: false, reason }, text.slice(0, 40));
  }
});

Deno.test("add() refuses placeholders that do not name each attachment exactly once", () => {
  const refused = [
    '51-["a"]',
    '51-["a",{"_placeholder":false,"num":0}]',
    '51-["a",{"_placeholder":1,"num":0}]',
    '51-["a",{"_placeholder":true}]',
    '51-["a",{"_placeholder":true,"num":1}]',
    '51-["a",{"_placeholder":true,"num":-1}]',
    '51-["a",{"_placeholder":true,"num":0.5}]',
    '51-["a",{"_placeholder":true,"num":"0"}]',
    '51-["a",{"_placeholder":true,"num":null}]',
    '51-["a",{"_placeholder":true,"num":[0]}]',
    '51-["a",{"_placeholder":true,"num":"length"}]',
    '51-["a",{"_placeholder":true,"num":"constructor"}]',
    '51-["a",{"_placeholder":true,"num":1e99}]',
    '51-["a",{"__proto__":{"_placeholder":true,"num":0}},{"_placeholder":true,"num":0}]',
    '51-["a",{"__proto__":{"x":1},"_placeholder":true,"num":1}]',
    '51-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]',
    '52-["a",{"_placeholder":true,"num":0}]',
    '52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":2}]',
    '52-["a",{"_placeholder":true,"num":0,"b":{"_placeholder":true,"num":1}}]',
  ];
  for (const text of refused) {
    assertEquals(
      decoderOf(5).add(text),
      { ok: false, reason: "placeholders do not name each attachment exactly once" },
      text,
    );
  }
  assertEquals(decoderOf(4).add('50-["a",{"_placeholder":true,"num":0}]'), {
    ok: false,
    reason: "placeholders do not name each attachment exactly once",
  });
});

Deno.test("add() keeps keys such as __proto__ as own properties", () => {
  const decoder = decoderOf(5);
  const text = '51-["a",{"__proto__":{"admin":{"_placeholder":true,"num":0}},"constructor":1}]';
  assertEquals(decoder.add(text), DUE);
  const decoded = decoder.add(bytes(1));
  const packet = decoded.ok ? decoded.value : undefined;
  const arg = packet?.type === "event" ? packet.data[1] as object : {};
  assertEquals(Object.getPrototypeOf(arg), Object.prototype);
  assertEquals(Object.entries(arg), [["__proto__", { admin: bytes(1) }], ["constructor", 1]]);
  assertEquals(Object.keys(Object.prototype), []);
});

Deno.test("add() takes data as deep as the limit, and refuses deeper", () => {
  // The event's array is the first level.
  const nest = (depth: number, open: string, inner: string, close: string) =>
    `["a",${open.repeat(depth - 1)}${inner}${close.repeat(depth - 1)}]`;
  const deep = { ok: false, reason: `data is nested deeper than ${DEPTH_MAX}` } as const;
  const decoder = decoderOf(5);
  assertEquals(decoder.add(`2${nest(DEPTH_MAX, "[", "", "]")}`).ok, true);
  assertEquals(decoder.add(`2${nest(DEPTH_MAX + 1, "[", "", "]")}`), deep);
  assertEquals(decoder.add(`2${nest(DEPTH_MAX, '{"a":', "1", "}")}`).ok, true);
  assertEquals(decoder.add(`2${nest(DEPTH_MAX + 1, '{"a":', "1", "}")}`), deep);
  assertEquals(decoder.add(`2${nest(500_000, "[", "", "]")}`), deep);
  const placeholder = '{"_placeholder":true,"num":0}';
  assertEquals(decoder.add(`51-${nest(DEPTH_MAX, "[", placeholder, "]")}`), deep);
  assertEquals(decoder.add(`51-${nest(DEPTH_MAX - 1, "[", placeholder, "]")}`), DUE);
});

Deno.test("add() reads the messages of every packet as the packet", () => {
  const next = random(5);
  for (let round = 0; round < 500; round++) {
    const protocol = randomChoice(next, PROTOCOLS);
    const packet = randomPacket(next);
    const messages = messagesOf(packet);
    const decoder = decoderOf(protocol);
    const results = messages.map((message) => decoder.add(message));
    assertEquals(results.slice(0, -1), messages.slice(1).map(() => DUE));
    assertEquals(results.at(-1), { ok: true, value: packet });
  }
});

Deno.test("add() reads no prefix of a packet as the whole packet", () => {
  const text = '52-/news,12["a",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]';
  for (let length = 0; length < text.length; length++) {
    assertEquals(decoderOf(5).add(text.slice(0, length)).ok, false);
  }
  assertEquals(decoderOf(5).add(text), DUE);
});

Deno.test("add() refuses noise, or reads packets that can be written again", () => {
  const next = random(50);
  for (let round = 0; round < 5000; round++) {
    const decoded = decoderOf(4).add(
      randomText(next, 3, "0123456") + randomText(next, 3, '/,-?[]"a{}1é') +
        randomChoice(next, ["", '["a"]', "{}", '"b"', "[]"]),
    );
    if (!decoded.ok || decoded.value === undefined) continue;
    const [text] = messagesOf(decoded.value);
    assertEquals(decoderOf(4).add(text), decoded);
  }
});

function placeholders(count: number): unknown[] {
  return Array.from({ length: count }, (_, num) => ({ _placeholder: true, num }));
}

function randomPacket(next: () => number): SocketPacket {
  const namespace = `/${randomText(next, 5, 'ab-1["é€')}`;
  const budget = { attachments: 10 };
  const values = () =>
    Array.from({ length: randomInteger(next, 4) }, () => randomValue(next, 3, budget));
  const id = randomInteger(next, 1e6);
  const message = randomText(next, 8, 'a"\\€');
  return randomChoice<() => SocketPacket>(next, [
    () => ({ type: "connect", namespace }),
    () => ({ type: "connect", namespace, data: { message, values: [1, null] } }),
    () => ({ type: "disconnect", namespace }),
    () => ({ type: "event", namespace, data: [message, ...values()] }),
    () => ({ type: "event", namespace, id, data: [message, ...values()] }),
    () => ({ type: "ack", namespace, id, data: values() }),
    () => ({ type: "connect_error", namespace, data: message }),
    () => ({ type: "connect_error", namespace, data: { message } }),
  ])();
}

function randomValue(next: () => number, depth: number, budget: { attachments: number }): unknown {
  const values = () =>
    Array.from({ length: randomInteger(next, 3) }, () => randomValue(next, depth - 1, budget));
  const leaves = [
    () => randomInteger(next, 1000) / 8,
    () => randomText(next, 8, 'a"\\€😀\n'),
    () => randomChoice(next, [null, true, false]),
    () => budget.attachments-- > 0 ? randomBytes(next, 6) : null,
  ];
  const branches = [
    values,
    () => Object.fromEntries(values().map((value, index) => [`_placeholder${index}`, value])),
  ];
  return randomChoice(next, depth > 0 ? [...leaves, ...branches] : leaves)();
}

Deno.test("add() gives a namespace, a name and data that keep nothing of the message", async () => {
  const rest = " ".repeat(16_000);
  for (const protocol of PROTOCOLS) {
    const kept: readonly ((index: number) => unknown)[] = [
      (index) => connect(`0/a-namespace-${index},${rest}{}`).namespace,
      (index) => connect(`0/,${rest}{"token":"a token of a client ${index}"}`).data?.token,
    ];
    const connect = (text: string) => {
      const packet = decoderOf(protocol).add(text);
      assert(packet.ok && packet.value?.type === "connect");
      return packet.value;
    };
    for (const [at, make] of kept.entries()) {
      await assertRetainsLess(1000, make, `result ${at}`);
    }
  }
});
