import { assertEquals } from "@std/assert";
import { RedisConnection } from "../../lib/broker/redis/connection.ts";
import { systemClock } from "../../lib/core/clock.ts";
import { parseRedisUrl } from "../../lib/core/redis_url.ts";
import { RedisWorld } from "../broker/redis/redis_world.ts";
import { SimulatedWorld } from "../broker/simulated_server.ts";
import { RedisServer } from "./redis.ts";
import { MemoryJournal } from "../../lib/broker/memory.ts";
import { SqliteJournal } from "../../lib/broker/sqlite/journal.ts";
import { brokerOn } from "../broker/helpers.ts";
import { ClusterSimulation } from "../broker/simulated_cluster.ts";
import { newFile } from "../broker/store_file.ts";
import type { OpenBroker } from "./simulated_log.ts";
import { Simulation } from "./simulation.ts";

/** The journals that sessions are simulated on. */
export const SIMULATED_JOURNALS = ["MemoryJournal", "SqliteJournal"] as const;
type SimulatedJournal = typeof SIMULATED_JOURNALS[number];

const SESSION_STEPS = 2000;
const CLUSTER_STEPS = 400;
const REDIS_STEPS = 150;

// What has to happen in the course of all seeds, so that a simulation says something.
const SESSION_EVENTS = [
  ...["published", "recovered", "gaps", "late", "ahead", "laterPages", "rereads", "losses", "slow"],
  ...["failed", "restarts"],
];
const CLUSTER_EVENTS = ["recovered", "notices", "refused", "tails lost", "logs lost", "restarts"];

/** How a log of each journal is made. */
const OPEN: Readonly<Record<SimulatedJournal, () => OpenBroker>> = {
  MemoryJournal: () => (clock, limits) => brokerOn(new MemoryJournal(clock), clock, limits),
  SqliteJournal() {
    const file = newFile();
    return (clock, limits) => brokerOn(new SqliteJournal(file, clock, "normal"), clock, limits);
  },
};

/** Simulates sessions on a journal, and makes sure that each gets what it should. */
export async function simulateSessions(journal: SimulatedJournal, count: number): Promise<void> {
  const make = (seed: number) => new Simulation(seed, OPEN[journal]());
  await simulate({ make, seeds: range(1, count), steps: SESSION_STEPS, events: SESSION_EVENTS });
}

/** Simulates clusters, and makes sure that nobody loses anything untold or gets it twice. */
export async function simulateClusters(
  count: number,
  others: readonly number[] = [],
): Promise<void> {
  const make = (seed: number) => new ClusterSimulation(seed, (dice) => new SimulatedWorld(dice));
  const seeds = [...range(1, count), ...others];
  await simulate({ make, seeds, steps: CLUSTER_STEPS, events: CLUSTER_EVENTS });
}

/**
 * The same on a real Redis, each cluster with a log of its own. A seed makes the same faults again, though
 * not at the very same moments.
 */
export async function simulateRedisClusters(count: number): Promise<void> {
  await using redis = await RedisServer.start();
  const options = { clock: systemClock, timeoutMs: 60_000 };
  const admin = await RedisConnection.open(parseRedisUrl(redis.url).addresses[0]!, options);
  const worlds: RedisWorld[] = [];
  const make = (seed: number) =>
    new ClusterSimulation(seed, (dice) => {
      const world = new RedisWorld({ port: redis.port, name: `s${seed}`, admin, dice });
      worlds.push(world);
      return world;
    });
  const seeds = range(1, count);
  try {
    await simulate({ make, seeds, steps: REDIS_STEPS, events: CLUSTER_EVENTS, atOnce: 40 });
  } finally {
    for (const world of worlds) await world[Symbol.asyncDispose]();
    admin.close();
  }
}

/** A simulation of one seed, and how often each event happened in it. */
interface Simulated {
  readonly events: Readonly<Record<string, number>>;
  run(steps: number): Promise<void>;
}

/** What is simulated. */
interface SimulationPlan {
  readonly make: (seed: number) => Simulated;
  readonly seeds: readonly number[];
  readonly steps: number;
  /** What has to happen in the course of all seeds. */
  readonly events: readonly string[];
  /** How many go on at the same time, where they wait more than they work. */
  readonly atOnce?: number;
}

/** Runs a simulation for every seed, or for those of HARK_SEED alone: `7`, or `1501-4000`. */
async function simulate(plan: SimulationPlan): Promise<void> {
  const { make, seeds, steps, events, atOnce = 1 } = plan;
  const chosen = Deno.env.get("HARK_SEED");
  const counts: Record<string, number> = {};
  const left = (chosen === undefined ? seeds : readSeeds(chosen)).values();
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (const seed of left) {
      const simulation = make(seed);
      try {
        await simulation.run(steps);
      } catch (error) {
        throw new Error(`Failed with HARK_SEED=${seed}`, { cause: error });
      }
      for (const [event, count] of Object.entries(simulation.events)) {
        counts[event] = (counts[event] ?? 0) + count;
      }
    }
  }));
  const missing = events.filter((event) => counts[event] === undefined);
  if (chosen === undefined) assertEquals(missing, [], JSON.stringify(counts));
}

function readSeeds(text: string): number[] {
  const [from, to = from] = text.split("-").map(Number);
  return range(from!, to!);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}
