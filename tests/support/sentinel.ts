import { deadline, eventually } from "./deadline.ts";
import { freePort } from "./free_port.ts";
import { isInstalled, type RedisServer } from "./redis.ts";

/** Whether a test that needs Sentinel has to be skipped. */
export const NO_SENTINEL = !isInstalled("redis-sentinel");

/** A real Sentinel that watches one primary by the name `main`, and needs no others to decide. */
export class Sentinel implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #process: Deno.ChildProcess;

  static async start({ port: primary }: RedisServer, downAfterMs = 1000): Promise<Sentinel> {
    const folder = await Deno.makeTempDir({ prefix: "hark-sentinel-" });
    const port = freePort();
    await Deno.writeTextFile(
      `${folder}/sentinel.conf`,
      [
        `port ${port}`,
        `dir ${folder}`,
        "bind 127.0.0.1",
        `sentinel monitor main 127.0.0.1 ${primary} 1`,
        `sentinel down-after-milliseconds main ${downAfterMs}`,
        "sentinel failover-timeout main 5000",
        "",
      ].join("\n"),
    );
    const process = new Deno.Command("redis-sentinel", {
      args: [`${folder}/sentinel.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const sentinel = new Sentinel(port, folder, process);
    await eventually(() => sentinel.cli("PING"), (answer) => answer === "PONG");
    return sentinel;
  }

  private constructor(port: number, folder: string, process: Deno.ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  /** The port of the server that is the primary now. */
  async primaryPort(): Promise<number> {
    const answer = await this.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main");
    return Number(answer.split("\n")[1]);
  }

  /** What redis-cli answers. */
  async cli(...args: readonly string[]): Promise<string> {
    const { stdout } = await new Deno.Command("redis-cli", {
      args: ["-p", String(this.port), ...args],
      stdin: "null",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await deadline(this.#process.status);
    await Deno.remove(this.#folder, { recursive: true });
  }
}
