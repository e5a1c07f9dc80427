import type { Bounds } from "../../lib/bounds.ts";
import { type Config, parseConfig } from "../../lib/config/config.ts";
import type { Clock } from "../../lib/core/clock.ts";
import { createLog, LINES_PER_PEER_MAX } from "../../lib/observe/log.ts";
import { Server } from "../../lib/server.ts";
import { FakeClock } from "./fake_clock.ts";
import { Inbox } from "./inbox.ts";
import { type OpenApi, undocumented } from "./openapi.ts";

/** One line of the log. */
export interface LogEntry {
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** An answer with all of its body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** How a server of a test differs from one that is started with no options. */
export type ServerOptions = Partial<Config & Bounds> & {
  readonly clock?: Clock;
  readonly version?: string;
  readonly linesPerPeerMax?: number;
  /** Gets each line of the log as it is written. */
  readonly onLine?: (line: string) => void;
};

/** The key with which tests read metrics. */
export const METRICS_KEY = "metrics-of-a-test";

/** Where a server can be reached. */
export abstract class Reachable {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;

  constructor(port: number) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** The URL of a WebSocket. */
  socketUrl(path = "/ws"): string {
    return `ws://127.0.0.1:${this.port}${path}`;
  }

  /** Makes a request and reads all of its answer. */
  async fetch(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url + path, init);
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  /** Publishes to everyone, and throws if that is refused. */
  async broadcast(message: string, query = ""): Promise<void> {
    const { status, body } = await this.fetch(`/broadcast/${encodeURIComponent(message)}${query}`);
    if (status !== 200) throw new Error(`${status}: ${body}`);
  }

  /** Publishes a text, or anything else as JSON, and returns its id; throws if that is refused. */
  async publish(channel: string, data: unknown, key?: string): Promise<string> {
    const isText = typeof data === "string";
    const headers = new Headers({ "content-type": isText ? "text/plain" : "application/json" });
    if (key !== undefined) headers.set("authorization", `Bearer ${key}`);
    const body = isText ? data : JSON.stringify(data);
    const answer = await this.fetch(`/channels/${channel}`, { method: "POST", headers, body });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.body}`);
    return JSON.parse(answer.body).id;
  }

  /** The value of each metric under its name and labels as they are written. */
  async metrics(): Promise<Map<string, number>> {
    const headers = { authorization: `Bearer ${METRICS_KEY}` };
    const { status, body } = await this.fetch("/metrics", { headers });
    if (status !== 200) throw new Error(`${status}: ${body}`);
    const lines = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }));
  }
}

/** A server in this process. */
export class TestServer extends Reachable implements AsyncDisposable {
  readonly log: Inbox<LogEntry>;
  readonly #server: Server;
  readonly #clock: Clock | undefined;
  #document: Promise<OpenApi> | undefined;

  constructor(server: Server, port: number, log: Inbox<LogEntry>, clock: Clock | undefined) {
    super(port);
    this.#server = server;
    this.log = log;
    this.#clock = clock;
  }

  /** The server's own description of its API. */
  get document(): Promise<OpenApi> {
    const request = new Request("http://localhost/openapi.json");
    return this.#document ??= this.#server.handle(request, "127.0.0.1")
      .then((response) => response.json());
  }

  /** Makes a request and reads all of its answer, which has to be as `/openapi.json` says. */
  override async fetch(path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await super.fetch(path, init);
    const exchanged = { ...answer, method: init.method ?? "GET", path };
    const faults = undocumented(await this.document, exchanged);
    if (faults.length > 0) throw new Error(`/openapi.json: ${faults.join("; ")}`);
    return answer;
  }

  /** Stops the server; a fake clock is turned until that is done. */
  async stop(): Promise<void> {
    const clock = this.#clock;
    const turning = clock instanceof FakeClock && setInterval(() => clock.advance(20), 1);
    await this.#server.stop();
    if (turning) clearInterval(turning);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts a server on a free port. Dispose of it with `await using`. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const { clock, version = "0.0.0-test", onLine, ...changed } = options;
  const { linesPerPeerMax = LINES_PER_PEER_MAX } = options;
  const parsed = parseConfig([], {});
  if (parsed.kind !== "run") throw new Error("expected options");
  const { publishKey = [], tokenSecret = "", tokenJwks = "", pusherApp = [] } = changed;
  const isOpen = publishKey.length + pusherApp.length === 0 && tokenSecret + tokenJwks === "";
  const metricsKey = isOpen ? "" : METRICS_KEY;
  const config = { ...parsed.config, port: 0, drainS: 0, metricsKey, ...changed };
  const entries = new Inbox<LogEntry>();
  const log = createLog({
    format: "json",
    level: "debug",
    linesPerPeerMax,
    write(line) {
      onLine?.(line);
      entries.push(JSON.parse(line));
    },
  });
  const server = new Server({ config, bounds: changed, log, version, ...(clock && { clock }) });
  try {
    const { port } = await server.listen();
    return new TestServer(server, port, entries, clock);
  } catch (error) {
    await server.stop();
    throw error;
  }
}

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
