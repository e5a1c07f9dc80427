import { hark, joinEvents } from "../../lib/protocols/hark/codec.ts";
import { plain } from "../../lib/protocols/plain/codec.ts";
import { BROADCAST } from "../../lib/core/channel.ts";
import { Hub } from "../../lib/hub/hub.ts";
import { Publication } from "../../lib/core/publication.ts";
import type { Encoder } from "../../lib/core/encoder.ts";
import type { Transport } from "../../lib/hub/transport.ts";
import { Batching, BatchingTransport } from "../../lib/hub/batching.ts";
import { FakeClock } from "../support/fake_clock.ts";

// What the hub itself costs for a thousand clients, with a transport that does nothing.

const SESSIONS = 1000;
const DRAFT = { channel: BROADCAST, event: "message", data: '{"message":"hello"}' };

function nowhere(encoder: Encoder): Transport {
  return { name: "nowhere", encoder, bufferedBytes: 0, write: () => {}, close: () => {} };
}

function makeHub(makeTransport: () => Transport): Hub {
  const tally = { add: () => {} };
  const clock = new FakeClock();
  const hub = new Hub({
    broker: {
      history: () => Promise.reject(new Error("Nobody asks for history here")),
      reached: () => Promise.resolve(true),
      isUp: true,
    },
    clock,
    greeting: "",
    outboundBytesMax: 1 << 20,
    channelsPerSessionMax: 8,
    channelsMax: 8,
    isShared: () => true,
    deliveries: tally,
    deliveredBytes: tally,
    onOpen: () => {},
    onLeave: () => {},
    onError: () => {},
  });
  hub.begin({ epoch: "bench", offset: 0 });
  for (let i = 0; i < SESSIONS; i++) hub.open(makeTransport(), { address: "" }, [BROADCAST]);
  return hub;
}

let offset = 0;
function next(): Publication {
  return new Publication({ epoch: "bench", offset: ++offset }, DRAFT, 0);
}

const plainHub = makeHub(() => nowhere(plain));
Deno.bench(`broadcast to ${SESSIONS} plain sessions`, () => plainHub.broadcast(next()));

const clock = new FakeClock();
const batching = new Batching(clock);
const harkHub = makeHub(() => new BatchingTransport(nowhere(hark), joinEvents, batching));
Deno.bench(`broadcast 8 messages in a turn to ${SESSIONS} hark.v1 sessions`, () => {
  for (let i = 0; i < 8; i++) harkHub.broadcast(next());
  clock.turn();
});
