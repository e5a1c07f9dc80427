import { assertEquals } from "@std/assert";
import {
  type Bytes,
  type Decoded,
  type Packet,
  PACKET_TYPES,
} from "../../../lib/protocols/engineio/codec.ts";
import { engineio2, engineio3 } from "../../../lib/protocols/engineio/codec3.ts";
import {
  random,
  randomBytes,
  randomChoice,
  randomInteger,
  randomText,
} from "../../support/random.ts";
import { decodeAll, partOf } from "../../support/packets.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const utf8 = (text: string) => new TextEncoder().encode(text);
const message = (data: string | Bytes): Packet => ({ type: "message", data });
const ping: Packet = { type: "ping", data: "" };
/** For clients that take text only, and for others. */
const TEXT = true;
const BINARY = false;

const TEXT_FRAMES: [frame: string, packet: Packet][] = [
  ['0{"sid":"x"}', { type: "open", data: '{"sid":"x"}' }],
  ["1", { type: "close", data: "" }],
  ["2", ping],
  ["2probe", { type: "ping", data: "probe" }],
  ["3", { type: "pong", data: "" }],
  ["3probe", { type: "pong", data: "probe" }],
  ["4", message("")],
  ["40", message("0")],
  ["4€😀", message("€😀")],
  ["4Ã©", message("Ã©")],
  ["5", { type: "upgrade", data: "" }],
  ["6", { type: "noop", data: "" }],
];

const BINARY_FRAMES: [frame: Bytes, base64: string, packet: Packet][] = [
  [bytes(4), "b4", message(bytes())],
  [bytes(4, 1), "b4AQ==", message(bytes(1))],
  [bytes(4, 1, 2), "b4AQI=", message(bytes(1, 2))],
  [bytes(4, 4, 0, 255), "b4BAD/", message(bytes(4, 0, 255))],
];

Deno.test("engineio3 is version 3", () => {
  assertEquals(engineio3.version, 3);
});

Deno.test("encodeFrame() and decodeFrame() agree on text frames", () => {
  for (const [frame, packet] of TEXT_FRAMES) {
    assertEquals(engineio3.encodeFrame(partOf(packet), BINARY), frame);
    assertEquals(engineio3.encodeFrame(partOf(packet), TEXT), frame);
    assertEquals(engineio3.decodeFrame(frame), { ok: true, value: packet });
  }
});

Deno.test("encodeFrame() and decodeFrame() put the type before bytes, or b4 before their base64", () => {
  for (const [frame, base64, packet] of BINARY_FRAMES) {
    assertEquals(engineio3.encodeFrame(partOf(packet), BINARY), frame);
    assertEquals(engineio3.encodeFrame(partOf(packet), BINARY), frame);
    assertEquals(engineio3.encodeFrame(partOf(packet), TEXT), base64);
    assertEquals(engineio3.decodeFrame(frame), { ok: true, value: packet });
    assertEquals(engineio3.decodeFrame(base64), { ok: true, value: packet });
  }
});

Deno.test("decodeFrame() refuses a frame that holds no packet", () => {
  const refused: [frame: string | Bytes, reason: string][] = [
    ["", "packet is empty, expected a type digit"],
    ["7", "packet does not start with a type digit from 0 to 6"],
    ["probe", "packet does not start with a type digit from 0 to 6"],
    ["b", "base64 packet is not a message"],
    ["b2AQ==", "base64 packet is not a message"],
    ["bAQ==", "base64 packet is not a message"],
    ["b4*", "packet is not valid base64"],
    [bytes(), "binary packet is empty, expected a type byte"],
    [bytes(2), "binary packet is not a message"],
    [bytes(0x34, 1), "binary packet is not a message"],
    [bytes(255), "binary packet is not a message"],
  ];
  for (const [frame, reason] of refused) {
    assertEquals(engineio3.decodeFrame(frame), { ok: false, reason });
  }
});

const OPEN =
  '{"sid":"XDpY1uwVwTrHOkq2AAAA","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000}';

const TEXT_PAYLOADS: [payload: string, packets: Packet[]][] = [
  ["1:2", [ping]],
  ["1:4", [message("")]],
  ["2:4€", [message("€")]],
  ["3:4😀", [message("😀")]],
  ["6:4hello2:4€", [message("hello"), message("€")]],
  ["10:b4AQIDBA==", [message(bytes(1, 2, 3, 4))]],
  ["2:b41:22:41", [message(bytes()), ping, message("1")]],
  [`97:0${OPEN}2:40`, [{ type: "open", data: OPEN }, message("0")]],
];

