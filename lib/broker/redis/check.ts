import type { Clock } from "../../core/clock.ts";
import type { RedisConnection } from "./connection.ts";
import { readEntries, readMessages } from "./entries.ts";
import { cannotUse } from "./errors.ts";
import { readReport, whatIsUnwiseOf } from "./report.ts";
import { RedisKeys } from "./scripts.ts";
import { connectTo, readTarget, type RedisOptions } from "./target.ts";

/** A node that was there a moment ago. */
export interface HeardNode {
  readonly name: string;
  /** Where other nodes reach it; empty for nowhere. */
  readonly address: string;
  /** By how much its clock is ahead of that of Redis, in milliseconds; NaN if it does not say. */
  readonly aheadMs: number;
}

/** How long a server may take to answer. */
const TIMEOUT_MS = 5000;
/** Several heartbeats of a node. */
const RECENT_MS = 15_000;
const ENTRIES_AT_ONCE = 1000;
const PAGES_MAX = 10;

/**
 * Tries what a node does with Redis before it listens, as far as that writes nothing. Resolves to what
 * is unwise about the server, a sentence each. Throws a `RedisError` if a node could not use it.
 */
export function tryRedis(options: RedisOptions, clock: Clock): Promise<string[]> {
  return askRedis(options, clock, async (connection, { meta, log, channels, gaps }) => {
    const readMeta = "redis.call('INFO', 'server') return redis.call('HGET', KEYS[1], 'v')";
    await Promise.all([
      connection.send("EVAL", readMeta, 1, meta),
      connection.send("XREAD", "COUNT", 1, "STREAMS", log, "$"),
      connection.send("ZRANGE", channels, 0, 0),
      connection.send("LRANGE", gaps, 0, 0),
    ]);
    return whatIsUnwiseOf(await readReport(connection, clock));
  });
}

/** Finds the nodes that share the log. Throws a `RedisError`. */
export function hearNodes(options: RedisOptions, clock: Clock): Promise<HeardNode[]> {
  return askRedis(options, clock, (connection, { peers }) => readNodes(connection, peers, clock));
}

/** Connects to the server that the options name, for as long as `ask` runs. Throws a `RedisError`. */
async function askRedis<T>(
  options: RedisOptions,
  clock: Clock,
  ask: (connection: RedisConnection, keys: RedisKeys) => Promise<T>,
): Promise<T> {
  const target = readTarget(options);
  try {
    const connection = await connectTo(target, { clock, timeoutMs: TIMEOUT_MS });
    try {
      return await ask(connection, new RedisKeys(options.redisName));
    } finally {
      connection.close();
    }
  } catch (error) {
    throw cannotUse(target, error);
  }
}

async function readNodes(
  connection: RedisConnection,
  key: string,
  clock: Clock,
): Promise<HeardNode[]> {
  const { skewMs } = await readReport(connection, clock);
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
        // The time of an entry is when Redis took it.
        const aheadMs = Number(time) - entry.offset;
        nodes.set(id, { name: String(name), address: String(address), aheadMs });
      }
    }
    if (entries.length < ENTRIES_AT_ONCE) break;
    newest = `(${entries.at(-1)!.id}`;
  }
  return [...nodes.values()].filter((node) => node !== undefined);
}
