import { concat } from "../../core/bytes.ts";
import { ownText } from "../../core/text.ts";
import {
  type Bytes,
  decodeBase64,
  type Decoded,
  decodeText,
  decodeUtf8,
  type EngineCodec,
  failure,
  type Packet,
  type Part,
  success,
} from "./codec.ts";

/**
 * Engine.IO protocol 3, of socket.io-client 1 and 2: packets in a polling body have their lengths
 * before them, and bytes are `b4` and base64, or follow the byte 4.
 *
 * A payload is text unless bytes are among its packets and `base64` is false. Text lengths count
 * UTF-16 code units, lengths in a binary payload count bytes.
 *
 * See https://github.com/socketio/engine.io-protocol/tree/v3.
 */
export const engineio3: EngineCodec = {
  version: 3,

  encodeFrame(part, base64) {
    return typeof part === "string" || base64 ? encodeText(part) : encodeBinary(part);
  },

  decodeFrame(frame) {
    return typeof frame === "string" ? decodeTextPacket(frame) : decodeBinaryPacket(frame);
  },

  encodePayload(parts, base64) {
    const isText = base64 || parts.every((part) => typeof part === "string");
    return isText ? encodeTextPayload(parts) : encodeBinaryPayload(parts);
  },

  *decodePayload(body) {
    if (body.length === 0) return yield failure("payload is empty, expected at least one packet");
    yield* typeof body === "string" ? decodeTextPayload(body) : decodeBinaryPayload(body);
  },
};

/**
 * The same for browser builds of socket.io-client 1.0 (`EIO=2`): unless they ask for base64, they take a
 * payload of text for empty.
 */
export const engineio2: EngineCodec = {
  ...engineio3,

  encodePayload(parts, base64) {
    return base64 ? encodeTextPayload(parts) : encodeBinaryPayload(parts);
  },
};

/** The type of a message, as a digit or a byte. */
const MESSAGE = 4;
const STRING = 0;
const BINARY = 1;
const LENGTH_DIGITS_MAX = 10;

/** U+FFFD in UTF-8, each byte as a character. */
const ENCODED_FFFD = "\xef\xbf\xbd";

const encoder = new TextEncoder();
// Not strict: an exception for each of many packets would take seconds.
const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function encodeText(part: Part): string {
  return typeof part === "string" ? part : `b${MESSAGE}${part.toBase64()}`;
}

function encodeBinary(data: Bytes): Bytes {
  return concat([Uint8Array.of(MESSAGE), data]);
}

function encodeTextPayload(parts: readonly Part[]): string {
  return parts.map(encodeText).map((text) => `${text.length}:${text}`).join("");
}

function encodeBinaryPayload(parts: readonly Part[]): Bytes {
  return concat(parts.flatMap((part) => {
    const isText = typeof part === "string";
    const body = isText ? encoder.encode(part) : encodeBinary(part);
    const digits = Array.from(String(body.length), Number);
    return [Uint8Array.of(isText ? STRING : BINARY, ...digits, BINARY_LENGTH.terminator), body];
  }));
}

function decodeTextPacket(text: string): Decoded<Packet> {
  if (!text.startsWith("b")) return decodeText(text);
  if (text[1] !== String(MESSAGE)) return failure("base64 packet is not a message");
  return decodeBase64(text.slice(2));
}

function decodeBinaryPacket(bytes: Bytes): Decoded<Packet> {
  const [type] = bytes;
  if (type === undefined) return failure("binary packet is empty, expected a type byte");
  if (type !== MESSAGE) return failure("binary packet is not a message");
  return success({ type: "message", data: bytes.subarray(1) });
}

function* decodeTextPayload(body: string): Iterable<Decoded<Packet>> {
  for (let at = 0; at < body.length;) {
    const place = locate(TEXT_LENGTH, (index) => body.charCodeAt(index), at, body.length);
    if (!place.ok) return yield place;
    const { start, end } = place.value;
    const packet = decodeTextPacket(ownText(body.slice(start, end)));
    if (!packet.ok) return yield packet;
    yield success(undoDoubleUtf8(packet.value));
    at = end;
  }
}

function* decodeBinaryPayload(body: Bytes): Iterable<Decoded<Packet>> {
  for (let at = 0; at < body.length;) {
    const kind = body[at];
    if (kind !== STRING && kind !== BINARY) {
      return yield failure("packet kind is neither 0 nor 1");
    }
    const place = locate(BINARY_LENGTH, (index) => body[index], at + 1, body.length);
    if (!place.ok) return yield place;
    const { start, end } = place.value;
    // Bytes are copied, so as not to keep the whole body alive.
    const packet = kind === STRING
      ? decodeUtf8Packet(body.subarray(start, end))
      : decodeBinaryPacket(body.slice(start, end));
    yield packet;
    if (!packet.ok) return;
    at = end;
  }
}

function decodeUtf8Packet(bytes: Bytes): Decoded<Packet> {
  const text = decodeUtf8(bytes);
  return text.ok ? decodeTextPacket(text.value) : text;
}

/** How the decimal length before a packet is written. */
interface LengthNotation {
  readonly zero: number;
  readonly terminator: number;
}

const TEXT_LENGTH: LengthNotation = { zero: "0".charCodeAt(0), terminator: ":".charCodeAt(0) };
const BINARY_LENGTH: LengthNotation = { zero: 0, terminator: 0xff };

/** Finds the packet in a body of `size` units. Its length stands at `at`. */
function locate(
  { zero, terminator }: LengthNotation,
  unitAt: (index: number) => number | undefined,
  at: number,
  size: number,
): Decoded<{ start: number; end: number }> {
  let length = 0;
  for (let digits = 0; digits <= LENGTH_DIGITS_MAX; digits++) {
    const unit = unitAt(at + digits) ?? NaN;
    if (unit === terminator && digits > 0) {
      const start = at + digits + 1;
      if (length > size - start) return failure("packet is shorter than its length");
      return success({ start, end: start + length });
    }
    const digit = unit - zero;
    if (!(digit >= 0 && digit <= 9)) break;
    length = length * 10 + digit;
  }
  return failure(`packet length is not 1 to ${LENGTH_DIGITS_MAX} digits and their end mark`);
}

/**
 * Clients before socket.io-client 2 encode text as UTF-8, and then again. A text is taken for one of
 * theirs if all its characters are bytes, some of them not ASCII, and the bytes are UTF-8.
 */
function undoDoubleUtf8(packet: Packet): Packet {
  const { type, data } = packet;
  if (typeof data !== "string" || !/[\x80-\xff]/.test(data) || /[^\0-\xff]/.test(data)) {
    return packet;
  }
  const once = lenientUtf8.decode(latin1(data));
  // The decoder reads malformed bytes as U+FFFD: then there are more of it than were encoded.
  const isUtf8 = count(once, "\ufffd") === count(data, ENCODED_FFFD);
  return isUtf8 ? { type, data: once } : packet;
}

function latin1(text: string): Bytes {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

function count(text: string, part: string): number {
  let found = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found++;
  return found;
}
