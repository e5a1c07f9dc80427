import { Inbox } from "./inbox.ts";
import { METRICS_KEY, Reachable } from "./reachable.ts";

/** A server in a process of its own. */
export class ChildServer extends Reachable implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly stdout: Inbox<string>;
  readonly stderr: Inbox<string>;

  constructor(process: Deno.ChildProcess, port: number, out: Inbox<string>, err: Inbox<string>) {
    super(port);
    this.#process = process;
    this.stdout = out;
    this.stderr = err;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Sends a signal, unless the process has ended already. */
  killIfRunning(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.killIfRunning("SIGKILL");
    await this.#process.status;
    await Promise.all([this.stdout.rest(), this.stderr.rest()]);
  }
}

/** The environment of this process, without what a server would take for its own. */
export function inheritedEnv(): Record<string, string> {
  const entries = Object.entries(Deno.env.toObject());
  return Object.fromEntries(entries.filter(([name]) => !name.startsWith("HARK_")));
}

/** How the program is run, as `deno task start` does. */
export function command(args: readonly string[], env: Record<string, string> = {}): Deno.Command {
  const main = new URL("../../main.ts", import.meta.url).href;
  const permissions = [
    "--no-prompt",
    "--allow-net",
    "--allow-env",
    "--allow-read",
    "--allow-write",
    "--allow-run",
  ];
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...permissions, main, ...args],
    clearEnv: true,
    env: { ...inheritedEnv(), NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Starts the program on a free port, and waits until it says that it listens. */
export async function startChild(
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<ChildServer> {
  const process = command(["--port", "0", ...args], { HARK_METRICS_KEY: METRICS_KEY, ...env })
    .spawn();
  const stdout = readLines(process.stdout);
  const stderr = readLines(process.stderr);
  const listening = await stdout.find((line) => line.includes("Hark is listening on"));
  const [, port] = /listening on https?:\/\/\S*:(\d+)/.exec(listening)!;
  return new ChildServer(process, Number(port), stdout, stderr);
}

/** The lines of a stream, as they come. */
export function readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Inbox<string> {
  const lines = new Inbox<string>();
  const read = async () => {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      parts.forEach((line) => lines.push(line));
    }
    if (rest !== "") lines.push(rest);
    lines.end("the process has closed the stream");
  };
  read();
  return lines;
}
