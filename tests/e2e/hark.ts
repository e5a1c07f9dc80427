import { readLines, within } from "./browser.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const START_MS = 60_000;

/** A server in a process of its own, as a user starts it. */
export class HarkProcess {
  readonly url: string;
  readonly port: number;
  readonly #process: Deno.ChildProcess;
  readonly #drained: Promise<void>;
  #isStopped = false;

  private constructor(process: Deno.ChildProcess, drained: Promise<void>, port: number) {
    this.#process = process;
    this.#drained = drained;
    this.port = port;
    this.url = `http://localhost:${port}`;
  }

  static async start(...args: string[]): Promise<HarkProcess> {
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-all", MAIN, ...args],
      clearEnv: true,
      env: environment(),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const listening = Promise.withResolvers<number>();
    let output = "";
    const hear = (line: string) => {
      output += `${line}\n`;
      const port = /listening on http:\/\/[^ ]*:(\d+)/.exec(line)?.[1];
      if (port !== undefined) listening.resolve(Number(port));
    };
    const drained = Promise.all([readLines(process.stdout, hear), readLines(process.stderr, hear)])
      .then(() => listening.reject(new Error(`Hark ended:\n${output}`)));
    const port = await within(START_MS, listening.promise, "Hark did not listen");
    return new HarkProcess(process, drained, port);
  }

  /** Publishes over HTTP, a text or anything else as JSON, and returns the message's id. */
  async publish(channel: string, data: unknown, event = "message", key = ""): Promise<string> {
    const isText = typeof data === "string";
    const response = await fetch(
      `${this.url}/channels/${channel}?event=${encodeURIComponent(event)}`,
      {
        method: "POST",
        headers: {
          "content-type": isText ? "text/plain" : "application/json",
          ...(key && { authorization: `Bearer ${key}` }),
        },
        body: isText ? data : JSON.stringify(data),
      },
    );
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    return answer.id;
  }

  /** Asks it to stop, and resolves when it has. Idempotent. */
  async stop(): Promise<void> {
    if (!this.#isStopped) this.#process.kill("SIGTERM");
    this.#isStopped = true;
    await this.#process.status;
    await this.#drained;
  }
}

/** Ours, without what would configure the server. */
function environment(): Record<string, string> {
  const variables = Object.entries(Deno.env.toObject());
  return Object.fromEntries(variables.filter(([name]) => !name.startsWith("HARK_")));
}

/** A TCP proxy whose connections can be cut, as a network's are. */
export class Wire {
  readonly #listener: Deno.TcpListener;
  readonly #port: number;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #accepting: Promise<void>;
  #isCut = false;

  /** Leads to `port`, from `ownPort` or a free one. */
  constructor(port: number, ownPort = 0) {
    this.#listener = Deno.listen({ hostname: "localhost", port: ownPort });
    this.#port = port;
    this.#accepting = this.#accept();
  }

  get url(): string {
    return `http://localhost:${this.#listener.addr.port}`;
  }

  /** Ends every connection, and each new one at once, until `mend()`. */
  cut(): void {
    this.#isCut = true;
    for (const connection of this.#connections) closeQuietly(connection);
    this.#connections.clear();
  }

  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const carried: Promise<void>[] = [];
    for await (const client of this.#listener) carried.push(this.#carry(client));
    await Promise.all(carried);
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    if (this.#isCut) return client.close();
    this.#connections.add(client);
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "localhost", port: this.#port });
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      return closeQuietly(client);
    }
    if (this.#isCut) return closeQuietly(server);
    this.#connections.add(server);
    await Promise.all([pipe(client, server), pipe(server, client)]);
    this.#connections.delete(client);
    this.#connections.delete(server);
  }
}

async function pipe(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
      for (let sent = 0; sent < length;) sent += await to.write(buffer.subarray(sent, length));
    }
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  closeQuietly(from);
  closeQuietly(to);
}

function closeQuietly(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  const { BadResource, Interrupted, ConnectionReset, ConnectionAborted, BrokenPipe } = Deno.errors;
  return [BadResource, Interrupted, ConnectionReset, ConnectionAborted, BrokenPipe]
    .some((kind) => error instanceof kind);
}
