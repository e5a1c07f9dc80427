import type { Clock } from "../../core/clock.ts";
import type { RedisConnection } from "./connection.ts";

/** What a Redis server says of itself that matters to a log. */
export interface RedisReport {
  /** `redis 7.0.15` or `valkey 8.0.1`. */
  readonly version: string;
  /** The major version of Redis that it is compatible with. */
  readonly major: number;
  readonly evictionPolicy: string;
  /** Whether every write goes to a file before it is answered. */
  readonly hasAppendOnlyFile: boolean;
  readonly replicas: number;
  /** Whether it refuses to write while no replica follows closely. */
  readonly needsReplicas: boolean;
  /** By how much its clock is ahead of this machine's, in milliseconds. */
  readonly skewMs: number;
}

const MAJOR_MIN = 7;
/** Clocks that differ by more are not synchronized. */
const SKEW_MS_MAX = 2000;

/** Asks a server about itself. */
export async function readReport(
  connection: RedisConnection,
  clock: Pick<Clock, "now">,
): Promise<RedisReport> {
  const [info, time] = await Promise.all([connection.send("INFO"), connection.send("TIME")]);
  const [seconds, micros] = (time as readonly string[]).map(Number);
  return parseReport(String(info), seconds! * 1000 + micros! / 1000 - clock.now());
}

/** What is unwise about a server that keeps a log: sentences that say what to do. */
export function whatIsUnwiseOf(report: RedisReport): string[] {
  const { version, major, evictionPolicy, hasAppendOnlyFile, replicas, needsReplicas } = report;
  const found: string[] = [];
  if (major < MAJOR_MIN) found.push(`${version} is too old for the log: take Redis 7 or Valkey`);
  if (evictionPolicy !== "noeviction") {
    found.push(
      `Redis may drop what belongs to the log (${evictionPolicy}): set maxmemory-policy noeviction`,
    );
  }
  if (!hasAppendOnlyFile) {
    found.push("Redis forgets acknowledged messages when it ends: set appendonly yes");
  }
  if (replicas > 0 && !needsReplicas) {
    found.push("a failover may lose acknowledged messages: set min-replicas-to-write 1");
  }
  return [...found, ...whatIsUnwiseOfClock("this clock", -report.skewMs)];
}

/** What is unwise about a clock that is so far ahead of that of Redis; nothing if `aheadMs` is NaN. */
export function whatIsUnwiseOfClock(clock: string, aheadMs: number): string[] {
  if (!(Math.abs(aheadMs) > SKEW_MS_MAX)) return [];
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const which = aheadMs > 0 ? "ahead of" : "behind";
  return [`${clock} is ${seconds} s ${which} that of Redis: synchronize both (NTP)`];
}

function parseReport(info: string, skewMs: number): RedisReport {
  const fields = new Map(Array.from(info.matchAll(/^(\w+):(.*?)\r?$/gm), ([, name, value]) => {
    return [name!, value!] as const;
  }));
  const field = (name: string) => fields.get(name) ?? "";
  const valkey = field("valkey_version");
  return {
    version: valkey === "" ? `redis ${field("redis_version")}` : `valkey ${valkey}`,
    major: Number.parseInt(field("redis_version"), 10) || 0,
    evictionPolicy: field("maxmemory_policy") || "noeviction",
    hasAppendOnlyFile: field("aof_enabled") === "1",
    replicas: Number(field("connected_slaves")) || 0,
    needsReplicas: fields.has("min_slaves_good_slaves"),
    skewMs,
  };
}
