import { TemporaryFolder } from "./certificates.ts";
import { deadline } from "./deadline.ts";
import { ChildServer, command, readLines } from "./child.ts";
import { type Answer, METRICS_KEY, Reachable } from "./reachable.ts";

/** A server of several processes. */
export class WorkersServer extends ChildServer {
  /** The id of the process of each worker, the first one's first. */
  readonly pids: readonly number[];
  readonly #folder: TemporaryFolder;

  constructor(
    pids: readonly number[],
    folder: TemporaryFolder,
    ...rest: ConstructorParameters<typeof ChildServer>
  ) {
    super(...rest);
    this.pids = pids;
    this.#folder = folder;
  }

  /** All workers are found at one port. */
  get ports(): readonly number[] {
    return [this.port];
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** The same server, with a connection for each request, which any worker may get. */
export class Scattered extends Reachable {
  override async fetch(path: string, init: RequestInit = {}): Promise<Answer> {
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const scattered: RequestInit & { client: Deno.HttpClient } = { ...init, client };
    return await super.fetch(path, scattered);
  }
}

/** Starts a server of `count` processes on a free port. */
export async function startWorkers(
  count: number,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<WorkersServer> {
  const all = ["--port", "0", "--workers", String(count), ...args];
  // The sockets of a server that is killed are left behind.
  const folder = new TemporaryFolder();
  const process = command(all, { TMPDIR: folder.path, HARK_METRICS_KEY: METRICS_KEY, ...env })
    .spawn();
  const stdout = readLines(process.stdout);
  const stderr = readLines(process.stderr);
  const pids: number[] = [];
  for (;;) {
    const line = await deadline(stdout.next());
    const [, worker, pid] = /worker started worker=(\d+) pid=(\d+)/.exec(line) ?? [];
    if (pid !== undefined) pids[Number(worker) - 1] = Number(pid);
    const [, port] = /listening on https?:\/\/\S*:(\d+)/.exec(line) ?? [];
    if (port !== undefined) {
      return new WorkersServer(pids, folder, process, Number(port), stdout, stderr);
    }
  }
}
