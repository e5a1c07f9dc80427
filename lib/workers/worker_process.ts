import { ExponentialBackoff } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import type { Log } from "../observe/log.ts";

/** What running a worker needs. */
export interface WorkerProcessOptions {
  /** 1 or more. */
  readonly index: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Starts a process. */
  readonly spawn: () => Deno.ChildProcess;
  /** Called when a process has ended, before the next one starts. */
  readonly onEnd: () => void;
}

/** How a worker has ended. */
export type WorkerStatus = Pick<Deno.CommandStatus, "code" | "signal">;

/** Pauses before a worker that has died is started again. */
export const RESTART_MIN_MS = 100;
export const RESTART_MAX_MS = 10_000;
/** The exit code that a shell gives to a command that cannot be run. */
const NOT_STARTED = 126;
/** After so long a process has started well: when it dies, the pauses begin anew. */
const STEADY_MS = 10_000;

/** One worker: a process that is started again whenever it dies, until `stop()`. */
export class WorkerProcess {
  readonly #options: WorkerProcessOptions;
  readonly #first = Promise.withResolvers<void>();
  #process: Deno.ChildProcess | undefined;
  #stdin: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #startedAt = 0;
  readonly #backoff = new ExponentialBackoff(RESTART_MIN_MS, RESTART_MAX_MS);
  #restart: Timer | undefined;
  #isReady = false;
  #isStopping = false;

  constructor(options: WorkerProcessOptions) {
    this.#options = options;
  }

  /** The id of the process, if there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it. Resolves once it is ready, and rejects if it dies before that. */
  start(): Promise<void> {
    this.#spawn();
    return this.#first.promise;
  }

  /** The process takes clients now. */
  ready(): void {
    this.#isReady = true;
    this.#first.resolve();
  }

  /** Sends the process a command. */
  async tell(line: "renew" | "stop"): Promise<void> {
    try {
      await this.#stdin?.write(new TextEncoder().encode(`${line}\n`));
    } catch (error) {
      // It has died, which `#spawn()` notices.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }

  /** Kills the process, which is then started again. */
  kill(): void {
    if (this.#process !== undefined) killNow(this.#process);
  }

  /** Stops the process, and kills it after `timeoutMs`. Resolves once it is gone. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    this.#restart?.cancel();
    const process = this.#process;
    if (process === undefined) return;
    const late = this.#options.clock.after(timeoutMs, () => killNow(process));
    await this.tell("stop");
    await process.status;
    late.cancel();
  }

  async #spawn(): Promise<void> {
    const { clock, log, index, spawn, onEnd } = this.#options;
    this.#startedAt = clock.monotonic();
    let process: Deno.ChildProcess;
    try {
      process = this.#process = spawn();
    } catch (error) {
      // No memory, or too many processes: that may pass.
      log.error("worker not started", { worker: index, error: String(error) });
      return this.#ended({ code: NOT_STARTED, signal: null });
    }
    const stdin = this.#stdin = process.stdin.getWriter();
    const status = await process.status;
    this.#process = undefined;
    this.#stdin = undefined;
    stdin.close().catch(() => {}); // It fails, as nobody reads any more.
    onEnd();
    this.#ended(status);
  }

  #ended({ code, signal }: WorkerStatus): void {
    if (this.#isStopping) return;
    const { clock, log, index } = this.#options;
    if (!this.#isReady) {
      this.#first.reject(new Error(`worker ${index} ended with code ${code}`));
      return;
    }
    if (clock.monotonic() - this.#startedAt >= STEADY_MS) this.#backoff.reset();
    const afterMs = this.#backoff.next();
    log.error("worker died", { worker: index, code, signal: signal ?? undefined, afterMs });
    this.#restart = clock.after(afterMs, () => this.#spawn());
  }
}

function killNow(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch (error) {
    // It has just ended, which `status` reports in a moment.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
