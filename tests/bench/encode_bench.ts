import { hark } from "../../lib/protocols/hark/codec.ts";
import { plain } from "../../lib/protocols/plain/codec.ts";
import { socketioEncoder } from "../../lib/protocols/socketio/encoder.ts";
import { sse } from "../../lib/protocols/sse/codec.ts";
import { Publication } from "../../lib/core/publication.ts";

// What encoding one publication costs in each format.

const position = { epoch: "bench000", offset: 123456 };
const draft = { channel: "sensor.kitchen", event: "message", data: '{"message":"grüße, 世界 😀"}' };
const publication = new Publication(position, draft, 1_767_225_600_000);

const encoders = {
  plain,
  hark,
  sse,
  "Socket.IO 4": socketioEncoder("/", 4, false),
  "Socket.IO 5": socketioEncoder("/", 5, true),
};

for (const [name, encoder] of Object.entries(encoders)) {
  Deno.bench(`encode for ${name}`, () => void encoder.message(publication));
}
