import { type Bytes, type Decoded, decodeUtf8, type Packet, success } from "./codec.ts";
import { decodeJsonpBody } from "./jsonp.ts";
import type { PollingStyle } from "./polling.ts";

/** Bytes of one polling body, or of one WebSocket frame. */
export const POLLING_BYTES_MAX = 1_000_000;

/** The bounds on what a client posts. */
export interface PostLimits {
  /** Bytes of one polling body, or of one WebSocket frame. */
  readonly pollingBytesMax: number;
  /** Packets a second from the client. */
  readonly inboundPerSecondMax: number;
  /** Reads a body whole, or throws a `Refusal`: `too-large` if it has more than `pollingBytesMax` bytes. */
  readonly readBody: (request: Request) => Promise<Bytes>;
}

/** The packets that a client has posted. */
export interface Post {
  readonly packets: readonly Packet[];
  /** False if there were more than the client may send: the rest is not decoded. */
  readonly isWhole: boolean;
}

/**
 * Decodes the body of a post. `take` is called before each packet counts, and reports whether it may.
 * `type` is the request's `Content-Type`.
 */
export function decodePost(
  style: PollingStyle,
  type: string | null,
  body: Bytes,
  take: () => boolean,
): Decoded<Post> {
  const packets: Packet[] = [];
  for (const packet of decodePackets(style, type, body)) {
    if (!packet.ok) return packet;
    if (!take()) return success({ packets, isWhole: false });
    packets.push(packet.value);
  }
  return success({ packets, isWhole: true });
}

function* decodePackets(
  { codec, jsonp }: PollingStyle,
  type: string | null,
  body: Bytes,
): Iterable<Decoded<Packet>> {
  if (type === "application/octet-stream") return yield* codec.decodePayload(body);
  const text = decodeUtf8(body);
  const payload = jsonp === undefined || !text.ok ? text : decodeJsonpBody(text.value);
  if (payload.ok) yield* codec.decodePayload(payload.value);
  else yield payload;
}
