import { assertEquals, assertThrows } from "@std/assert";
import {
  encodeFrame,
  encodeMessage,
  FrameDecoder,
  type Message,
} from "../../../lib/broker/link/codec.ts";
import {
  decodeDraft,
  decodeEntry,
  encodeDraft,
  encodeEntry,
  type WireDraft,
  type WireEntry,
} from "../../../lib/broker/link/entries.ts";
import type { Entry } from "../../../lib/broker/journal.ts";
import { Publication } from "../../../lib/core/publication.ts";
import { random, randomInteger } from "../../support/random.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const frameOf = (body: string | Uint8Array) => {
  const bytes = typeof body === "string" ? bytesOf(body) : body;
  const { length } = bytes;
  return new Uint8Array([length >>> 24, length >>> 16, length >>> 8, length, ...bytes]);
};
const encode = (messages: readonly Message[]) => encodeFrame(messages.map(encodeMessage));

const frames: [body: string, messages: readonly Message[]][] = [
  ["[]", []],
  ['[["open"]]', [["open"]]],
  ['[["call",1,"append",[]],["health",true,""]]', [
    ["call", 1, "append", []],
    ["health", true, ""],
  ]],
  ['[["told","é𝄞",[{"type":"\\ud800"}]]]', [["told", "é𝄞", [{ type: "\ud800" }]]]],
];

Deno.test("a frame is the length of its body, and an array of messages", () => {
  for (const [body, messages] of frames) {
    assertEquals(encode(messages), frameOf(body));
    assertEquals(new FrameDecoder().push(frameOf(body)), messages);
  }
});

Deno.test("frames are decoded wherever they are cut", () => {
  const bytes = new Uint8Array(frames.flatMap(([body]) => [...frameOf(body)]));
  const all = frames.flatMap(([, messages]) => messages);
  for (let size = 1; size <= bytes.length; size++) {
    const decoder = new FrameDecoder();
    const found: Message[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      found.push(...decoder.push(bytes.subarray(at, at + size)));
    }
    assertEquals(found, all);
  }
});

Deno.test("a decoder keeps nothing of the buffer that it gets", () => {
  const decoder = new FrameDecoder();
  const buffer = frameOf('[["open"]]');
  assertEquals(decoder.push(buffer.subarray(0, 7)), []);
  const rest = buffer.slice(7);
  buffer.fill(0);
  assertEquals(decoder.push(rest), [["open"]]);
});

Deno.test("a frame that is longer than its bound is refused as soon as its length is known", () => {
  const body = '[["open"]]';
  assertEquals(new FrameDecoder(body.length).push(frameOf(body)), [["open"]]);
  const decoder = new FrameDecoder(body.length - 1);
  assertThrows(
    () => decoder.push(frameOf(body).subarray(0, 4)),
    RangeError,
    "Cannot read a frame of 10 bytes: at most 9",
  );
  assertThrows(() => new FrameDecoder().push(new Uint8Array(4).fill(255)), RangeError);
});

Deno.test("a frame that is no array of messages is refused", () => {
  const bodies = [
    "",
    "x",
    "{}",
    "null",
    '"open"',
    "[1]",
    "[[]]",
    "[[1]]",
    '[{"0":"open"}]',
    '[["a"',
  ];
  for (const body of bodies) {
    assertThrows(() => new FrameDecoder().push(frameOf(body)), SyntaxError, "Cannot read a frame");
  }
  const overlong = new Uint8Array([...bytesOf('[["'), 0xc0, 0x80, ...bytesOf('"]]')]);
  assertThrows(() => new FrameDecoder().push(frameOf(overlong)), SyntaxError, "expected JSON");
});

const publication = (data: string | Uint8Array<ArrayBuffer>) =>
  new Publication({ epoch: "e", offset: 7 }, { channel: "c", event: "m", data }, 5);
const logged = (fields: { caller?: string; beganBy?: string } = {}): Entry => {
  return { publication: publication('"d"'), caller: undefined, beganBy: undefined, ...fields };
};

const entries: [wire: WireEntry, entry: Entry][] = [
  [[7, 5, "c", "m", '"d"'], logged()],
  [[7, 5, "c", "m", '"d"', "me"], logged({ caller: "me" })],
  [[7, 5, "c", "m", '"d"', "me", ""], logged({ caller: "me", beganBy: "" })],
  [[7, 5, "c", "m", '"d"', null, "you"], logged({ beganBy: "you" })],
  [[7, 5, "c", "m", ["AP8="]], { ...logged(), publication: publication(new Uint8Array([0, 255])) }],
  [[7, 5, "c", "m", [""]], { ...logged(), publication: publication(new Uint8Array()) }],
  [{ after: 7, until: 9, seen: undefined }, { after: 7, until: 9, seen: undefined }],
  [{ after: 7, until: 9, seen: 8 }, { after: 7, until: 9, seen: 8 }],
];

Deno.test("an entry is an array of its fields, or a gap", () => {
  for (const [wire, entry] of entries) {
    assertEquals(encodeEntry(entry), wire);
    assertEquals(decodeEntry(JSON.parse(JSON.stringify(wire)), "e"), entry);
  }
});

Deno.test("a value that is no entry or no draft is refused", () => {
  const wrong = [{}, { after: 1 }, [], ["7", 5, "c", "m", ""], [7, 5, "c", "m", 1], [
    7,
    5,
    "c",
    1,
    "",
  ]];
  for (const wire of wrong) {
    assertThrows(() => decodeEntry(wire as unknown as WireEntry, "e"), TypeError);
  }
  for (const wire of [[], ["c", "m", 1], ["c", 1, ""], ["c", "m", [1]]]) {
    assertThrows(() => decodeDraft(wire as unknown as WireDraft), TypeError);
  }
  assertThrows(() => decodeEntry([7, 5, "c", "m", ["?"]], "e"), SyntaxError);
});

Deno.test("random drafts come back as they were", () => {
  const next = random(13);
  for (let round = 0; round < 500; round++) {
    const length = randomInteger(next, 200);
    const bytes = Uint8Array.from({ length }, () => randomInteger(next, 256));
    const data = next() < 0.5 ? bytes : String.fromCharCode(...bytes.map((byte) => byte * 257));
    const draft = { channel: `c${round}`, event: "é", data };
    assertEquals(decodeDraft(JSON.parse(JSON.stringify(encodeDraft(draft)))), draft);
  }
});

Deno.test("any bytes are decoded or refused", () => {
  const next = random(14);
  const whole = new Uint8Array(frames.flatMap(([body]) => [...frameOf(body)]));
  for (let round = 0; round < 2000; round++) {
    const bytes = whole.slice(0, randomInteger(next, whole.length));
    for (let flips = randomInteger(next, 4); flips > 0 && bytes.length > 0; flips--) {
      bytes[randomInteger(next, bytes.length)] = randomInteger(next, 256);
    }
    try {
      new FrameDecoder(1000).push(bytes);
    } catch (error) {
      assertEquals(
        error instanceof RangeError || error instanceof SyntaxError,
        true,
        String(error),
      );
    }
  }
});
