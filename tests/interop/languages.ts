/**
 * Clients, SDKs and tools in other languages. They are installed into folders of the cache by
 *
 *     deno run -A tests/interop/languages.ts
 *
 * each as far as its language is there. A test of a client that is not is ignored.
 */

import { fromFileUrl } from "@std/path";
import { exists } from "../support/files.ts";

/** How a client comes to be, and how it is run. */
interface Language {
  /** What is installed; names the folder. */
  readonly packages: readonly string[];
  /** Installs it into an empty folder. */
  readonly install: (folder: string, packages: readonly string[]) => Promise<void>;
}

const MAVEN = "https://repo1.maven.org/maven2";
const INSTALL_MS = 200_000;

const LANGUAGES = {
  python: {
    packages: ["python-socketio[client]==5.18.1", "aiohttp==3.14.5"],
    install: installPython,
  },
  pusher: {
    packages: ["pusher==3.3.4"],
    install: installPython,
  },
  schemathesis: {
    packages: ["schemathesis==4.32.5"],
    install: installPython,
  },
  java: {
    packages: [
      "io/socket/socket.io-client/2.1.1/socket.io-client-2.1.1.jar",
      "io/socket/engine.io-client/2.1.0/engine.io-client-2.1.0.jar",
      "com/squareup/okhttp3/okhttp/3.12.12/okhttp-3.12.12.jar",
      "com/squareup/okio/okio/1.15.0/okio-1.15.0.jar",
      "org/json/json/20090211/json-20090211.jar",
    ],
    async install(folder, packages) {
      await Promise.all(packages.map((path) => download(`${MAVEN}/${path}`, folder)));
      const source = fileOf("Client.java");
      await run("javac", "-cp", `${folder}/*`, "-d", folder, source);
    },
  },
  go: {
    packages: ["github.com/zishang520/socket.io/clients/socket/v3@v3.0.6"],
    install: (folder) => build("go", folder),
  },
  goPusher: {
    packages: ["github.com/pusher/pusher-http-go/v5@v5.1.1"],
    install: (folder) => build("go_pusher", folder),
  },
} as const satisfies Record<string, Language>;

type Command = readonly [keyof typeof LANGUAGES, ...command: string[]];

/** Pusher's server SDKs; what follows is the port. */
export const PUSHER_SDKS = {
  python: ["pusher", "FOLDER/bin/python", fileOf("pusher_sdk.py")],
  go: ["goPusher", "FOLDER/client"],
} as const satisfies Record<string, Command>;

/** What runs a script that uses one of those; what follows is the file. */
export const SCRIPT_RUNNERS = {
  python: ["pusher", "FOLDER/bin/python"],
  go: ["goPusher", "go", "run", "-C", fileOf("go_pusher")],
} as const satisfies Record<string, Command>;

/** What tries an API by its document; what follows are its arguments. */
export const SCHEMATHESIS: Command = ["schemathesis", "FOLDER/bin/schemathesis"];

/** A client and how it is started; what follows are its settings as JSON. */
export const CLIENTS: Readonly<Record<string, Command>> = {
  "python-socketio": ["python", "FOLDER/bin/python", fileOf("client.py"), "sync"],
  "python-socketio, asyncio": ["python", "FOLDER/bin/python", fileOf("client.py"), "async"],
  "socket.io-client for Java": ["java", "java", "-cp", "FOLDER:FOLDER/*", "Client"],
  "socket.io for Go": ["go", "FOLDER/client"],
};

/** The command that starts a client; undefined if it is not installed. */
export async function commandOf([language, ...command]: Command): Promise<string[] | undefined> {
  const folder = await folderOf(language);
  if (!await exists(folder)) return undefined;
  return command.map((part) => part.replaceAll("FOLDER", folder));
}

async function folderOf(name: keyof typeof LANGUAGES): Promise<string> {
  const paths = ["Client.java", "go/main.go", "go_pusher/main.go"];
  const sources = await Promise.all(paths.map((path) => read(path)));
  const bytes = new TextEncoder().encode([...LANGUAGES[name].packages, ...sources].join(" "));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const cache = Deno.env.get("TMPDIR") ?? "/tmp";
  return `${cache}/hark-interop-${name}-${digest.toHex().slice(0, 16)}`;
}

async function install(name: keyof typeof LANGUAGES): Promise<void> {
  const folder = await folderOf(name);
  if (await exists(folder)) return await say(`${name}: already here`);
  const { packages, install }: Language = LANGUAGES[name];
  // In its place from the start, because a venv knows its path.
  await Deno.mkdir(folder);
  try {
    await install(folder, packages);
    await say(`${name}: installed`);
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    await say(`${name}: SKIPPED, its tests are ignored: ${(error as Error).message}`);
  }
}

/** Compiles a program in Go, with what its `go.mod` names. */
async function build(source: string, folder: string): Promise<void> {
  await run("go", "build", "-C", fileOf(source), "-o", `${folder}/client`, ".");
}

/** Packages of PyPI, in an environment of their own. */
async function installPython(folder: string, packages: readonly string[]): Promise<void> {
  await run("python3", "-m", "venv", folder);
  await run(`${folder}/bin/pip`, "install", "--quiet", ...packages);
}

async function say(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}

async function run(command: string, ...args: string[]): Promise<void> {
  const signal = AbortSignal.timeout(INSTALL_MS);
  const { success, stderr } = await new Deno.Command(command, { args, signal }).output();
  const [line = ""] = new TextDecoder().decode(stderr).trim().split("\n").slice(-1);
  if (!success) throw new Error(`${command} ${args[0]} failed: ${line}`);
}

async function download(url: string, folder: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(INSTALL_MS) });
  const body = new Uint8Array(await response.arrayBuffer());
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  await Deno.writeFile(`${folder}/${url.split("/").at(-1)}`, body);
}

function fileOf(path: string): string {
  return fromFileUrl(new URL(path, import.meta.url));
}

function read(path: string): Promise<string> {
  return Deno.readTextFile(fileOf(path));
}

if (import.meta.main) {
  await Promise.all((Object.keys(LANGUAGES) as (keyof typeof LANGUAGES)[]).map(install));
}
