import { hark } from "../../lib/protocols/hark/codec.ts";
import { plain } from "../../lib/protocols/plain/codec.ts";
import { socketioFormat } from "../../lib/protocols/socketio/encoder.ts";
import { sse } from "../../lib/protocols/sse/codec.ts";
import { Publication } from "../../lib/core/publication.ts";

// What encoding one publication costs in each format.

const position = { epoch: "bench000", offset: 123456 };
const draft = { channel: "sensor.kitchen", event: "message", data: '{"message":"grüße, 世界 😀"}' };
const publication = new Publication(position, draft, 1_767_225_600_000);

const formats = {
  plain,
  hark,
  sse,
  "Socket.IO 4": socketioFormat("/", 4, false),
  "Socket.IO 5": socketioFormat("/", 5, true),
};

for (const [name, format] of Object.entries(formats)) {
  Deno.bench(`encode for ${name}`, () => void format.message(publication));
}
