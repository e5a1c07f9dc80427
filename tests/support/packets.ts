import {
  type Bytes,
  type Decoded,
  type EngineCodec,
  type Packet,
  PACKET_TYPES,
  type Part,
} from "../../lib/protocols/engineio/codec.ts";

/** The packet as the server sends it. */
export function partOf({ type, data }: Packet): Part {
  return typeof data === "string" ? `${PACKET_TYPES.indexOf(type)}${data}` : data;
}

/** All packets of a payload, or why it cannot be read. */
export function decodeAll(codec: EngineCodec, body: string | Bytes): Decoded<Packet[]> {
  const packets: Packet[] = [];
  for (const packet of codec.decodePayload(body)) {
    if (!packet.ok) return packet;
    packets.push(packet.value);
  }
  return { ok: true, value: packets };
}
