import { ConfigError, helpText, parseConfig } from "./lib/config.ts";
import { runCommand } from "./lib/cli/command.ts";
import { COMMANDS, COMMANDS_HELP } from "./lib/cli/commands.ts";
import { systemClock } from "./lib/core/clock.ts";
import { createLog, type Log, print, printLine } from "./lib/log.ts";
import { ListenError } from "./lib/listener.ts";
import { Server } from "./lib/server.ts";
import { CertificateError } from "./lib/core/errors.ts";
import denoJson from "./deno.json" with { type: "json" };

const { version } = denoJson;

/** Does what the command line says: a command and its arguments, or the server's options alone. */
async function main([name = "", ...rest]: readonly string[]): Promise<void> {
  const command = COMMANDS.get(name);
  if (command === undefined) return await start(name === "start" ? rest : Deno.args);
  const code = await runCommand(command, rest, {
    env: Deno.env.toObject(),
    stdin: Deno.stdin.readable,
    clock: systemClock,
    write: printLine,
    say: (line) => print(line, "stderr"),
  });
  Deno.exit(code);
}

async function start(args: readonly string[]): Promise<void> {
  // These two are the other commands'.
  const { HARK_URL: _url, HARK_KEY: _key, ...env } = Deno.env.toObject();
  const parsed = parseConfig(args, env);
  if (parsed.kind === "help") return print(`${helpText()}\n\n${COMMANDS_HELP}`);
  if (parsed.kind === "version") return print(`hark ${version}`);
  const { config } = parsed;
  const log = createLog({
    format: config.log,
    level: config.logLevel,
    linesPerPeerMax: config.logLinesPerAddressMax,
  });
  const server = new Server({ config, log, version });
  const { url } = await server.listen();
  stopOnSignal(server, log);
  if (config.tlsCert !== "") renewOnSignal(server, log);
  log.info(`Hark is listening on ${url}`, { version });
}

function renewOnSignal(server: Server, log: Log): void {
  Deno.addSignalListener("SIGHUP", () => {
    try {
      server.renewCertificate();
      log.info("certificate renewed");
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      log.error("certificate not renewed", { why: error.message });
    }
  });
}

function stopOnSignal(server: Server, log: Log): void {
  let stopping = false;
  const stop = async (signal: string) => {
    if (stopping) Deno.exit(1);
    stopping = true;
    log.info("stopping", { signal });
    await server.stop();
    log.info("stopped");
    Deno.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => stop(signal));
  }
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof ListenError)) throw error;
    print(error.message, "stderr");
    Deno.exit(error instanceof ConfigError ? 2 : 1);
  }
}
