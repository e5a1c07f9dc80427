import { ConfigError, helpText, parseConfig } from "./lib/config.ts";
import { createLog, print } from "./lib/log.ts";
import { Server } from "./lib/server.ts";
import denoJson from "./deno.json" with { type: "json" };

const { version } = denoJson;

async function start(args: readonly string[]): Promise<void> {
  const parsed = parseConfig(args, Deno.env.toObject());
  if (parsed.kind === "help") return print(helpText());
  if (parsed.kind === "version") return print(`hark ${version}`);
  const { config } = parsed;
  const log = createLog({
    format: config.log,
    level: config.logLevel,
    linesPerPeerMax: config.logLinesPerAddressMax,
  });
  const server = new Server({ config, log, version });
  const { hostname, port } = await server.listen();
  log.info(`Hark is listening on http://${displayHost(hostname)}:${port}`, { version });
  stopOnSignal(server, log);
}

function stopOnSignal(server: Server, log: ReturnType<typeof createLog>): void {
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

function displayHost(hostname: string): string {
  if (hostname === "127.0.0.1" || hostname === "::1") return "localhost";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

if (import.meta.main) {
  try {
    await start(Deno.args);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof Deno.errors.AddrInUse)) throw error;
    print(error.message, "stderr");
    Deno.exit(2);
  }
}
