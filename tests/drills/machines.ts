import { freePort } from "../support/free_port.ts";
import { RedisServer } from "../support/redis.ts";
import { startWorkers, type WorkersServer } from "../support/workers.ts";
import { type Drill, drillAt, EVERYBODY, untilUp } from "./drill.ts";
import { pause } from "./publishers.ts";
import { untilFree } from "./workers.ts";

const WORKERS = 2;
const MACHINES = 2;
const WARM_UP_MS = 300;
const ARGS = [
  ...["--publish-per-second-max", "100000", "--drain-s", "0"],
  ...["--history-count", "1000000", "--history-bytes-max", "1000000000"],
];

/** Machines with workers on one Redis, which is killed, as then is the parent of each. */
export const machinesDrill: Drill = {
  name: "machines",
  what: "two machines of two workers each: kill -9 of Redis, then of each parent",
  async run(size) {
    await using redis = await RedisServer.start({ config: { appendonly: "yes" } });
    const ports = Array.from({ length: MACHINES }, () => freePort());
    const start = (port: number): Promise<WorkersServer> => {
      return startWorkers(WORKERS, [...ARGS, "--redis", redis.url, "--port", String(port)]);
    };
    const machines = await Promise.all(ports.map(start));
    try {
      return await drillAt({ ports }, {
        followers: { ...EVERYBODY, polling: 1 },
        answerMs: 5000,
        async meanwhile() {
          for (let round = 0; round < (size === "full" ? 3 : 1); round++) {
            await pause(WARM_UP_MS);
            await redis.stop("SIGKILL");
            await redis.start();
            await untilUp(ports);
            for (const [at, port] of ports.entries()) {
              machines[at]!.kill("SIGKILL");
              await machines[at]![Symbol.asyncDispose]();
              await untilFree(port);
              machines[at] = await start(port);
            }
          }
          await pause(WARM_UP_MS);
        },
      });
    } finally {
      for (const machine of machines) await machine[Symbol.asyncDispose]();
    }
  },
};