Deno.test("encodePayload() and decodePayload() count UTF-16 units before each packet of a text", () => {
  for (const [payload, packets] of TEXT_PAYLOADS) {
    assertEquals(engineio3.encodePayload(packets.map(partOf), TEXT), payload);
    assertEquals(decodeAll(engineio3, payload), { ok: true, value: packets });
  }
});

const BINARY_PAYLOADS: [payload: Bytes, packets: Packet[]][] = [
  [bytes(1, 1, 255, 4), [message(bytes())]],
  [bytes(1, 3, 255, 4, 1, 2), [message(bytes(1, 2))]],
  [bytes(0, 1, 255, 0x32, 1, 2, 255, 4, 9), [ping, message(bytes(9))]],
  [
    bytes(0, 4, 255, ...utf8("4€"), 1, 2, 255, 4, 255, 0, 5, 255, ...utf8("4😀")),
    [message("€"), message(bytes(255)), message("😀")],
  ],
  [
    bytes(1, 1, 0, 0, 255, 4, ...Array(99).fill(7)),
    [message(new Uint8Array(99).fill(7))],
  ],
];

Deno.test("encodePayload() and decodePayload() count bytes before each packet of a binary payload", () => {
  for (const [payload, packets] of BINARY_PAYLOADS) {
    assertEquals(engineio3.encodePayload(packets.map(partOf), BINARY), payload);
    assertEquals(decodeAll(engineio3, payload), { ok: true, value: packets });
  }
});

Deno.test("encodePayload() stays with text while no packet carries bytes", () => {
  assertEquals(engineio3.encodePayload(["2", "4é"], BINARY), "1:22:4é");
});

Deno.test("encodePayload() and decodePayload() agree at every number of digits", () => {
  for (const size of [0, 7, 8, 9, 10, 97, 98, 99, 100, 997, 998, 999, 1000, 9998, 9999, 10000]) {
    const text = engineio3.encodePayload([`4${"é".repeat(size)}`, "2"], BINARY);
    assertEquals(text, `${size + 1}:4${"é".repeat(size)}1:2`);
    assertEquals(decodeAll(engineio3, text), {
      ok: true,
      value: [message("é".repeat(size)), ping],
    });
    const packets = [message(new Uint8Array(size).fill(5)), ping];
    const binary = engineio3.encodePayload(packets.map(partOf), BINARY) as Bytes;
    const digits = [...String(size + 1)].map(Number);
    assertEquals(binary.subarray(0, digits.length + 3), bytes(1, ...digits, 255, 4));
    assertEquals(binary.length, digits.length + 3 + size + 4);
    assertEquals(decodeAll(engineio3, binary), { ok: true, value: packets });
  }
});

Deno.test("decodePayload() takes a binary payload that holds only strings", () => {
  const payload = bytes(0, 1, 255, 0x32, 0, 3, 255, ...utf8("4é"), 0, 6, 255, ...utf8("b4AQ=="));
  assertEquals(decodeAll(engineio3, payload), {
    ok: true,
    value: [ping, message("é"), message(bytes(1))],
  });
});

Deno.test("decodePayload() returns bytes that do not keep the whole body alive", () => {
  const decoded = decodeAll(engineio3, bytes(1, 3, 255, 4, 1, 2, 0, 1, 255, 0x32));
  const [packet] = decoded.ok ? decoded.value : [];
  assertEquals(packet?.data instanceof Uint8Array && packet.data.buffer.byteLength, 3);
});

const NO_LENGTH = "packet length is not 1 to 10 digits and their end mark";
const TOO_SHORT = "packet is shorter than its length";
const NO_DIGIT = "packet does not start with a type digit from 0 to 6";

