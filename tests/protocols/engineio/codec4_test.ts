import { assertEquals } from "@std/assert";
import { type Decoded, type Packet, PACKET_TYPES } from "../../../lib/protocols/engineio/codec.ts";
import { engineio4 } from "../../../lib/protocols/engineio/codec4.ts";
import {
  random,
  randomBytes,
  randomChoice,
  randomInteger,
  randomText,
} from "../../support/random.ts";
import { decodeAll, partOf } from "../../support/packets.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
/** For clients that take text only, and for others. */
const TEXT = true;
const BINARY = false;

const TEXT_FRAMES: [frame: string, packet: Packet][] = [
  ['0{"sid":"x"}', { type: "open", data: '{"sid":"x"}' }],
  ["1", { type: "close", data: "" }],
  ["2", { type: "ping", data: "" }],
  ["2probe", { type: "ping", data: "probe" }],
  ["3", { type: "pong", data: "" }],
  ["3probe", { type: "pong", data: "probe" }],
  ["4", { type: "message", data: "" }],
  ["4hello", { type: "message", data: "hello" }],
  ["4€😀", { type: "message", data: "€😀" }],
  ['42["hello","w\\u001eorld"]', { type: "message", data: '2["hello","w\\u001eorld"]' }],
  ["5", { type: "upgrade", data: "" }],
  ["6", { type: "noop", data: "" }],
];

const BASE64_FRAMES: [frame: string, packet: Packet][] = [
  ["b", { type: "message", data: bytes() }],
  ["bAQ==", { type: "message", data: bytes(1) }],
  ["bAQI=", { type: "message", data: bytes(1, 2) }],
  ["bAQIDBA==", { type: "message", data: bytes(1, 2, 3, 4) }],
  ["b+/8=", { type: "message", data: bytes(0xfb, 0xff) }],
];

const REFUSED_FRAMES: [frame: string, reason: string][] = [
  ["", "packet is empty, expected a type digit"],
  ["7", "packet does not start with a type digit from 0 to 6"],
  ["/", "packet does not start with a type digit from 0 to 6"],
  [":", "packet does not start with a type digit from 0 to 6"],
  [" 4a", "packet does not start with a type digit from 0 to 6"],
  ["４a", "packet does not start with a type digit from 0 to 6"],
  ["hello", "packet does not start with a type digit from 0 to 6"],
  ["b*", "packet is not valid base64"],
  ["bA", "packet is not valid base64"],
  ["bAQ==AQ==", "packet is not valid base64"],
  ["b_-8=", "packet is not valid base64"],
];

Deno.test("engineio4 is version 4", () => {
  assertEquals(engineio4.version, 4);
});

Deno.test("encodeFrame() and decodeFrame() agree on text frames", () => {
  for (const [frame, packet] of TEXT_FRAMES) {
    assertEquals(engineio4.encodeFrame(partOf(packet), BINARY), frame);
    assertEquals(engineio4.encodeFrame(partOf(packet), TEXT), frame);
    assertEquals(engineio4.decodeFrame(frame), { ok: true, value: packet });
  }
});

Deno.test("encodeFrame() and decodeFrame() take a binary frame for a message as it stands", () => {
  for (const data of [bytes(), bytes(4), bytes(0, 1, 255)]) {
    assertEquals(engineio4.encodeFrame(data, BINARY), data);
    assertEquals(engineio4.decodeFrame(data), { ok: true, value: { type: "message", data } });
  }
});

Deno.test("encodeFrame() and decodeFrame() put bytes in base64 for a client that takes text only", () => {
  for (const [frame, packet] of BASE64_FRAMES) {
    assertEquals(engineio4.encodeFrame(partOf(packet), TEXT), frame);
    assertEquals(engineio4.decodeFrame(frame), { ok: true, value: packet });
  }
});

Deno.test("decodeFrame() accepts base64 with wrapped lines or without padding", () => {
  const packet: Packet = { type: "message", data: bytes(1, 2, 3, 4) };
  for (const frame of ["bAQID\nBA==\n", "bAQIDBA"]) {
    assertEquals(engineio4.decodeFrame(frame), { ok: true, value: packet });
  }
});

Deno.test("decodeFrame() refuses a frame that holds no packet", () => {
  for (const [frame, reason] of REFUSED_FRAMES) {
    assertEquals(engineio4.decodeFrame(frame), { ok: false, reason });
  }
});

const PAYLOADS: [payload: string, packets: Packet[]][] = [
  ["4hello", [{ type: "message", data: "hello" }]],
  ["2\x1e4hello", [{ type: "ping", data: "" }, { type: "message", data: "hello" }]],
  ["4a\x1ebAQIDBA==\x1e4€", [
    { type: "message", data: "a" },
    { type: "message", data: bytes(1, 2, 3, 4) },
    { type: "message", data: "€" },
  ]],
  ["b\x1e4\x1e1", [
    { type: "message", data: bytes() },
    { type: "message", data: "" },
    { type: "close", data: "" },
  ]],
];

