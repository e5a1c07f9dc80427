import { assertEquals } from "@std/assert";
import type { Bounds } from "../../lib/bounds.ts";
import { deadline } from "../support/deadline.ts";
import type { Inbox } from "../support/inbox.ts";
import { ChildServer, readLines } from "../support/child.ts";
import { METRICS_KEY } from "../support/reachable.ts";
import { listeningPorts } from "../support/tcp.ts";

/** What a process holds, in bytes. */
export interface Memory {
  /** Of the whole process. */
  readonly resident: number;
  /** The most there was of it since `forgetPeak()`. */
  readonly peak: number;
}

/** Gauges that tell whether everything of a client is gone; of sessions one for each transport. */
const COUNTS =
  /^hark_(sessions\{.*\}|closing_sessions|watched_channels|engineio_sessions|body_bytes|in_use\{bound="(connections|handshakes)_max"\})$/;

/** Of the server, and lines of its log a minute about one address. */
export type TargetBounds = Partial<Bounds> & { readonly linesPerPeerMax?: number };

/** How a target is started. */
export interface TargetOptions {
  /** Bounds that are no options. */
  readonly bounds: TargetBounds;
  /** Options of the server. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How many descriptors the process may have, if it is to run out of them. */
  readonly descriptorsMax: number;
  /** What the process's new files are not, in octal. */
  readonly umask: string;
}

/** A server in a process of its own, to be attacked, and what can be learned of it. */
export class Target extends ChildServer {
  readonly #pid: number;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  static async start(options: Partial<TargetOptions> = {}): Promise<Target> {
    const { args = [], env = {}, bounds = {}, descriptorsMax, umask } = options;
    const deno = [
      ...[Deno.execPath(), "run", "--quiet", "--no-check", "--no-prompt"],
      ...["--v8-flags=--expose-gc,--max-semi-space-size=4"],
      ...["--allow-net", "--allow-env", "--allow-read", "--allow-write"],
      ...[new URL("child.ts", import.meta.url).href, JSON.stringify(bounds)],
      ...["--metrics-key", METRICS_KEY],
      ...(args.includes("--listen") ? args : ["--port", "0", ...args]),
    ];
    const limits = [
      ...descriptorsMax === undefined ? [] : [`ulimit -n ${descriptorsMax}; `],
      ...umask === undefined ? [] : [`umask ${umask}; `],
    ];
    const process = new Deno.Command("sh", {
      args: ["-c", `${limits.join("")}exec "$@"`, "sh", ...deno],
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stdout = readLines(process.stdout);
    const stderr = readLines(process.stderr);
    const listening = await stdout.find((line) => line.startsWith("listening "));
    return new Target(process, Number(listening.split(" ")[1]), stdout, stderr);
  }

  private constructor(
    process: Deno.ChildProcess,
    port: number,
    out: Inbox<string>,
    err: Inbox<string>,
  ) {
    super(process, port, out, err);
    this.#pid = process.pid;
    this.#stdin = process.stdin.getWriter();
  }

  /** Collects garbage, and returns what is left of the heap, in bytes. */
  async collectGarbage(): Promise<number> {
    const { heapUsed, external } = await this.#tell("gc") as Deno.MemoryUsage;
    return heapUsed + external;
  }

  /** Sets the wall clock forward, or back if negative. */
  async stepClock(ms: number): Promise<void> {
    await this.#tell(`step ${ms}`);
  }

  /** Lets time pass by the clock that never steps. */
  async passTime(ms: number): Promise<void> {
    await this.#tell(`pass ${ms}`);
  }

  /** Ports of 127.0.0.1 on which it listens. */
  async listeningPorts(): Promise<number[]> {
    return await listeningPorts(this.#pid);
  }

  /** What every object has. */
  async prototypeKeys(): Promise<unknown> {
    return await this.#tell("prototype");
  }

  async memory(): Promise<Memory> {
    const status = await this.#shell(`cat /proc/${this.#pid}/status`);
    const bytes = (name: string) => {
      return 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)![1]);
    };
    return { resident: bytes("VmRSS"), peak: bytes("VmHWM") };
  }

  async forgetPeak(): Promise<void> {
    await this.#shell(`echo 5 > /proc/${this.#pid}/clear_refs`);
  }

  /** How many there are now of all that a client leaves behind if it is not cleaned up. */
  async counts(): Promise<Record<string, number>> {
    const gauges = Array.from(await this.metrics());
    return Object.fromEntries(gauges.filter(([name, count]) => COUNTS.test(name) && count > 0));
  }

  /** What a metric's labels add up to. */
  async metric(name: string): Promise<number> {
    const found = Array.from(await this.metrics()).filter(([key]) => key.startsWith(name));
    return found.reduce((sum, [, value]) => sum + value, 0);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#stdin.close().catch(() => {}); // The process may have ended.
    await super[Symbol.asyncDispose]();
  }

  async #tell(line: string): Promise<unknown> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
    const answer = await this.stdout.find((line) => line.startsWith("done "));
    return JSON.parse(answer.slice("done ".length));
  }

  async #shell(script: string): Promise<string> {
    const command = new Deno.Command("sh", { args: ["-c", script] });
    const { code, stdout, stderr } = await deadline(command.output());
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""], script);
    return new TextDecoder().decode(stdout);
  }
}
