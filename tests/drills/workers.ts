import { startWorkers, type WorkersServer } from "../support/workers.ts";
import { type Drill, drillAt, type Size } from "./drill.ts";
import { pause } from "./publishers.ts";

const ALL = { hark: 3, sse: 3, plain: 1, socketio4: 1, socketio2: 1 };
const WARM_UP_MS = 300;

/** Something happens to a server of three processes. */
function workersDrill(
  name: string,
  what: string,
  happen: (size: Size, server: WorkersServer) => Promise<void>,
  isCalm = false,
): Drill {
  return {
    name,
    what,
    async run(size) {
      await using server = await startWorkers(3);
      return await drillAt(server, {
        followers: ALL,
        answerMs: 3000,
        isCalm,
        async meanwhile() {
          await pause(WARM_UP_MS);
          await happen(size, server);
          await pause(WARM_UP_MS);
        },
      });
    },
  };
}

/** Drills that need one machine and no Redis. */
export const WORKERS_DRILLS: readonly Drill[] = [
  {
    name: "workers",
    what: "4 workers, and publications over all of them at once",
    async run(size) {
      const [each, count] = size === "full" ? [200, 10_000] : [4, 1000];
      await using server = await startWorkers(4, ["--publish-per-second-max", "100000"]);
      return await drillAt(server, {
        followers: { hark: each, sse: each, plain: each, socketio4: each, socketio2: each },
        publishers: 24,
        pauseMs: 0,
        isCalm: true,
        meanwhile: ({ flood }) => flood.count(count),
      });
    },
  },
  workersDrill(
    "kill-worker",
    "kill -9 of a worker, which is started again",
    async (size, server) => {
      let pid = server.pids[1]!;
      // The pause before it is started again doubles each time.
      for (let round = 0; round < (size === "full" ? 5 : 1); round++) {
        Deno.kill(pid, "SIGKILL");
        const line = await server.stdout.find((line) => line.includes("worker started"));
        pid = Number(/pid=(\d+)/.exec(line)![1]);
      }
    },
  ),
  workersDrill("reload-workers", "SIGHUP again and again", async (size, server) => {
    for (let round = 0; round < (size === "full" ? 50 : 5); round++) {
      server.kill("SIGHUP");
      await pause(50);
    }
  }, true),
];
