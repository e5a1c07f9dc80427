import { formatTarget, parseRedisUrl, type RedisTarget } from "../../core/redis_url.ts";
import type { Clock } from "../../core/clock.ts";
import type { RedisConnection } from "./connection.ts";
import { RedisError } from "./errors.ts";
import { readReport, whatIsUnwiseOf } from "./report.ts";
import { RedisKeys } from "./scripts.ts";
import { connectTo } from "./sentinel.ts";

/** How long a server may take to answer. */
const TIMEOUT_MS = 5000;
const CERTIFICATE = "-----BEGIN CERTIFICATE-----";

/** What `--redis`, `--redis-ca` and `--redis-name` say. */
export interface RedisOptions {
  readonly redis: string;
  readonly redisCa: string;
  readonly redisName: string;
}

/** The server that the options name. Throws a `RedisError` if the file of certificates is none. */
export function readTarget({ redis, redisCa }: Omit<RedisOptions, "redisName">): RedisTarget {
  if (redisCa === "") return parseRedisUrl(redis);
  let text: string;
  try {
    text = Deno.readTextFileSync(redisCa);
  } catch (error) {
    throw new RedisError(`Cannot read the certificates of ${redisCa}: ${(error as Error).message}`);
  }
  if (text.includes(CERTIFICATE)) return parseRedisUrl(redis, [text]);
  throw new RedisError(`Cannot read the certificates of ${redisCa}: expected ${CERTIFICATE}`);
}

/**
 * Tries what a node does with Redis before it listens, as far as that writes nothing. Resolves to what
 * is unwise about the server, a sentence each. Throws a `RedisError` if a node could not use it.
 */
export function tryRedis(options: RedisOptions, clock: Clock): Promise<string[]> {
  return askRedis(options, clock, async (connection, { meta, log, channels, gaps }) => {
    await Promise.all([
      connection.send(
        "EVAL",
        "redis.call('INFO', 'server') return redis.call('HGET', KEYS[1], 'v')",
        1,
        meta,
      ),
      connection.send("XREAD", "COUNT", 1, "STREAMS", log, "$"),
      connection.send("ZRANGE", channels, 0, 0),
      connection.send("LRANGE", gaps, 0, 0),
    ]);
    return whatIsUnwiseOf(await readReport(connection, () => clock.now()));
  });
}

/** Connects to the server that the options name, for as long as `ask` runs. Rejects with a `RedisError`. */
export async function askRedis<T>(
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

/** The error of a node that cannot use Redis; shows neither user nor password. */
export function cannotUse(target: RedisTarget, error: unknown): RedisError {
  const { message } = error as Error;
  return new RedisError(`Cannot use Redis at ${formatTarget(target)}: ${message}`, {
    cause: error,
  });
}
