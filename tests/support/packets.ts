import type { Bytes, Decoded, EngineCodec, Packet } from "../../lib/protocols/engineio/codec.ts";

/** All packets of a payload, or why it cannot be read. */
export function decodeAll(codec: EngineCodec, body: string | Bytes): Decoded<Packet[]> {
  const packets: Packet[] = [];
  for (const packet of codec.decodePayload(body)) {
    if (!packet.ok) return packet;
    packets.push(packet.value);
  }
  return { ok: true, value: packets };
}
