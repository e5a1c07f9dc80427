import { TemporaryFolder } from "../support/certificates.ts";
import { assertRecovers, type Connected, subscriber } from "../support/recovery.ts";
import { startWorkers, type WorkersServer } from "../support/workers.ts";
import { untilNodes } from "../support/two_nodes.ts";

const CLIENTS = 12;
const ARGS = ["--welcome", "", "--drain-s", "0"];

/** Clients of the server, as many as all workers should get some of. */
async function crowd(server: WorkersServer): Promise<Connected[]> {
  return await Promise.all(Array.from({ length: CLIENTS }, () => subscriber(server)));
}

/** Asserts that a worker that gets any of them has its record. */
async function assertAllRecover(
  server: WorkersServer,
  clients: readonly Connected[],
): Promise<void> {
  for (const client of clients) await assertRecovers(server, client);
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`with a store, clients are recovered on any worker after ${signal} of all`, async () => {
    await using folder = new TemporaryFolder();
    const args = [...ARGS, "--store", `${folder.path}/hark.db`];
    let clients: Connected[];
    {
      await using server = await startWorkers(3, args);
      clients = await crowd(server);
      server.kill(signal);
      await Promise.all(clients.map((client) => client.closed()));
      await server.status;
    }
    await using again = await startWorkers(3, args);
    await assertAllRecover(again, clients);
    // They have come back since: their records are newer than those that were read first.
    await assertAllRecover(again, clients);
  });
}

Deno.test("clients of a killed worker are recovered on others, and on its successor", async () => {
  await using server = await startWorkers(3, ARGS);
  const clients = await crowd(server);
  Deno.kill(server.pids[0]!, "SIGKILL");
  await server.stdout.find((line) => line.includes("worker started"));
  await untilNodes(server, 3);
  await assertAllRecover(server, clients);
  await Promise.all(clients.map((client) => client.close()));
});
