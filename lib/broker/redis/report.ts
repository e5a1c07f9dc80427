import type { Clock } from "../../core/clock.ts";
import type { RedisConnection } from "./connection.ts";

/** What a Redis server says of itself. */
export interface RedisReport {
  /** The fields that INFO answers. */
  readonly info: ReadonlyMap<string, string>;
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
  const [text, time] = await Promise.all([connection.send("INFO"), connection.send("TIME")]);
  const fields = String(text).matchAll(/^(\w+):(.*?)\r?$/gm);
  const [seconds, micros] = (time as readonly string[]).map(Number);
  return {
    info: new Map(Array.from(fields, ([, name = "", value = ""]) => [name, value])),
    skewMs: seconds! * 1000 + micros! / 1000 - clock.now(),
  };
}

/** What is unwise about a server that keeps a log: sentences that say what to do. */
export function whatIsUnwiseOf({ info, skewMs }: RedisReport): string[] {
  const found: string[] = [];
  const version = info.get("redis_version") ?? "";
  // Valkey says there which Redis it is compatible with.
  if (!(Number.parseInt(version, 10) >= MAJOR_MIN)) {
    found.push(`redis ${version} is too old for the log: take Redis 7 or Valkey`);
  }
  const policy = info.get("maxmemory_policy") || "noeviction";
  if (policy !== "noeviction") {
    found.push(
      `Redis may drop what belongs to the log (${policy}): set maxmemory-policy noeviction`,
    );
  }
  if (info.get("aof_enabled") !== "1") {
    found.push("Redis forgets acknowledged messages when it ends: set appendonly yes");
  }
  const hasReplicas = Number(info.get("connected_slaves")) > 0;
  if (hasReplicas && !info.has("min_slaves_good_slaves")) {
    found.push("a failover may lose acknowledged messages: set min-replicas-to-write 1");
  }
  return [...found, ...whatIsUnwiseOfClock("this clock", -skewMs)];
}

/** What is unwise about a clock that is so far ahead of that of Redis; nothing if `aheadMs` is NaN. */
export function whatIsUnwiseOfClock(clock: string, aheadMs: number): string[] {
  if (!(Math.abs(aheadMs) > SKEW_MS_MAX)) return [];
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const which = aheadMs > 0 ? "ahead of" : "behind";
  return [`${clock} is ${seconds} s ${which} that of Redis: synchronize both (NTP)`];
}
