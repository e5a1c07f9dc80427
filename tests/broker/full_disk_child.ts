/**
 * Publishes into the store that the first argument names while no file may grow beyond a bound, as
 * if the disk were full, and then with no bound; writes what came of it as JSON.
 */

import { systemClock } from "../../lib/core/clock.ts";
import { Refusal } from "../../lib/core/errors.ts";
import type { Data } from "../../lib/core/publication.ts";
import { SqliteBroker } from "../../lib/broker/sqlite/sqlite.ts";
import { draft, readAfter, ROOMY } from "./helpers.ts";

const limits = { ...ROOMY, historyBytesMax: 1e9, historyTotalBytesMax: 1e9 };
const broker = SqliteBroker.open(Deno.args[0]!, { clock: systemClock, limits, sync: "normal" });
const delivered: number[] = [];
await broker.start(({ offset }) => delivered.push(offset));

async function limitFileBytes(bytes: number | "unlimited"): Promise<void> {
  const args = ["--pid", String(Deno.pid), `--fsize=${bytes}:unlimited`];
  const { success } = await new Deno.Command("prlimit", { args }).output();
  if (!success) throw new Error("prlimit failed");
}

/** Publishes all of them in one turn; tells the offset of each, or why it was refused. */
async function publishTogether(...datas: Data[]): Promise<(number | string)[]> {
  const results = await Promise.allSettled(datas.map((data) => broker.publish([draft("a", data)])));
  return results.map((result) => {
    if (result.status === "fulfilled") return result.value[0]!.offset;
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
const result = { before, tooBig, full, kept, after, delivered };
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(result)));
Deno.exit();
