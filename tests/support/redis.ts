import { deadline, eventually } from "./deadline.ts";
import { freePort } from "./free_port.ts";

/** The servers that are tried, as far as they are installed. */
const PROGRAMS = ["redis-server", "valkey-server"];

/** What a server is started with. */
export interface RedisOptions {
  /** As in its file of configuration: `{ appendonly: "yes" }`. */
  readonly config?: Readonly<Record<string, string>>;
  /** Where its files are; a new folder if none is given. */
  readonly folder?: string;
  readonly port?: number;
  readonly program?: string;
}

/** The installed programs that can play Redis. */
export function redisPrograms(): string[] {
  return PROGRAMS.filter(isInstalled);
}

/** Reports whether a program can be run by its name. */
export function isInstalled(name: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.some((folder) => isFile(`${folder}/${name}`));
}

/** Whether a test that needs Redis has to be skipped. */
export const NO_REDIS = redisPrograms().length === 0;

/** A real Redis or Valkey in a process of its own, which keeps its data in a folder. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  readonly #options: RedisOptions;
  readonly #ownsFolder: boolean;
  #process: Deno.ChildProcess | undefined;

  static async start(options: RedisOptions = {}): Promise<RedisServer> {
    const folder = options.folder ?? await Deno.makeTempDir({ prefix: "hark-redis-" });
    const server = new RedisServer(options, folder);
    await server.start();
    return server;
  }

  private constructor(options: RedisOptions, folder: string) {
    this.#options = options;
    this.folder = folder;
    this.#ownsFolder = options.folder === undefined;
    this.port = options.port ?? freePort();
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts the process, which loads what an earlier one has left. */
  async start(): Promise<void> {
    const { program = redisPrograms()[0]!, config = {} } = this.#options;
    const all = { save: "", appendonly: "no", bind: "127.0.0.1", ...config };
    const lines = Object.entries(all).map(([name, value]) => `${name} ${value || '""'}`);
    const file = `${this.folder}/redis.conf`;
    await Deno.writeTextFile(file, lines.join("\n"));
    this.#process = new Deno.Command(program, {
      args: [file, "--port", String(this.port), "--dir", this.folder],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    await eventually(() => this.cli("PING"), (answer) => /^(PONG|NOAUTH)/.test(answer));
  }

  /** Sends the process a signal. */
  signal(name: Deno.Signal): void {
    this.#process!.kill(name);
  }

  /** Ends the process and waits until it is gone. */
  async stop(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    process.kill(signal);
    await deadline(process.status);
  }

  /** What redis-cli answers, without its last line end. */
  async cli(...args: readonly string[]): Promise<string> {
    const { stdout } = await new Deno.Command("redis-cli", {
      args: ["-p", String(this.port), ...args],
      stdin: "null",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).replace(/\n$/, "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.#ownsFolder) await Deno.remove(this.folder, { recursive: true });
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A test with a server of its own that keeps what it acknowledges; skipped where none is installed. */
export function redisTest(name: string, run: (redis: RedisServer) => Promise<void>): void {
  Deno.test({
    name,
    ignore: NO_REDIS,
    async fn() {
      await using redis = await RedisServer.start({ config: { appendonly: "yes" } });
      await run(redis);
    },
  });
}
