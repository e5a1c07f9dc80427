import { NO_REDIS } from "../support/redis.ts";
import {
  simulateClusters,
  simulateRedisClusters,
  simulateSessions,
} from "../support/simulations.ts";

// What tests of broker and hub simulate with a few seeds, with many.

Deno.test("many seeds of a cluster: clients lose nothing untold and get nothing twice", async () => {
  await simulateClusters(1500);
});

Deno.test({
  name:
    "many seeds of a cluster on a real Redis: clients lose nothing untold and get nothing twice",
  ignore: NO_REDIS,
  fn: () => simulateRedisClusters(100),
});

for (const [journal, seeds] of [["MemoryJournal", 24], ["SqliteJournal", 6]] as const) {
  Deno.test(`many seeds of sessions on ${journal}: each gets what it should`, async () => {
    await simulateSessions(journal, seeds);
  });
}
