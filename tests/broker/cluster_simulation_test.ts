import { simulateClusters } from "../support/simulations.ts";

/** Seeds that have found a fault. */
const FOUND = [2480, 4056, 5997, 6380, 12988, 57213];

// With more seeds: tests/drills/simulations_test.ts. One that failed is run again alone:
// HARK_SEED=7 deno task test tests/broker/cluster_simulation_test.ts

Deno.test("clients of three nodes lose nothing silently and get nothing twice, whatever happens", async () => {
  await simulateClusters(200, FOUND);
});
