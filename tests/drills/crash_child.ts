/**
 * Publishes without end, 64 at a time, into the store that the first argument names, and writes a
 * line for each publication that was delivered or acknowledged: its id and its data.
 */

import { systemClock } from "../../lib/core/clock.ts";
import type { Draft } from "../../lib/core/publication.ts";
import { idAt } from "../../lib/broker/broker.ts";
import { SqliteJournal } from "../../lib/broker/sqlite/journal.ts";
import { brokerOn, draft } from "../broker/helpers.ts";

const IN_FLIGHT = 64;

const limits = { historyCount: 1_000_000, historyBytesMax: 1e9, historyTotalBytesMax: 1e9 };
const journal = new SqliteJournal(Deno.args[0]!, systemClock, "normal");
const broker = brokerOn(journal, systemClock, limits);
const encoder = new TextEncoder();

function report(ids: readonly string[], drafts: readonly Draft[]): void {
  const lines = drafts.map(({ data }, index) => `${ids[index]} ${data}\n`);
  Deno.stdout.writeSync(encoder.encode(lines.join("")));
}

async function publishForEver(): Promise<never> {
  for (;;) {
    const channel = `channel.${Math.floor(Math.random() * 10)}`;
    const drafts = Array.from(
      { length: 1 + Math.floor(Math.random() * 3) },
      () => draft(channel, JSON.stringify(crypto.randomUUID())),
    );
    const receipt = await broker.publish({ drafts });
    report(drafts.map((_, index) => idAt(receipt, index)), drafts);
  }
}

await broker.start({
  deliver: (publication) => report([publication.id], [publication]),
  reset: () => {},
  health: () => {},
});
await Promise.all(Array.from({ length: IN_FLIGHT }, publishForEver));
