import { dirname } from "node:path";
import { isRemote, Jwks } from "../auth/jwks.ts";
import type { Config } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import { CertificateError, RedisError, StoreError } from "../core/errors.ts";
import { tryRedis } from "../broker/redis/check.ts";
import { checkStoreFile, isWritableFolder } from "../broker/sqlite/store_file.ts";
import { tryCluster } from "./cluster_check.ts";
import { UsageError } from "./arguments.ts";

/** The result of a dry run of a start. */
export interface DryRun {
  /** When the certificate ends, in milliseconds since 1970; undefined if there is none. */
  readonly certificateEndsAt: number | undefined;
  /** What is unwise about Redis and the nodes that share it: a sentence each. */
  readonly unwiseOfRedis: readonly string[];
}

/**
 * Does all that a server does before it listens, with the same code, but makes and writes no file.
 * Rejects with a `UsageError` that has every reason why the server would not start.
 */
export async function tryStart(config: Config, clock: Clock): Promise<DryRun> {
  const problems: string[] = [];
  const attempt = async <T>(task: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await task();
    } catch (error) {
      if (!isProblem(error)) throw error;
      problems.push(error.message);
      return undefined;
    }
  };
  const certificateEndsAt = await attempt(() => tryCertificate(config));
  await attempt(() => tryTokenKeys(config, clock));
  await attempt(() => tryStore(config));
  await attempt(() => trySocket(config));
  const unwiseOfRedis = await attempt(() => tryLog(config, clock));
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return { certificateEndsAt, unwiseOfRedis: unwiseOfRedis ?? [] };
}

function isProblem(error: unknown): error is Error {
  const known = [
    CertificateError,
    RedisError,
    StoreError,
    SyntaxError,
    UsageError,
    Deno.errors.NotCapable,
  ];
  return known.some((type) => error instanceof type);
}

async function tryCertificate({ tlsCert, tlsKey }: Config): Promise<number | undefined> {
  if (tlsCert === "") return undefined;
  // Only now: without this import every command starts faster.
  const { readCredentials } = await import("../net/tls.ts");
  const { cert } = readCredentials(tlsCert, tlsKey);
  const { X509Certificate } = await import("node:crypto");
  return Date.parse(new X509Certificate(cert).validTo);
}

/** Does not fetch remote keys: a server starts without them too. */
async function tryTokenKeys({ tokenJwks: source }: Config, clock: Clock): Promise<void> {
  if (source === "" || isRemote(source)) return;
  await new Jwks({ source, clock, fetch, onFailure: () => {} }).start();
}

async function tryStore({ store }: Config): Promise<void> {
  if (store === "") return;
  await checkStoreFile(store);
}

async function tryLog(config: Config, clock: Clock): Promise<string[]> {
  if (config.redis === "") return [];
  return [...await tryRedis(config, clock), ...await tryCluster(config, clock)];
}

/** Checks a Unix socket. Only to listen shows whether another address is free. */
async function trySocket({ listen }: Config): Promise<void> {
  if (listen === "") return;
  const path = listen.replace("unix:", "");
  let why: string | undefined;
  if (!await isWritableFolder(dirname(path))) {
    why = "its folder must exist, and this user must have the right to write there";
  } else if (await isOther(path)) why = "there is a file of that name, which is no socket";
  if (why !== undefined) throw new UsageError(`Cannot listen on ${listen}: ${why}`);
}

async function isOther(path: string): Promise<boolean> {
  try {
    return !(await Deno.lstat(path)).isSocket;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
