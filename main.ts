import { type Config, ConfigError, OPTIONS, parseConfig } from "./lib/config/config.ts";
import { systemClock } from "./lib/core/clock.ts";
import { RedisError, StoreError } from "./lib/core/errors.ts";
import { openLog } from "./lib/config/configure.ts";
import { helpText, problemsText } from "./lib/config/help.ts";
import { type Log, print, printLine } from "./lib/observe/log.ts";
import { ListenError } from "./lib/net/listener.ts";
import { Server } from "./lib/server.ts";
import { readSetup, WORKER, WorkersError } from "./lib/workers/command.ts";
import { VERSION } from "./lib/version.ts";

/** Errors of a start that need no stack: the message says what to do. */
const START_ERRORS = [ConfigError, ListenError, RedisError, StoreError, WorkersError];

/**
 * A signal that comes again within this time counts once: a terminal sends Ctrl-C, and systemd SIGTERM, to
 * `deno task` and to its child, and `deno task` forwards its own.
 */
const ECHO_MS = 500;

/** Runs the command that the arguments name; without a name they are the server's options. */
async function main([name = "", ...rest]: readonly string[]): Promise<void> {
  if (name === "start") return await start(rest);
  if (name === WORKER && rest[0]?.startsWith("{")) return await work(rest);
  if (name === "" || name.startsWith("-")) return await start(Deno.args);
  // A server needs none of them, and starts sooner without.
  const { COMMANDS, unknownCommand } = await import("./lib/cli/commands.ts");
  const { runCommand } = await import("./lib/cli/command.ts");
  const command = COMMANDS.get(name);
  if (command === undefined) {
    print(unknownCommand(name), "stderr");
    Deno.exit(2);
  }
  const code = await runCommand(command, rest, {
    env: Deno.env.toObject(),
    stdin: Deno.stdin.readable,
    clock: systemClock,
    write: printLine,
    say: (line) => print(line, "stderr"),
  });
  Deno.exit(code);
}

/** What is started: one server, or the parent of several. */
type Running = Pick<Server, "renew" | "stop"> & { listen(): Promise<{ url: string }> };

async function start(args: readonly string[]): Promise<void> {
  const parsed = parseConfig(args, Deno.env.toObject());
  if (parsed.kind === "help") {
    const { COMMANDS_HELP } = await import("./lib/cli/commands.ts");
    const parts = [helpText(parsed), COMMANDS_HELP, problemsText(parsed)];
    return print(parts.filter((part) => part !== "").join("\n\n"));
  }
  if (parsed.kind === "version") return print(`hark ${VERSION}`);
  const { config } = parsed;
  const log = openLog(config);
  const server = await create(config, log, args);
  const stop = stopper(server, log);
  // Before it listens: a SIGHUP that nobody handles ends the process.
  renewOnSignal(server, stop);
  const { url } = await listen(server);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => stop(signal));
  }
  log.info(`Hark is listening on ${url}`, { version: VERSION });
}

async function create(config: Config, log: Log, args: readonly string[]): Promise<Running> {
  if (config.workers === OPTIONS.workers.default) return new Server({ config, log });
  const { Parent, workersOf } = await import("./lib/workers/parent.ts");
  // `auto` may find one core: then there is nothing to share.
  if (workersOf(config) === 1) return new Server({ config, log });
  return await Parent.create({ config, log, program: { main: import.meta.url, args } });
}

/** Runs one process of several, as the parent says in `setup`. */
async function work([setup, ...args]: readonly string[]): Promise<void> {
  // A terminal sends its signals to every process: only the parent acts on them.
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {});
  }
  const { runWorker } = await import("./lib/workers/worker.ts");
  const parsed = parseConfig(args, Deno.env.toObject());
  if (parsed.kind !== "run") throw new TypeError("expected a server's options");
  Deno.exit(await runWorker(readSetup(setup), parsed.config));
}

/** Listens. A server that cannot is stopped: a store that stays open would look as after a crash. */
async function listen(server: Running): Promise<{ url: string }> {
  try {
    return await server.listen();
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Handles SIGHUP: `systemctl reload` sends it to have files read again, and a terminal when it closes. */
function renewOnSignal(server: Running, stop: (signal: Deno.Signal) => void): void {
  const terminals = [Deno.stdin, Deno.stdout, Deno.stderr].filter((stream) => stream.isTerminal());
  Deno.addSignalListener("SIGHUP", () => {
    if (terminals.some((stream) => !stream.isTerminal())) stop("SIGHUP");
    else server.renew();
  });
}

/** Returns what stops the server and ends the process; a second signal ends it at once. */
function stopper(server: Running, log: Log): (signal: Deno.Signal) => Promise<void> {
  let first: { readonly signal: Deno.Signal; readonly at: number } | undefined;
  return async (signal) => {
    const at = systemClock.monotonic();
    // A terminal that closes sends it more than once.
    if (first !== undefined && signal === "SIGHUP") return;
    if (signal === first?.signal && at - first.at < ECHO_MS) return;
    if (first !== undefined) Deno.exit(1);
    first = { signal, at };
    log.info("stopping", { signal });
    await server.stop();
    log.info("stopped");
    Deno.exit(0);
  };
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!START_ERRORS.some((type) => error instanceof type)) throw error;
    print((error as Error).message, "stderr");
    Deno.exit(error instanceof ConfigError ? 2 : 1);
  }
}
