import { FUZZERS } from "./fuzzers.ts";
import { roundSeeds, runRound } from "./fuzzer.ts";

const RUN_SEED = 1;

// A round that failed is run again alone: HARK_SEED=7 deno task test tests/fuzz/
const onlySeed = Deno.env.get("HARK_SEED");

for (const fuzzer of FUZZERS) {
  Deno.test(`${fuzzer.name} holds what it should, whatever comes`, async () => {
    const seeds = onlySeed === undefined
      ? roundSeeds(RUN_SEED).take(fuzzer.rounds)
      : [Number(onlySeed)];
    try {
      for (const seed of seeds) await runRound(fuzzer, seed);
    } finally {
      await fuzzer.close?.();
    }
  });
}
