import {
  decodeBase64,
  type Decoded,
  decodeText,
  type EngineCodec,
  failure,
  type Packet,
  type Part,
  success,
} from "./codec.ts";
import { ownText } from "../../core/text.ts";

/**
 * Engine.IO protocol 4, of socket.io-client 3 and later: packets in a polling body are joined by
 * U+001E, and bytes are `b` and base64 with no type digit, or a WebSocket frame as they are.
 *
 * See https://github.com/socketio/engine.io-protocol.
 */
export const engineio4: EngineCodec = {
  version: 4,

  encodeFrame(part, base64) {
    return base64 ? encodeText(part) : part;
  },

  decodeFrame(frame) {
    return typeof frame === "string"
      ? decodeTextPacket(frame)
      : success({ type: "message", data: frame });
  },

  encodePayload(parts) {
    return parts.map(encodeText).join(SEPARATOR);
  },

  *decodePayload(body) {
    if (typeof body !== "string") return yield failure("payload is binary, expected text");
    for (let start = 0; start <= body.length;) {
      const separator = body.indexOf(SEPARATOR, start);
      const end = separator === -1 ? body.length : separator;
      const packet = decodeTextPacket(ownText(body.slice(start, end)));
      yield packet;
      if (!packet.ok) return;
      start = end + 1;
    }
  },
};

const SEPARATOR = "\x1e";

function encodeText(part: Part): string {
  return typeof part === "string" ? part : `b${part.toBase64()}`;
}

function decodeTextPacket(text: string): Decoded<Packet> {
  return text.startsWith("b") ? decodeBase64(text.slice(1)) : decodeText(text);
}
