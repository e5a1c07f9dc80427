import { assert, assertEquals } from "@std/assert";
import { systemClock, wait } from "../../lib/core/clock.ts";
import { Bystanders } from "./bystanders.ts";
import { Target, type TargetOptions } from "./target.ts";

export const MIB = 1024 ** 2;

/** One way to harm a server, and what must hold while it is tried. */
export interface Attack {
  readonly name: string;
  /** How the server is started. */
  readonly target?: Partial<TargetOptions>;
  /** Starts what the server needs beside; gone when it is disposed of. */
  readonly setUp?: () => Promise<Partial<TargetOptions> & AsyncDisposable>;
  /** The key that bystanders publish with; not the attacker's. */
  readonly key?: string;
  /** By how much the process may grow meanwhile, in MiB: how well the bound holds. */
  readonly growthMiBMax: number;
  /** What may be left on the heap, in MiB: of itself code, and tables that have grown. */
  readonly leftMiBMax?: number;
  /**
   * Attacks, makes sure that the bounds hold while it does, and takes everything back before it
   * resolves.
   */
  readonly run: (target: Target) => Promise<void>;
}

/** What an attack did to the server. */
export interface Outcome {
  readonly name: string;
  /** Memory of the process in bytes: before, at most, and after it. */
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  /** How long it took until nothing was left of the attackers. */
  readonly recoveryMs: number;
  /** The longest that a message took to reach every bystander meanwhile. */
  readonly deliveryMs: number;
}

const PULSE_PAUSE_MS = 50;
const RECOVERY_POLL_MS = 20;
const RECOVERY_MS_MAX = 30_000;
const LEFT_MIB_MAX = 12;

/**
 * Starts a server with one well-behaved client on each transport, attacks it, and makes sure that
 * the bounds held, that nobody else was harmed, and that everything comes back.
 */
export async function carryOut(attack: Attack): Promise<Outcome> {
  const { name, key, growthMiBMax, leftMiBMax = LEFT_MIB_MAX } = attack;
  await using beside = await attack.setUp?.();
  await using target = await Target.start({ ...attack.target, ...beside });
  await using bystanders = await Bystanders.join(target, key);
  await bystanders.pulse();
  const heapBefore = await target.collectGarbage();
  const countsBefore = await target.counts();
  await target.forgetPeak();
  const { resident: before } = await target.memory();

  const deliveryMs = await pulseDuring(bystanders, attack.run(target));

  const recoveryMs = await recovered(target, countsBefore);
  const heapGrowth = await target.collectGarbage() - heapBefore;
  const { resident: after, peak } = await target.memory();
  await bystanders.pulse();
  bystanders.check();
  assertEquals(await target.counts(), countsBefore);
  assert(peak - before < growthMiBMax * MIB, `${name}: memory grew by ${mib(peak - before)} MiB`);
  assert(heapGrowth < leftMiBMax * MIB, `${name}: ${mib(heapGrowth)} MiB of heap are left`);
  const complaints = target.stderr.takeAll().filter((line) => !isWarning(line));
  assertEquals(complaints, [], name);
  return { name, before, peak, after, recoveryMs, deliveryMs };
}

/** Lets a message reach every bystander again and again while something is done. */
async function pulseDuring(bystanders: Bystanders, done: Promise<void>): Promise<number> {
  let longestMs = 0;
  let isOver = false;
  const pulse = async () => {
    while (!isOver) {
      longestMs = Math.max(longestMs, await bystanders.pulse());
      await wait(systemClock, PULSE_PAUSE_MS);
    }
  };
  const both = [pulse(), done.finally(() => isOver = true)];
  try {
    await Promise.all(both);
  } finally {
    // If the attack failed, a timer would be left to the test after it.
    await Promise.allSettled(both);
  }
  return longestMs;
}

/** How many milliseconds it takes until the server has as many of everything as before. */
async function recovered(target: Target, before: Record<string, number>): Promise<number> {
  const start = performance.now();
  const expected = JSON.stringify(before);
  for (;;) {
    const counts = await target.counts();
    const ms = performance.now() - start;
    if (JSON.stringify(counts) === expected) return ms;
    assert(ms < RECOVERY_MS_MAX, `left behind: ${JSON.stringify(counts)}, before: ${expected}`);
    await wait(systemClock, RECOVERY_POLL_MS);
  }
}

/** Warnings are about attackers; anything else on stderr is the server's own trouble. */
function isWarning(line: string): boolean {
  return line.startsWith("{") && JSON.parse(line).level === "warn";
}

export function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