Deno.test("encodePayload() and decodePayload() join packets by U+001E, bytes always in base64", () => {
  for (const [payload, packets] of PAYLOADS) {
    assertEquals(engineio4.encodePayload(packets.map(partOf), BINARY), payload);
    assertEquals(engineio4.encodePayload(packets.map(partOf), TEXT), payload);
    assertEquals(decodeAll(engineio4, payload), { ok: true, value: packets });
  }
});

Deno.test("decodePayload() refuses a payload if any of its packets is wrong", () => {
  const empty = "packet is empty, expected a type digit";
  const refused: [payload: string | Uint8Array<ArrayBuffer>, reason: string][] = [
    ["", empty],
    ["\x1e", empty],
    ["4a\x1e", empty],
    ["\x1e4a", empty],
    ["4a\x1e\x1e4b", empty],
    ["\x1e".repeat(1_000_000), empty],
    ["4a\x1e9", "packet does not start with a type digit from 0 to 6"],
    ["4a\x1eb*", "packet is not valid base64"],
    [bytes(0x34), "payload is binary, expected text"],
    [bytes(), "payload is binary, expected text"],
  ];
  for (const [payload, reason] of refused) {
    assertEquals(decodeAll(engineio4, payload), { ok: false, reason });
  }
});

Deno.test("decodePayload() reads as many packets as there are", () => {
  const payload = Array(500_000).fill("4").join("\x1e");
  assertEquals(lengthOf(decodeAll(engineio4, payload)), 500_000);
});

Deno.test("decodePayload() reads all that encodePayload() writes", () => {
  const next = random(4);
  for (let round = 0; round < 300; round++) {
    const packets = Array.from({ length: 1 + randomInteger(next, 5) }, () => randomPacket(next));
    const payload = engineio4.encodePayload(packets.map(partOf), BINARY);
    assertEquals(decodeAll(engineio4, payload), { ok: true, value: packets });
    for (const packet of packets) {
      const options = randomChoice(next, [TEXT, BINARY]);
      const frame = engineio4.encodeFrame(partOf(packet), options);
      assertEquals(engineio4.decodeFrame(frame), { ok: true, value: packet });
    }
  }
});

Deno.test("decodePayload() reads every prefix of a payload as the packets in it, or refuses it", () => {
  const a: Packet = { type: "message", data: "a" };
  const message = (...values: number[]): Packet => ({ type: "message", data: bytes(...values) });
  const prefixes: [prefix: string, outcome: Packet[] | string][] = [
    ["", "packet is empty, expected a type digit"],
    ["4", [{ type: "message", data: "" }]],
    ["4a", [a]],
    ["4a\x1e", "packet is empty, expected a type digit"],
    ["4a\x1eb", [a, message()]],
    ["4a\x1ebA", "packet is not valid base64"],
    ["4a\x1ebAQ", [a, message(1)]],
    ["4a\x1ebAQI", [a, message(1, 2)]],
    ["4a\x1ebAQID", [a, message(1, 2, 3)]],
    ["4a\x1ebAQID\x1e", "packet is empty, expected a type digit"],
    ["4a\x1ebAQID\x1e2", [a, message(1, 2, 3), { type: "ping", data: "" }]],
  ];
  for (const [prefix, outcome] of prefixes) {
    const expected: Decoded<Packet[]> = typeof outcome === "string"
      ? { ok: false, reason: outcome }
      : { ok: true, value: outcome };
    assertEquals(decodeAll(engineio4, prefix), expected);
  }
});

Deno.test("decodePayload() and decodeFrame() refuse noise, or read packets that can be written again", () => {
  const next = random(40);
  for (let round = 0; round < 2000; round++) {
    const noise = randomText(next, 12, '0123456789b=AZ\x1e{}"€\ud800\0');
    const payload = decodeAll(engineio4, noise);
    if (payload.ok) {
      assertEquals(
        decodeAll(engineio4, engineio4.encodePayload(payload.value.map(partOf), TEXT)),
        payload,
      );
    }
    const frame = engineio4.decodeFrame(noise);
    if (frame.ok) {
      assertEquals(
        engineio4.decodeFrame(engineio4.encodeFrame(partOf(frame.value), BINARY)),
        frame,
      );
    }
  }
});

function randomPacket(next: () => number): Packet {
  if (next() < 0.3) return { type: "message", data: randomBytes(next, 20) };
  const type = randomChoice(next, PACKET_TYPES);
  return { type, data: randomText(next, 20, 'ab01:"[]{}\\,\n\0é€😀') };
}

function lengthOf(decoded: Decoded<Packet[]>): number | string {
  return decoded.ok ? decoded.value.length : decoded.reason;
}
