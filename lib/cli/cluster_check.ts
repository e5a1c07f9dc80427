import { type HeardNode, hearNodes } from "../broker/redis/check.ts";
import { whatIsUnwiseOfClock } from "../broker/redis/report.ts";
import type { Config } from "../config/config.ts";
import { isLoopback } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { addressOf } from "../core/node_url.ts";
import { parseRedisUrl } from "../core/redis_url.ts";
import { UsageError } from "./arguments.ts";

/** How long an address may take to answer. */
const ANSWER_MS = 2000;
/** The number of nodes to ask. */
const ASKED_MAX = 50;

/** What answers at an address. Another program counts as a node: only a node could tell them apart. */
type Answerer = "nobody" | "node" | "clients";

/**
 * Resolves to what is unwise about the nodes that share a log, and about the node of these options: a
 * sentence each. Rejects with a `RedisError` if they cannot be heard, and with a `UsageError` if the node
 * could not listen for the others.
 */
export async function tryCluster(config: Config, clock: Clock): Promise<string[]> {
  tryAdvertised(config);
  const nodes = await hearNodes(config, clock);
  return [
    // An older node does not say what time it is.
    ...nodes.flatMap(({ name, aheadMs }) =>
      whatIsUnwiseOfClock(`the clock of node ${name}`, aheadMs)
    ),
    ...await whatIsUnwiseOfAdvertised(config),
    ...await whatIsUnwiseOfAddresses(nodes, config),
  ];
}

/** Does not check whether the port is free. */
function tryAdvertised({ advertise }: Config): void {
  if (advertise === "") return;
  try {
    Deno.listen({ ...addressOf(advertise), port: 0 }).close();
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(
      `Cannot listen on ${advertise}: ${message}: expected an address of this machine`,
    );
  }
}

async function whatIsUnwiseOfAdvertised({ advertise, redis }: Config): Promise<string[]> {
  if (advertise === "") return [];
  const found: string[] = [];
  const { hostname } = addressOf(advertise);
  const isAmongItself = parseRedisUrl(redis).addresses.every(({ hostname, path }) => {
    return path !== "" || isLoopback(hostname);
  });
  if (isLoopback(hostname) && !isAmongItself) {
    found.push(
      `nodes on other machines do not reach --advertise ${advertise}: give an address that they do`,
    );
  }
  if (await askAt(advertise) === "clients") {
    found.push(
      `clients are served at --advertise ${advertise}: give other nodes a port of their own`,
    );
  }
  return found;
}

async function whatIsUnwiseOfAddresses(
  nodes: readonly HeardNode[],
  { advertise }: Config,
): Promise<string[]> {
  if (advertise === "") return [];
  const asked = nodes.filter(({ address }) => address !== "" && address !== advertise);
  const found = await Promise.all(
    asked.slice(0, ASKED_MAX).map(async ({ name, address }) => {
      switch (await askAt(address)) {
        case "nobody":
          return [
            `node ${name} cannot be reached at ${address}: open the way, or correct its --advertise`,
          ];
        case "clients":
          return [
            `node ${name} advertises ${address}, where clients are served: correct its --advertise`,
          ];
        case "node":
          return [];
      }
    }),
  );
  return found.flat();
}

/** Asks for a path that only the port for clients serves: the port for nodes refuses unsigned requests. */
async function askAt(url: string): Promise<Answerer> {
  try {
    const response = await fetch(new URL("/healthz", url), {
      signal: AbortSignal.timeout(ANSWER_MS),
      redirect: "manual",
    });
    await response.body?.cancel();
    return response.status === 200 ? "clients" : "node";
  } catch (error) {
    const isSilent = error instanceof TypeError || (error as Error).name === "TimeoutError";
    if (!isSilent) throw error;
    return "nobody";
  }
}
