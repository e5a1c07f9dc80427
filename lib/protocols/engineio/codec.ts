/** The packet types of Engine.IO, each at the index that is its digit on the wire. */
export const PACKET_TYPES = [
  "open",
  "close",
  "ping",
  "pong",
  "message",
  "upgrade",
  "noop",
] as const;

/** The type of an Engine.IO packet. */
export type PacketType = (typeof PACKET_TYPES)[number];

/** Bytes as they come from and go to the network. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** One Engine.IO packet. */
export interface Packet {
  readonly type: PacketType;
  /** Empty text if the packet carries nothing; bytes only in a message. */
  readonly data: string | Bytes;
}

/** A decoded value, or why there is none: a short ASCII sentence that repeats nothing of the input. */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/** A packet to send: `<type digit><data>`, or the bytes of a message. */
export type Part = string | Bytes;

/**
 * One version of Engine.IO: packets to WebSocket frames and polling bodies, and back. Bytes are sent in
 * base64 if `base64` is true.
 *
 * Decoding MUST NOT throw, and takes time and memory in proportion to its input.
 */
export interface EngineCodec {
  /** The `EIO` parameter that asks for it. */
  readonly version: 3 | 4;
  /** The WebSocket frame of one packet. */
  encodeFrame(part: Part, base64: boolean): string | Bytes;
  /** The packet that one WebSocket frame holds. */
  decodeFrame(frame: string | Bytes): Decoded<Packet>;
  /** The body of a polling answer. There MUST be a packet, and no U+001E in any: JSON holds none. */
  encodePayload(parts: readonly Part[], base64: boolean): string | Bytes;
  /**
   * The packets of a polling body, at least one; bytes are an `application/octet-stream`. Each is
   * decoded when the caller asks for it: a caller with a bound decodes no more than that. No packet
   * keeps the body alive. The first failure is the last item.
   */
  decodePayload(body: string | Bytes): Iterable<Decoded<Packet>>;
}

/** A decoded value. */
export function success<T>(value: T): Decoded<T> {
  return { ok: true, value };
}

/** Why decoding failed. */
export function failure(reason: string): Decoded<never> {
  return { ok: false, reason };
}

/** Reads `<type digit><data>`. */
export function decodeText(text: string): Decoded<Packet> {
  if (text === "") return failure("packet is empty, expected a type digit");
  const type = PACKET_TYPES[text.charCodeAt(0) - DIGIT_0];
  if (type === undefined) return failure("packet does not start with a type digit from 0 to 6");
  return success({ type, data: text.slice(1) });
}

/** Reads a message's bytes from base64. Clients may wrap its lines, or leave out the `=`. */
export function decodeBase64(text: string): Decoded<Packet> {
  try {
    return success({ type: "message", data: Uint8Array.fromBase64(text) });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return failure("packet is not valid base64");
  }
}

/** Reads UTF-8 strictly, keeping a byte order mark as the character it is. */
export function decodeUtf8(bytes: Bytes): Decoded<string> {
  try {
    return success(strictUtf8.decode(bytes));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return failure("text is not valid UTF-8");
  }
}

const DIGIT_0 = 0x30;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
