import { simulateClusters, simulateSessions } from "../support/simulations.ts";

// What tests of broker and hub simulate with a few seeds, with many.

Deno.test("many seeds of a cluster: clients lose nothing untold and get nothing twice", async () => {
  await simulateClusters(1500);
});

for (const [journal, seeds] of [["MemoryJournal", 24], ["SqliteJournal", 6]] as const) {
  Deno.test(`many seeds of sessions on ${journal}: each gets what it should`, async () => {
    await simulateSessions(journal, seeds);
  });
}
