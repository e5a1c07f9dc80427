import { AssertionError } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const COUNT = 100;

/** What else happens on the heap comes and goes: what results keep is there each time. */
const ATTEMPTS_MAX = 5;

/** Throws unless each result of `make` keeps less than `bytesMax` bytes of heap alive, about. */
export async function assertRetainsLess(
  bytesMax: number,
  make: (index: number) => unknown,
  what = "a result",
): Promise<void> {
  const found: number[] = [];
  while (found.length < ATTEMPTS_MAX) {
    found.push(await retainedBytes(make));
    if (found.at(-1)! < bytesMax) return;
  }
  throw new AssertionError(`${what} keeps ${found.join(", ")} bytes: expected < ${bytesMax}`);
}

/** How many bytes of heap each result of `make` keeps alive, about. */
export async function retainedBytes(make: (index: number) => unknown): Promise<number> {
  const results: unknown[] = [await make(-1)];
  const before = heapBytes();
  for (let index = 0; index < COUNT; index++) results.push(await make(index));
  const grown = heapBytes() - before;
  // Used after the measurement, so that it is not collected before.
  return results.length > COUNT ? grown / COUNT : NaN;
}

// Once is enough, and takes 0.1 s: Deno keeps an array of 80 MB in each test file, for benchmarks.
function heapBytes(): number {
  collectGarbage();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