Deno.test("decodePayload() refuses a text payload that is cut, miscounted or hostile", () => {
  const refused: [payload: string, reason: string][] = [
    ["", "payload is empty, expected at least one packet"],
    [":", NO_LENGTH],
    ["1", NO_LENGTH],
    ["4hello", NO_LENGTH],
    [":4", NO_LENGTH],
    ["-1:2", NO_LENGTH],
    ["+1:2", NO_LENGTH],
    [" 1:2", NO_LENGTH],
    ["1 :2", NO_LENGTH],
    ["1.0:2", NO_LENGTH],
    ["1e0:2", NO_LENGTH],
    ["0x1:2", NO_LENGTH],
    ["１:2", NO_LENGTH],
    ["Infinity:2", NO_LENGTH],
    ["00000000001:2", NO_LENGTH],
    ["1".repeat(1_000_000), NO_LENGTH],
    ["0:", "packet is empty, expected a type digit"],
    ["0:".repeat(500_000), "packet is empty, expected a type digit"],
    ["1:", TOO_SHORT],
    ["3:4€", TOO_SHORT],
    ["9999999999:4", TOO_SHORT],
    ["2:4😀", NO_LENGTH],
    ["1:21", NO_LENGTH],
    ["1:2junk", NO_LENGTH],
    ["1:9", NO_DIGIT],
    ["1:21:x", NO_DIGIT],
    ["1:b", "base64 packet is not a message"],
    ["4:b4A*", "packet is not valid base64"],
  ];
  for (const [payload, reason] of refused) {
    assertEquals(decodeAll(engineio3, payload), { ok: false, reason });
  }
});

Deno.test("decodePayload() refuses a binary payload that is cut, miscounted or hostile", () => {
  const refused: [payload: Bytes, reason: string][] = [
    [bytes(), "payload is empty, expected at least one packet"],
    [bytes(0), NO_LENGTH],
    [bytes(0, 1), NO_LENGTH],
    [bytes(0, 255), NO_LENGTH],
    [bytes(0, 255, 0x32), NO_LENGTH],
    [bytes(0, 0x31, 255, 0x32), NO_LENGTH],
    [bytes(0, 10, 255, 0x32), NO_LENGTH],
    [bytes(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255, 0x32), NO_LENGTH],
    [new Uint8Array(1_000_000), NO_LENGTH],
    [bytes(2, 1, 255, 4), "packet kind is neither 0 nor 1"],
    [utf8("1:2"), "packet kind is neither 0 nor 1"],
    [bytes(0, 0, 255), "packet is empty, expected a type digit"],
    [bytes(1, 0, 255), "binary packet is empty, expected a type byte"],
    [bytes(0, 1, 255), TOO_SHORT],
    [bytes(0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255, 0x32), TOO_SHORT],
    [bytes(0, 2, 255, 0x34, 0xe9), "text is not valid UTF-8"],
    [bytes(0, 3, 255, 0x34, 0xc0, 0x80), "text is not valid UTF-8"],
    [bytes(0, 4, 255, 0x34, 0xed, 0xa0, 0x80), "text is not valid UTF-8"],
    [bytes(0, 1, 255, 0x39), NO_DIGIT],
    [bytes(1, 2, 255, 2, 1), "binary packet is not a message"],
  ];
  for (const [payload, reason] of refused) {
    assertEquals(decodeAll(engineio3, payload), { ok: false, reason });
  }
});

Deno.test("decodePayload() reads every prefix of a text payload as the packets in it, or refuses it", () => {
  const [payload, packets] = ["1:24:4€😀6:b4AQID", [ping, message("€😀"), message(bytes(1, 2, 3))]];
  const outcomes: Record<number, Packet[]> = {
    3: [packets[0]!],
    9: packets.slice(0, 2),
    17: packets,
  };
  assertEquals(payload.length, 17);
  for (let length = 0; length <= payload.length; length++) {
    assertPrefix(decodeAll(engineio3, payload.slice(0, length)), outcomes[length]);
  }
});

Deno.test("decodePayload() reads every prefix of a binary payload as the packets in it, or refuses it", () => {
  const packets = [ping, message(bytes(1, 2)), message("😀")];
  const payload = engineio3.encodePayload(packets.map(partOf), BINARY) as Bytes;
  const outcomes: Record<number, Packet[]> = {
    4: packets.slice(0, 1),
    10: packets.slice(0, 2),
    18: packets,
  };
  assertEquals(payload.length, 18);
  for (let length = 0; length <= payload.length; length++) {
    assertPrefix(decodeAll(engineio3, payload.slice(0, length)), outcomes[length]);
  }
});

Deno.test("decodePayload() reads as many packets as there are", () => {
  const text = decodeAll(engineio3, "1:2".repeat(300_000));
  assertEquals(text.ok && text.value.length, 300_000);
  const body = new Uint8Array(400_000);
  for (let at = 0; at < body.length; at += 4) body.set([0, 1, 255, 0x32], at);
  const binary = decodeAll(engineio3, body);
  assertEquals(binary.ok && binary.value.length, 100_000);
});

