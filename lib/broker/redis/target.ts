import { parseRedisUrl, type RedisAddress, type RedisTarget } from "../../core/redis_url.ts";
import { ConnectionLost, RedisConnection, type RedisConnectionOptions } from "./connection.ts";
import { RedisError } from "../../core/errors.ts";
import { ReplyError } from "./resp.ts";

/** What `--redis`, `--redis-ca` and `--redis-name` say. */
export interface RedisOptions {
  readonly redis: string;
  readonly redisCa: string;
  readonly redisName: string;
}

const CERTIFICATE = "-----BEGIN CERTIFICATE-----";

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
 * Connects to the server that a target names; by Sentinels to the one that is the primary now. Throws as
 * `RedisConnection.open()` does.
 */
export async function connectTo(
  target: RedisTarget,
  options: RedisConnectionOptions,
): Promise<RedisConnection> {
  const isServer = target.masterName === "";
  const address = isServer ? target.addresses[0]! : await findPrimary(target, options);
  return await RedisConnection.open(address, options);
}

/** Asks one Sentinel after the other. Throws a `ConnectionLost` if none of them knows the primary. */
async function findPrimary(
  { addresses, masterName }: RedisTarget,
  options: RedisConnectionOptions,
): Promise<RedisAddress> {
  const failures: string[] = [];
  for (const address of addresses) {
    try {
      const place = await askSentinel(address, masterName, options);
      if (place !== undefined) return { ...address, ...place };
      failures.push(`${address.hostname} knows no ${masterName}`);
    } catch (error) {
      if (!(error instanceof ConnectionLost || error instanceof ReplyError)) throw error;
      failures.push(`${address.hostname}: ${error.message}`);
    }
  }
  throw new ConnectionLost(`no Sentinel knows the primary (${failures.join("; ")})`);
}

async function askSentinel(
  address: RedisAddress,
  masterName: string,
  options: RedisConnectionOptions,
): Promise<Pick<RedisAddress, "hostname" | "port"> | undefined> {
  const sentinel = await logIn({ ...address, database: 0 }, options);
  try {
    const reply = await sentinel.send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName);
    if (!Array.isArray(reply)) return undefined;
    const [hostname, port] = reply;
    return { hostname: String(hostname), port: Number(port) };
  } finally {
    sentinel.close();
  }
}

/** A Sentinel often has no password, though the servers that it watches have one. */
async function logIn(
  address: RedisAddress,
  options: RedisConnectionOptions,
): Promise<RedisConnection> {
  try {
    return await RedisConnection.open(address, options);
  } catch (error) {
    if (!(error instanceof ReplyError) || address.password === "") throw error;
    return await RedisConnection.open({ ...address, username: "", password: "" }, options);
  }
}
