/**
 * Publishes without end, 64 at a time, into the store that the first argument names, and writes a
 * line for each publication that was delivered or acknowledged: its id and its data.
 */

import { systemClock } from "../../lib/core/clock.ts";
import type { Publication } from "../../lib/core/publication.ts";
import { SqliteBroker } from "../../lib/broker/sqlite/sqlite.ts";
import { draft, ROOMY } from "./helpers.ts";

const IN_FLIGHT = 64;

const limits = { ...ROOMY, historyCount: 1_000_000, historyBytesMax: 1e9 };
const broker = SqliteBroker.open(Deno.args[0]!, {
  clock: systemClock,
  limits: { ...limits, historyTotalBytesMax: 1e9 },
  sync: "normal",
});
const encoder = new TextEncoder();

function report(publications: readonly Publication[]): void {
  const lines = publications.map(({ id, data }) => `${id} ${data}\n`);
  Deno.stdout.writeSync(encoder.encode(lines.join("")));
}

async function publishForEver(): Promise<never> {
  for (;;) {
    const channel = `channel.${Math.floor(Math.random() * 10)}`;
    const drafts = Array.from(
      { length: 1 + Math.floor(Math.random() * 3) },
      () => draft(channel, JSON.stringify(crypto.randomUUID())),
    );
    report(await broker.publish(drafts));
  }
}

await broker.start((publication) => report([publication]));
await Promise.all(Array.from({ length: IN_FLIGHT }, publishForEver));
