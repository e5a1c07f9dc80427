import { BOUNDS } from "../bounds.ts";
import type { Journal } from "../broker/journal.ts";
import { journalOf } from "../broker/journals.ts";
import { LogKeeper } from "../broker/link/keeper.ts";
import { PublishRates } from "../broker/publisher.ts";
import type { Config } from "../config/config.ts";
import { systemClock } from "../core/clock.ts";
import { randomId } from "../core/random.ts";
import { Admission } from "../hub/admission.ts";
import { reserveAdvertised, reservePort } from "./reserve.ts";
import { HarkMetrics } from "../observe/hark_metrics.ts";
import type { Log } from "../observe/log.ts";
import { readMemory } from "../observe/process.ts";
import {
  checkPermissions,
  logSocket,
  type Program,
  workerCommand,
  WorkersError,
  type WorkerSetup,
} from "./command.ts";
import { WorkersMetrics } from "./metrics.ts";
import { grantSlots } from "./slots.ts";
import { VERSION } from "../version.ts";
import { WorkerProcess } from "./worker_process.ts";

/** What a server of several processes needs. */
export interface ParentOptions {
  readonly config: Config;
  readonly log: Log;
  readonly program: Program;
}

/** How long a worker may take to stop, beside the time that its clients have to leave. */
const STOP_MS = 10_000;

/** The number of workers that `--workers` means on this machine. */
export function workersOf({ workers }: Pick<Config, "workers">): number {
  // The cores that this process may use: Deno heeds cgroups and affinity.
  return workers === "auto" ? navigator.hardwareConcurrency : Number(workers);
}

/** What the names of all workers begin with; random, if other machines may have workers too. */
function machineOf({ node, redis }: Config): string {
  return node === "" && redis !== "" ? randomId().slice(0, 8) : node;
}

/**
 * A server of several processes: this one keeps the log and starts the others, which share the port and
 * serve the clients. It is used like a `Server`.
 */
export class Parent {
  readonly #options: ParentOptions;
  readonly #keeper: LogKeeper;
  readonly #metrics: WorkersMetrics;
  readonly #folder: string;
  readonly #workers: WorkerProcess[] = [];
  /** The number of each process that was ready and has not ended, by its id as a node. */
  readonly #indexes = new Map<string, number>();
  #url = "";
  #isStopping = false;

  /**
   * Makes one with the journal that the options name. Throws a `WorkersError` if this process may not
   * start others.
   */
  static async create(options: ParentOptions): Promise<Parent> {
    checkPermissions();
    const own = new HarkMetrics({ version: VERSION, memory: readMemory });
    const journal = await journalOf(options.config, systemClock, options.log, own);
    return new Parent(options, own, journal);
  }

  private constructor(options: ParentOptions, own: HarkMetrics, journal: Journal) {
    const { config, log } = this.#options = options;
    // Only this user can look into it.
    this.#folder = Deno.makeTempDirSync({ prefix: "hark-" });
    const rates = new PublishRates(systemClock, config.publishPerSecondMax);
    this.#keeper = new LogKeeper({
      ...BOUNDS,
      ...config,
      clock: systemClock,
      metrics: own,
      journal,
      path: logSocket({ folder: this.#folder }),
      admit: (caller, count) => rates.take(caller, count),
      onError: (error) => log.error("keeping the log failed", { error: String(error) }),
    });
    const keeper = this.#keeper;
    const release = grantSlots(keeper, new Admission(systemClock, config).admit);
    const metrics = this.#metrics = new WorkersMetrics({
      clock: systemClock,
      own,
      keeper,
      onSilent: (node) => this.#kill(node),
    });
    keeper.answer("metrics", () => metrics.render());
    keeper.answer("ready", (node, [index, url]) => this.#ready(node, Number(index), String(url)));
    keeper.onLeave = (node) => {
      release(node);
      metrics.left(node);
    };
  }

  /** Starts the workers, and returns where they listen. Throws as `Server.listen()` does. */
  async listen(): Promise<{ url: string }> {
    const { config, log } = this.#options;
    const count = workersOf(config);
    const shared = {
      folder: this.#folder,
      port: await reservePort(config),
      advertise: config.advertise === "" ? "" : reserveAdvertised(config),
      machine: machineOf(config),
    };
    await this.#keeper.start(this.#metrics);
    for (let index = 1; index <= count; index++) {
      this.#workers.push(this.#worker({ index, ...shared }));
    }
    const [first, ...others] = this.#workers;
    try {
      // One first, so that only one reports what is wrong.
      await first!.start();
      await Promise.all(others.map((worker) => worker.start()));
    } catch (error) {
      throw new WorkersError(`Cannot start: ${(error as Error).message}`);
    }
    log.info("workers share the port", { workers: count });
    return { url: this.#url };
  }

  /** Has every worker read its files again. */
  async renew(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.tell("renew")));
  }

  /** Stops all workers, each as a `Server` stops, and closes the log. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const timeoutMs = this.#options.config.drainS * 1000 + STOP_MS;
    await Promise.all(this.#workers.map((worker) => worker.stop(timeoutMs)));
    this.#metrics.close();
    await this.#keeper.close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  #worker(setup: WorkerSetup): WorkerProcess {
    const { log, program } = this.#options;
    const { index } = setup;
    return new WorkerProcess({
      index,
      clock: systemClock,
      log,
      spawn: () => workerCommand(setup, program).spawn(),
      onEnd: () => this.#ended(index),
    });
  }

  #ready(node: string, index: number, url: string): null {
    this.#url = url;
    this.#ended(index); // A process may end before its word that it is ready is read.
    this.#indexes.set(node, index);
    this.#metrics.watch(node);
    const worker = this.#workers[index - 1];
    worker?.ready();
    this.#options.log.info("worker started", { worker: index, pid: worker?.pid });
    return null;
  }

  /** The process with this number has ended: the next one has another id. */
  #ended(index: number): void {
    for (const [node, each] of this.#indexes) {
      if (each !== index) continue;
      this.#indexes.delete(node);
      this.#metrics.unwatch(node);
    }
  }

  /** A worker that is stuck or stopped would keep its part of the new connections waiting. */
  #kill(node: string): void {
    const index = this.#indexes.get(node);
    if (index === undefined) return;
    this.#options.log.error("worker does not answer", { worker: index });
    this.#workers[index - 1]?.kill();
  }
}
