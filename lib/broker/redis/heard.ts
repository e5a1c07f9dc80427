import type { Clock } from "../../core/clock.ts";
import type { RedisConnection } from "./connection.ts";
import { readEntries, readMessages } from "./entries.ts";
import { askRedis, type RedisOptions } from "./open.ts";
import { readReport } from "./report.ts";

/** A node that has said a moment ago that it is there. */
export interface HeardNode {
  readonly name: string;
  /** Where other nodes reach it; empty for nowhere. */
  readonly address: string;
  /** By how much its clock is ahead of that of Redis, in milliseconds; NaN if it does not say. */
  readonly aheadMs: number;
}

/** A node says so every three seconds. */
const RECENT_MS = 15_000;
const ENTRIES_AT_ONCE = 1000;
const PAGES_MAX = 10;

/** The nodes that share the log. Throws a `RedisError`. */
export function hearNodes(options: RedisOptions, clock: Clock): Promise<HeardNode[]> {
  return askRedis(options, clock, (connection, { peers }) => readNodes(connection, peers, clock));
}

async function readNodes(
  connection: RedisConnection,
  key: string,
  clock: Clock,
): Promise<HeardNode[]> {
  const { skewMs } = await readReport(connection, () => clock.now());
  const oldest = Math.floor(clock.now() + skewMs - RECENT_MS);
  /** By id; undefined for one that has left. */
  const nodes = new Map<string, HeardNode | undefined>();
  let newest = "+";
  for (let page = 0; page < PAGES_MAX; page++) {
    const entries = readEntries(
      await connection.send("XREVRANGE", key, newest, oldest, "COUNT", ENTRIES_AT_ONCE),
    );
    for (const entry of entries) {
      const id = entry.fields.get("n") ?? "";
      for (const message of readMessages(entry)?.toReversed() ?? []) {
        if (nodes.has(id)) break;
        if (message.type === "bye") nodes.set(id, undefined);
        if (message.type !== "alive" && message.type !== "hello") continue;
        const { name, address, time } = message;
        // That of an entry is when Redis took it.
        const aheadMs = Number(time) - entry.offset;
        nodes.set(id, { name: String(name), address: String(address), aheadMs });
      }
    }
    if (entries.length < ENTRIES_AT_ONCE) break;
    newest = `(${entries.at(-1)!.id}`;
  }
  return [...nodes.values()].filter((node) => node !== undefined);
}
