import { parseArguments, UsageError } from "../../lib/cli/arguments.ts";
import { print } from "../../lib/observe/log.ts";
import { type Fuzzer, roundSeeds, runRound } from "./fuzzer.ts";
import { FUZZERS } from "./fuzzers.ts";

const HELP = `Usage: deno task fuzz [flags] [NAME]

Runs every fuzzer, or those with NAME in their names, each for its share of the time. Exits with 1
at the first failure, and tells the seed that brings it back.

  --seconds N    how long, in all (60)
  --seed N       run one round alone, that of this seed`;

const SECONDS = 60;

/** Runs the fuzzers that are asked for; resolves to the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { values, switches, operands } = parseArguments(args, {
    values: ["seconds", "seed"],
    switches: [],
  });
  if (switches.has("help")) {
    print(HELP);
    return 0;
  }
  const [name = ""] = operands;
  const chosen = FUZZERS.filter((fuzzer) => fuzzer.name.includes(name));
  if (chosen.length === 0) throw new UsageError(`No fuzzer has ${name} in its name`);
  const seed = readNumber(values, "seed");
  const runSeed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  if (seed === undefined) print(`run seed ${runSeed}`);
  const forMs = (readNumber(values, "seconds") ?? SECONDS) * 1000 / chosen.length;
  for (const fuzzer of chosen) {
    const seeds = seed === undefined ? roundSeeds(runSeed) : [seed];
    if (!await run(fuzzer, seeds, performance.now() + forMs)) return 1;
  }
  return 0;
}

function readNumber(values: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new UsageError(`--${name}: expected a whole number`);
}

/** Runs one fuzzer until the time is up or there are no more seeds; false at a failure. */
async function run(fuzzer: Fuzzer, seeds: Iterable<number>, endMs: number): Promise<boolean> {
  let rounds = 0;
  try {
    for (const seed of seeds) {
      if (rounds > 0 && performance.now() >= endMs) break;
      await runRound(fuzzer, seed);
      rounds++;
    }
    print(`${fuzzer.name}: ${rounds} rounds`);
    return true;
  } catch (error) {
    print(Deno.inspect(error), "stderr");
    print(`${fuzzer.name}: failed after ${rounds} rounds`, "stderr");
    return false;
  } finally {
    await fuzzer.close?.();
  }
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  print(`${error.message}\n\n${HELP}`, "stderr");
  Deno.exit(2);
}