Deno.test("decodePayload() reads all that encodePayload() writes", () => {
  const next = random(3);
  for (let round = 0; round < 300; round++) {
    const packets = Array.from({ length: 1 + randomInteger(next, 5) }, () => randomPacket(next));
    const payload = engineio3.encodePayload(
      packets.map(partOf),
      randomChoice(next, [TEXT, BINARY]),
    );
    assertEquals(decodeAll(engineio3, payload), { ok: true, value: packets });
    for (const packet of packets) {
      const frame = engineio3.encodeFrame(partOf(packet), randomChoice(next, [TEXT, BINARY]));
      assertEquals(engineio3.decodeFrame(frame), { ok: true, value: packet });
    }
  }
});

Deno.test("decodePayload() and decodeFrame() refuse noise, or read packets that can be written again", () => {
  const next = random(30);
  for (let round = 0; round < 3000; round++) {
    const noise = next() < 0.5
      ? randomText(next, 12, '0123456b=A:::"€\ud800')
      : Uint8Array.from({ length: randomInteger(next, 12) }, () =>
        randomChoice(next, [0, 1, 1, 2, 3, 4, 0x32, 0x34, 255, 255, randomInteger(next, 255)]));
    const payload = decodeAll(engineio3, noise);
    if (payload.ok) {
      assertEquals(
        decodeAll(engineio3, engineio3.encodePayload(payload.value.map(partOf), BINARY)),
        payload,
      );
    }
    const frame = engineio3.decodeFrame(noise);
    if (frame.ok) {
      assertEquals(
        engineio3.decodeFrame(engineio3.encodeFrame(partOf(frame.value), BINARY)),
        frame,
      );
    }
  }
});

Deno.test("decodePayload() undoes the second UTF-8 of clients before socket.io-client 2", () => {
  const texts: [sent: string, read: string][] = [
    ["4Ã©", "é"],
    ["4â\x82¬", "€"],
    ["4ð\x9f\x98\x80", "😀"],
    ['42["Ã©","a"]', '2["é","a"]'],
    ["4ï»¿a", "\ufeffa"],
    ["4ï¿½Ã©ï¿½", "\ufffdé\ufffd"],
    ["4ô\x8f¿¿í\x9f¿", "\u{10ffff}\ud7ff"],
  ];
  for (const [sent, read] of texts) {
    const payload = `1:2${sent.length}:${sent}`;
    assertEquals(decodeAll(engineio3, payload), { ok: true, value: [ping, message(read)] });
  }
  assertEquals(decodeAll(engineio3, "3:4Ã©3:4ü€"), {
    ok: true,
    value: [message("é"), message("ü€")],
  });
});

Deno.test("decodePayload() leaves a text whose characters are not all bytes, or no strict UTF-8", () => {
  const texts = [
    "é",
    "aé",
    "Ã",
    "Ã©é",
    "Ã©€",
    "Ã©š",
    "À\x80",
    "í\xa0\x80",
    "õ\x80\x80\x80",
    "ô\x90\x80\x80",
    "à\x9f¿",
    "ï¿½ï¿",
    "ï¿½é",
    "âï¿½",
    "ÿ",
    "😀",
  ];
  for (const text of texts) {
    const payload = engineio3.encodePayload([`4${text}`], TEXT);
    assertEquals(decodeAll(engineio3, payload), { ok: true, value: [message(text)] });
  }
});

Deno.test("engineio2 writes text as bytes too, unless the client asked for base64", () => {
  const packets: Packet[] = [message("ü"), { type: "noop", data: "" }];
  const bytes = Uint8Array.of(0, 3, 255, 0x34, 0xc3, 0xbc, 0, 1, 255, 0x36);
  assertEquals(engineio2.encodePayload(packets.map(partOf), BINARY), bytes);
  assertEquals(engineio2.encodePayload(packets.map(partOf), TEXT), "2:4ü1:6");
});

function randomPacket(next: () => number): Packet {
  if (next() < 0.3) return message(randomBytes(next, 20));
  // A lone é is no UTF-8 in itself: these texts cannot be taken for doubly encoded ones.
  return {
    type: randomChoice(next, PACKET_TYPES),
    data: randomText(next, 20, 'ab01:"[]{}\\,\n\0é€😀'),
  };
}

function assertPrefix(decoded: Decoded<Packet[]>, packets: Packet[] | undefined): void {
  if (packets === undefined) assertEquals(decoded.ok, false);
  else assertEquals(decoded, { ok: true, value: packets });
}
