/**
 * Publishes into the store that the first argument names while no file may grow beyond a bound, as
 * if the disk were full, and then with no bound; writes what came of it as JSON.
 */

import { systemClock } from "../../lib/core/clock.ts";
import { Refusal } from "../../lib/core/errors.ts";
import type { Data } from "../../lib/core/publication.ts";
import { SqliteJournal } from "../../lib/broker/sqlite/journal.ts";
import { brokerOn, Deliveries, draft, publish, readAfter } from "../broker/helpers.ts";

const limits = { historyBytesMax: 1e9, historyTotalBytesMax: 1e9 };
const journal = new SqliteJournal(Deno.args[0]!, systemClock, "normal");
const broker = brokerOn(journal, systemClock, limits);
const deliveries = new Deliveries();
await broker.start(deliveries);

async function limitFileBytes(bytes: number | "unlimited"): Promise<void> {
  const args = ["--pid", String(Deno.pid), `--fsize=${bytes}:unlimited`];
  const { success } = await new Deno.Command("prlimit", { args }).output();
  if (!success) throw new Error("prlimit failed");
}

/** Publishes all of them in one turn; tells the offset of each, or why it was refused. */
async function publishTogether(...datas: Data[]): Promise<(number | string)[]> {
  const results = await Promise.allSettled(
    datas.map((data) => publish(broker, [draft("a", data)])),
  );
  return results.map((result) => {
    if (result.status === "fulfilled") return result.value[0]!;
    return result.reason instanceof Refusal ? result.reason.type : String(result.reason);
  });
}

const small = new Uint8Array(100);
const big = new Uint8Array(2_000_000);
// Without a listener the signal that says "file too large" would end the process.
Deno.addSignalListener("SIGXFSZ", () => {});

const before = await publishTogether(small);
await limitFileBytes(1_000_000);
const tooBig = await publishTogether(small, big, small);
await limitFileBytes(4096);
const full = await publishTogether(small, small);
const kept = (await readAfter(broker, 0)).publications.map(({ offset }) => offset);
await limitFileBytes("unlimited");
const after = await publishTogether(small, big);
await broker.close();
const delivered = deliveries.publications.map(({ offset }) => offset);
const health = deliveries.events.map((event) => event.split(":")[0]);
const result = { before, tooBig, full, kept, after, delivered, health };
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(result)));
Deno.exit();
