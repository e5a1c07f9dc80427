/** Real clients from the npm registry, each in a Node process of its own. */

import { Inbox } from "../support/inbox.ts";
import { exists } from "../support/files.ts";

/** The packages, pinned: their folders' names and what npm installs there. */
export const PACKAGES = {
  "1.4.8": "npm:socket.io-client@1.4.8",
  "1.7.4": "npm:socket.io-client@1.7.4",
  "2.5.0": "npm:socket.io-client@2.5.0",
  "3.1.3": "npm:socket.io-client@3.1.3",
  "4.8.4": "npm:socket.io-client@4.8.4",
  "eventsource": "npm:eventsource@4.0.0",
  "pusher-js-4": "npm:pusher-js@4.4.0",
  "pusher-js-5": "npm:pusher-js@5.1.1",
  "pusher-js-7": "npm:pusher-js@7.6.0",
  "pusher-js-8": "npm:pusher-js@8.4.3",
  "pusher-js": "npm:pusher-js@8.6.0",
  "laravel-echo": "npm:laravel-echo@2.5.0",
  "pusher": "npm:pusher@5.3.4",
} as const;

/** A version of socket.io-client. */
export type Version = Extract<keyof typeof PACKAGES, `${number}.${string}`>;

/** Every version that is tried. */
export const VERSIONS = Object.keys(PACKAGES).filter((name) => /^\d/.test(name)) as Version[];

/** The ways a client can be told to travel. */
export const WAYS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
} as const;

export type Way = keyof typeof WAYS;

/** Its dependencies cannot be installed any more; browsers need none of them. */
const OLDEST = "socket.io-client@1.0.6";

let installed: Promise<string> | undefined;

/** The script that pages load of a version of socket.io-client. */
export async function browserScript(version: string): Promise<string> {
  const folder = version === "1.0.6"
    ? `${await packageFolder("eventsource")}/../../package`
    : `${await packageFolder(version as Version)}/dist`;
  return await Deno.readTextFile(`${folder}/socket.io.js`);
}

/** The folder of a package, which is installed if no test before has done that. */
export async function packageFolder(name: keyof typeof PACKAGES): Promise<string> {
  installed ??= install();
  return `${await installed}/node_modules/${name}`;
}

/** Installs all packages into a folder that is named for them, and is kept for the next time. */
async function install(): Promise<string> {
  const specifiers = Object.entries(PACKAGES).map(([name, specifier]) => `${name}@${specifier}`);
  const bytes = new TextEncoder().encode([...specifiers, OLDEST].join(" "));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const folder = `${temporaryFolder()}/hark-interop-${digest.toHex().slice(0, 16)}`;
  if (await exists(folder)) return folder;
  const fresh = await Deno.makeTempDir({ prefix: "hark-interop-" });
  const args = ["install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund"];
  await run(fresh, "npm", ...args, ...specifiers);
  await run(fresh, "npm", "pack", "--silent", OLDEST);
  await run(fresh, "tar", "xzf", `${OLDEST.replace("@", "-")}.tgz`, "package/socket.io.js");
  await Deno.rename(fresh, folder);
  return folder;
}

async function run(cwd: string, command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, cwd }).output();
  if (!success) throw new Error(`${command} failed: ${new TextDecoder().decode(stderr)}`);
}

function temporaryFolder(): string {
  return Deno.env.get("TMPDIR") ?? "/tmp";
}

/** A program whose output are events as lines of JSON: `{"event": name, "args": […]}`. */
export class ClientProcess implements AsyncDisposable {
  /** The arguments of events, by name. */
  readonly #events = new Map<string, Inbox<unknown[]>>();
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #read: Promise<void>;

  constructor(command: string, ...args: string[]) {
    this.#process = new Deno.Command(command, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#stdin = this.#process.stdin.getWriter();
    this.#read = this.#readLines();
  }

  /** What has come, and is still to come, of the events of this name. */
  events(name: string): Inbox<unknown[]> {
    let inbox = this.#events.get(name);
    if (inbox === undefined) this.#events.set(name, inbox = new Inbox());
    return inbox;
  }

  /** The arguments of the next event of this name. */
  next(event: string): Promise<unknown[]> {
    return this.events(event).next();
  }

  async write(line: unknown): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  }

  /** Ends the process as if it had crashed. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended already.
    }
    await this.#process.status;
    await this.#read;
    await this.#stdin.abort();
  }

  async #readLines(): Promise<void> {
    let rest = "";
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const { event, args } = JSON.parse(line);
        this.events(event).push(args);
      }
    }
    for (const inbox of this.#events.values()) inbox.end("the process has ended");
  }
}

/** A script beside this file, run by Node. */
export class NodeProcess extends ClientProcess {
  constructor(script: string, ...args: string[]) {
    super("node", new URL(script, import.meta.url).pathname, ...args);
  }
}

/** A Socket.IO client. */
export class SocketIoClient extends NodeProcess {
  #acks = 0;

  /** Connects to `url`, and listens to `events`. */
  static async start(
    version: Version,
    way: Way,
    url: string,
    events: readonly string[],
  ): Promise<SocketIoClient> {
    const options = {
      transports: WAYS[way],
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    };
    const settings = JSON.stringify({ url, options, events });
    return new SocketIoClient("client.mjs", await packageFolder(version), settings);
  }

  emit(...args: unknown[]): Promise<void> {
    return this.write({ emit: args });
  }

  /** Emits, and resolves with what the server answers. */
  async ask(...args: unknown[]): Promise<unknown[]> {
    const ack = ++this.#acks;
    await this.write({ emit: args, ack });
    const [, ...answer] = await this.events("ack").find(([answered]) => answered === ack);
    return answer;
  }
}

/** Bytes as they stand in the lines. */
export function bytes(...values: number[]): { $bytes: string } {
  return { $bytes: new Uint8Array(values).toBase64() };
}
