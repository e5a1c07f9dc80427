import type { Bytes } from "../../lib/protocols/engineio/codec.ts";
import type { SocketPacket } from "../../lib/protocols/socketio/codec.ts";
import { type DecoderBounds, SocketDecoder } from "../../lib/protocols/socketio/decoder.ts";

const TYPES = ["connect", "disconnect", "event", "ack", "connect_error"];
const BINARY_STEP = 3;

/**
 * The messages of one packet, as a client sends them: a text, and the bytes anywhere in its data. No
 * object in the data may look like the placeholder of bytes.
 */
export function messagesOf(packet: SocketPacket): [text: string, ...attachments: Bytes[]] {
  const { type, namespace, query, id, data }: PacketFields = packet;
  const attachments: Bytes[] = [];
  const json = data === undefined ? "" : JSON.stringify(data, (_, value) => {
    if (!(value instanceof Uint8Array)) return value;
    return { _placeholder: true, num: attachments.push(value as Bytes) - 1 };
  });
  const digit = TYPES.indexOf(type);
  const kind = attachments.length === 0 ? digit : `${digit + BINARY_STEP}${attachments.length}-`;
  const name = query === undefined ? namespace : `${namespace}?${query}`;
  const prefix = name === "/" ? "" : `${name},`;
  return [`${kind}${prefix}${id ?? ""}${json}`, ...attachments];
}

interface PacketFields {
  readonly type: string;
  readonly namespace: string;
  readonly query?: string;
  readonly id?: number;
  readonly data?: unknown;
}

/** A decoder with no bounds but those given. */
export function decoderOf(protocol: 4 | 5, bounds: Partial<DecoderBounds> = {}): SocketDecoder {
  const boundless = { attachmentBytesMax: Infinity, jsonCharsMax: Infinity };
  return new SocketDecoder(protocol, { ...boundless, ...bounds });
}
