import { assert, assertEquals } from "@std/assert";
import {
  type Bytes,
  type Decoded,
  type EngineCodec,
  type Packet,
  PACKET_TYPES,
} from "../../lib/protocols/engineio/codec.ts";
import { engineio3 } from "../../lib/protocols/engineio/codec3.ts";
import { decodeJsonpBody, encodeJsonp } from "../../lib/protocols/engineio/jsonp.ts";
import { engineio4 } from "../../lib/protocols/engineio/codec4.ts";
import type { Dice } from "../support/dice.ts";
import { decodeAll, partOf } from "../support/packets.ts";
import type { Fuzzer, Show } from "./fuzzer.ts";
import { someBytes, someJson, someText } from "./grammar.ts";
import { mutateBytes, mutateText } from "./mutator.ts";
import { checkReason } from "./properties.ts";

const SEPARATOR = "\x1e";

/** Frames and payloads of a version of Engine.IO. */
function codecFuzzer(codec: EngineCodec): Fuzzer {
  return {
    name: `engineio${codec.version}`,
    rounds: 800,
    round(dice, show) {
      const packets = Array.from({ length: 1 + dice.upTo(4) }, () => somePacket(dice));
      const base64 = dice.chance(0.5);
      const encoders = [
        () => codec.encodePayload(packets.map(partOf), base64),
        () => codec.encodeFrame(partOf(packets[0]!), base64),
      ];
      const isPayload = dice.chance(0.6);
      const encoded = encoders[isPayload ? 0 : 1]!();
      const decode = (input: string | Bytes) =>
        isPayload ? decodePayload(codec, input) : decodeFrame(codec, input);
      show(encoded);
      assertEquals(decode(encoded), isPayload ? packets : packets.slice(0, 1));
      const mutated = mutate(dice, encoded, encoders.map((encode) => encode()));
      show(mutated);
      checkMutated(codec, decode(mutated), mutated, isPayload);
    },
  };
}

/** The script of a JSONP answer, and the form of a JSONP post. */
const jsonpFuzzer: Fuzzer = {
  name: "engineio3-jsonp",
  rounds: 800,
  round(dice, show) {
    const payload = someJson(dice);
    checkScript(show, mutateText(dice, dice.pick(["0", "7", "12", "___eio"])), payload);
    checkForm(dice, show, `${JSON.stringify(JSON.parse(payload))}\n`);
  },
};

export const ENGINEIO_FUZZERS: readonly Fuzzer[] = [
  codecFuzzer(engineio3),
  codecFuzzer(engineio4),
  jsonpFuzzer,
];

function somePacket(dice: Dice): Packet {
  if (dice.chance(0.4)) return { type: "message", data: someBytes(dice, 20) };
  const data = someText(dice, 20).replaceAll(SEPARATOR, "");
  // No Latin-1 alone, which can be the UTF-8 of a text that a very old client has sent.
  return { type: dice.pick(PACKET_TYPES), data: /[\x80-\xff]/.test(data) ? `${data}€` : data };
}

function mutate(dice: Dice, input: string | Bytes, donors: readonly (string | Bytes)[]) {
  if (dice.chance(0.1)) return dice.chance(0.5) ? someText(dice, 30) : someBytes(dice, 30);
  if (typeof input === "string") {
    return mutateText(dice, input, donors.filter((donor) => typeof donor === "string"));
  }
  return mutateBytes(dice, input, donors.filter((donor) => typeof donor !== "string"));
}

function decodePayload(codec: EngineCodec, input: string | Bytes): readonly Packet[] | undefined {
  return unwrap(decodeAll(codec, input));
}

function decodeFrame(codec: EngineCodec, input: string | Bytes): readonly Packet[] | undefined {
  const packet = unwrap(codec.decodeFrame(input));
  return packet && [packet];
}

function unwrap<T>(decoded: Decoded<T>): T | undefined {
  if (decoded.ok) return decoded.value;
  checkReason(decoded.reason);
  return undefined;
}

/** What was accepted is no more than what came, and can be written and read again. */
function checkMutated(
  codec: EngineCodec,
  packets: readonly Packet[] | undefined,
  input: string | Bytes,
  isPayload: boolean,
): void {
  if (packets === undefined) return;
  const units = packets.reduce((sum, { data }) => sum + data.length, 0);
  assert(units + packets.length <= Math.max(1, input.length + 1), "more came out than went in");
  if (packets.some(isAmbiguous)) return;
  const base64 = typeof input === "string";
  for (const packet of packets) {
    const frame = codec.encodeFrame(partOf(packet), base64);
    assertEquals(decodeFrame(codec, frame), [packet]);
  }
  if (!isPayload) return;
  const payload = codec.encodePayload(packets.map(partOf), base64);
  assertEquals(decodePayload(codec, payload), packets);
  const isText = packets.every(({ data }) => typeof data === "string");
  if (isText && typeof input === "string") assertEquals(shorten(payload as string), shorten(input));
}

/** Without zeros before a length, which change nothing. */
function shorten(payload: string): string {
  return payload.replace(/0+(?=\d+:)/g, "");
}

/** A text that changes when it is written and read: half a character, or what looks like UTF-8. */
function isAmbiguous({ data }: Packet): boolean {
  return typeof data === "string" && (!data.isWellFormed() || /[\x80-\xff]/.test(data));
}

function checkScript(show: Show, index: string, payload: string): void {
  show({ index, payload });
  const script = encodeJsonp(index, payload);
  const [, number, text] = /^___eio\[(\d*)\]\((".*")\);$/.exec(script) ?? [];
  assert(number !== undefined && text !== undefined, script);
  assertEquals([number, JSON.parse(text)], [index.replace(/[^0-9]/g, ""), payload]);
  assert(!/[\u2028\u2029\n\r]/.test(script), script);
}

function checkForm(dice: Dice, show: Show, payload: string): void {
  // As engine.io-client does it.
  const escaped = payload.replaceAll("\\n", "\\\n").replaceAll("\n", "\\n");
  const form = new URLSearchParams({ d: escaped }).toString();
  show(form);
  assertEquals(decodeJsonpBody(form), { ok: true, value: payload });
  const mutated = mutateText(dice, form, [`j=1&${form}&d=2`]);
  show(mutated);
  const decoded = decodeJsonpBody(mutated);
  if (decoded.ok) assert(decoded.value.length <= mutated.length);
  else checkReason(decoded.reason);
}
