import type { JsonObject } from "../../lib/core/json.ts";
import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/protocols/engineio/codec.ts";
import { type SocketPacket, toEngineText } from "../../lib/protocols/socketio/codec.ts";
import type { Dice } from "../support/dice.ts";
import { decoderOf, messagesOf } from "../support/socketio_packets.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { nested, several, someBytes, someText, someValue } from "./grammar.ts";
import { mutateBytes, mutateList, mutateText } from "./mutator.ts";
import { checkPrototypes, checkReason } from "./properties.ts";

const PROTOCOLS = [4, 5] as const;
const ATTACHMENT_BYTES_MAX = 200;
/** `/`, a type, an id and the like, of which nothing is counted. */
const SLACK = 16;

type Message = string | Bytes;

/** Packets of Socket.IO and the messages that they travel in. */
export const socketioFuzzer: Fuzzer = {
  name: "socketio",
  rounds: 1000,
  round(dice, show) {
    const protocol = dice.pick(PROTOCOLS);
    const packets = [somePacket(dice, protocol), somePacket(dice, protocol)];
    const messages = packets.flatMap((packet) => travel(packet, protocol));
    show({ protocol, messages });
    assertEquals(decodeAll(protocol, messages), packets);
    const mutated = mutateMessages(dice, messages);
    show({ protocol, mutated });
    for (const packet of decodeAll(protocol, mutated)) {
      // As written, because JSON takes 1e999 for a number and cannot give it back.
      const again = travel(packet, protocol);
      const packets = decodeAll(protocol, again);
      assertEquals(packets.map((packet) => travel(packet, protocol)), [again]);
    }
    checkPrototypes();
  },
};

/** The messages of a packet, escaped as the server does it for a protocol. */
function travel(packet: SocketPacket, protocol: 4 | 5): Message[] {
  const [text, ...attachments] = messagesOf(packet);
  return [toEngineText(text, protocol).slice(1), ...attachments];
}

/** The packets up to the first failure, after which nothing more makes sense. */
function decodeAll(protocol: 4 | 5, messages: readonly Message[]): SocketPacket[] {
  const decoder = decoderOf(protocol, { attachmentBytesMax: ATTACHMENT_BYTES_MAX });
  const packets: SocketPacket[] = [];
  let units = 0;
  for (const message of messages) {
    units += message.length;
    const decoded = decoder.add(message);
    if (!decoded.ok) {
      checkReason(decoded.reason);
      break;
    }
    if (decoded.value !== undefined) packets.push(decoded.value);
  }
  assert(sizeOf(packets) <= units + SLACK * messages.length, "more came out than went in");
  return packets;
}

/** How many values there are, and the units of all texts and bytes. */
function sizeOf(value: unknown): number {
  if (typeof value === "string" || value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.entries(value).reduce((sum, [, item]) => sum + 1 + sizeOf(item), 0);
}

function mutateMessages(dice: Dice, messages: readonly Message[]): Message[] {
  const texts = messages.filter((message) => typeof message === "string");
  const mutated = messages.map((message): Message => {
    if (dice.chance(0.4)) return message;
    return typeof message === "string"
      ? mutateText(dice, message, texts)
      : mutateBytes(dice, message);
  });
  if (dice.chance(0.1)) mutated.push(`2["a",${nested(dice, "1", dice.pick([98, 99, 5000]))}]`);
  return dice.chance(0.4) ? mutateList(dice, mutated) : mutated;
}

function somePacket(dice: Dice, protocol: 4 | 5): SocketPacket {
  const namespace = `/${dice.chance(0.5) ? "" : someName(dice)}`;
  const id = dice.pick([0, 1, 42, Number.MAX_SAFE_INTEGER]);
  switch (dice.upTo(5)) {
    case 0: {
      const query = protocol === 4 && dice.chance(0.5) ? { query: someName(dice) } : {};
      return {
        type: "connect",
        namespace,
        ...query,
        ...(dice.chance(0.5) && { data: someObject(dice) }),
      };
    }
    case 1:
      return { type: "disconnect", namespace };
    case 2:
      return { type: "ack", namespace, id, data: someArguments(dice) };
    case 3: {
      const data = dice.chance(0.5) ? someText(dice) : someObject(dice);
      return { type: "connect_error", namespace, data };
    }
  }
  // Socket.IO keeps names such as `connect` for itself; none has a colon.
  const data: [string, ...unknown[]] = [`:${someText(dice)}`, ...someArguments(dice)];
  return { type: "event", namespace, ...(dice.chance(0.5) && { id }), data };
}

/** No comma, which ends a namespace, no `?`, which begins its query, and no control character. */
function someName(dice: Dice): string {
  return someText(dice).replace(/[,?\p{Cc}]/gu, "");
}

function someObject(dice: Dice): JsonObject {
  return toJson({ ...several(dice, 3, () => someValue(dice)) }) as JsonObject;
}

/** Values, and bytes among them; no object beside bytes looks like what stands for them. */
function someArguments(dice: Dice): unknown[] {
  const data = several(dice, 3, () => toJson(someValue(dice)));
  if (JSON.stringify(data).includes("_placeholder")) return data;
  for (let count = dice.chance(0.5) ? 0 : dice.upTo(3); count > 0; count--) {
    data.push(dice.chance(0.5) ? someBytes(dice) : { a: [someBytes(dice)] });
  }
  return data;
}

/** As JSON gives it back: it has no -0. */
function toJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
