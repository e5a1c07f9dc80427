import { SIMULATED_JOURNALS, simulateSessions } from "../support/simulations.ts";

// With more seeds: tests/drills/simulations_test.ts. One that failed is run again alone:
// HARK_SEED=7 deno task test tests/hub/simulation_test.ts

for (const name of SIMULATED_JOURNALS) {
  Deno.test(`every session on ${name} gets each publication once and in order, whatever happens`, async () => {
    await simulateSessions(name, 3);
  });
}
