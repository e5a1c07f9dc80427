import { assertEquals } from "@std/assert";
import { TemporaryFolder } from "../support/certificates.ts";
import { eventually } from "../support/deadline.ts";
import { APP } from "../support/pusher.ts";
import { METRICS_KEY } from "../support/reachable.ts";
import { startWorkers, type WorkersServer } from "../support/workers.ts";
import { type Drill, drillAt, EVERYBODY, type Figures, type Size } from "./drill.ts";
import type { Kind } from "./follower.ts";
import { limitsDrill } from "./limits.ts";
import { pause } from "./publishers.ts";

const ALL = { ...EVERYBODY, polling: 1, pusher: 1 };
const KINDS = Object.keys(ALL) as Kind[];
const WARM_UP_MS = 300;
const KEY = "only-for-drills";
/** Every protocol, and more history than a drill needs. */
const ARGS = [
  ...["--publish-key", KEY, "--metrics-key", METRICS_KEY, "--pusher-app", APP],
  ...["--publish-per-second-max", "100000"],
  ...["--history-count", "1000000", "--history-bytes-max", "1000000000", "--drain-s", "0"],
];

/** Something happens to a server of several processes. */
interface WorkersDrill {
  readonly name: string;
  readonly what: string;
  readonly args?: readonly string[];
  readonly isCalm?: boolean;
  readonly happen: (size: Size, server: WorkersServer) => Promise<void>;
}

function workersDrill({ name, what, args = [], isCalm = false, happen }: WorkersDrill): Drill {
  return {
    name,
    what,
    async run(size) {
      await using server = await startWorkers(3, [...ARGS, ...args]);
      return await drillAt({ ports: server.ports, key: KEY }, {
        followers: ALL,
        ...(!isCalm && { answerMs: 3000 }),
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

/** The server with a store ends by a signal, and is started again at the same port. */
function restartDrill(name: string, what: string, signal: Deno.Signal): Drill {
  return {
    name,
    what,
    async run(size) {
      await using folder = new TemporaryFolder();
      const store = [...ARGS, "--store", `${folder.path}/log.db`];
      let server = await startWorkers(3, store);
      const { ports, port } = server;
      try {
        const figures = await drillAt({ ports, key: KEY }, {
          followers: ALL,
          publishers: 24,
          pauseMs: 0,
          answerMs: 3000,
          async meanwhile() {
            for (let round = 0; round < (size === "full" ? 5 : 1); round++) {
              await pause(WARM_UP_MS);
              server.kill(signal);
              await server.status;
              await untilFree(port);
              await server[Symbol.asyncDispose]();
              server = await startWorkers(3, [...store, "--port", String(port)]);
            }
            await pause(WARM_UP_MS);
          },
        });
        return { ...figures, missed: await missedBy(server, figures) };
      } finally {
        await server[Symbol.asyncDispose]();
      }
    },
  };
}

/** Everything that was acknowledged is in the log: nobody had to be told of a gap. */
async function missedBy(server: WorkersServer, { accepted, notices }: Figures): Promise<number> {
  const metrics = await server.metrics();
  const kept = metrics.get("hark_history_publications") ?? 0;
  // What was not acknowledged may be kept all the same.
  assertEquals([kept >= accepted!, notices], [true, 0], `${kept} of ${accepted}`);
  return 0;
}

/** Waits until nobody listens at a port: the workers of a parent that is gone end by themselves. */
export async function untilFree(port: number): Promise<void> {
  await eventually(() => isFree(port), (free) => free);
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** Drills that need one machine and no Redis. */
export const WORKERS_DRILLS: readonly Drill[] = [
  {
    name: "workers",
    what: "clients of all protocols on 4 workers, and publications over all of these at once",
    async run(size) {
      const [clients, count] = size === "full" ? [1000, 10_000] : [28, 1000];
      const each = Math.ceil(clients / KINDS.length);
      await using server = await startWorkers(4, ARGS);
      return await drillAt({ ports: server.ports, key: KEY }, {
        followers: Object.fromEntries(KINDS.map((kind) => [kind, each])),
        publishers: 24,
        pauseMs: 0,
        behindMax: 200,
        isCalm: true,
        meanwhile: ({ flood }) => flood.count(count),
      });
    },
  },
  workersDrill({
    name: "kill-worker",
    what: "kill -9 of a worker, which is started again",
    async happen(size, server) {
      let pid = server.pids[1]!;
      // The pause before it is started again doubles each time.
      for (let round = 0; round < (size === "full" ? 5 : 1); round++) {
        Deno.kill(pid, "SIGKILL");
        const line = await server.stdout.find((line) => line.includes("worker started"));
        pid = Number(/pid=(\d+)/.exec(line)![1]);
      }
    },
  }),
  workersDrill({
    name: "reload-workers",
    what: "SIGHUP again and again",
    isCalm: true,
    async happen(size, server) {
      for (let round = 0; round < (size === "full" ? 50 : 5); round++) {
        server.kill("SIGHUP");
        await pause(50);
      }
    },
  }),
  restartDrill("stop-workers", "SIGTERM in a flood, with a store", "SIGTERM"),
  restartDrill("kill-parent", "kill -9 of the parent in a flood, with a store", "SIGKILL"),
  limitsDrill,
];
