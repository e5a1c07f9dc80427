/**
 * The server in a process of its own, to be attacked. Its first argument is a JSON object with bounds
 * that are no options; the rest is what main.ts takes. It listens as main.ts has it do; beside that,
 * a line on stdin makes it collect garbage (`gc`), sets its wall clock (`step <milliseconds>`), lets
 * time pass (`pass <milliseconds>`) or asks what every object has (`prototype`), and is answered with
 * a line that begins with `done`.
 */
import { parseConfig } from "../../lib/config/config.ts";
import { type Clock, systemClock } from "../../lib/core/clock.ts";
import { createLog, LINES_PER_PEER_MAX, print } from "../../lib/observe/log.ts";
import { Server } from "../../lib/server.ts";
import type { TargetBounds } from "./target.ts";

const COMMANDS: Readonly<Record<string, (argument: string) => unknown>> = {
  gc() {
    // What one collection finds ends may free more.
    for (let round = 0; round < 2; round++) (globalThis as { gc?: () => void }).gc?.();
    return Deno.memoryUsage();
  },
  step: (ms) => stepMs += Number(ms),
  pass: (ms) => passedMs += Number(ms),
  prototype: () => Object.getOwnPropertyNames(Object.prototype),
};

let stepMs = 0;
let passedMs = 0;

async function listen(): Promise<number> {
  const [bounds = "", ...args] = Deno.args;
  const parsed = parseConfig(args, {});
  if (parsed.kind !== "run") throw new TypeError("expected options of the server");
  const { config } = parsed;
  const { linesPerPeerMax = LINES_PER_PEER_MAX, ...others }: TargetBounds = JSON.parse(bounds);
  const log = createLog({ format: "json", level: "info", linesPerPeerMax });
  const clock: Clock = {
    ...systemClock,
    now: () => systemClock.now() + stepMs + passedMs,
    monotonic: () => systemClock.monotonic() + passedMs,
  };
  const server = new Server({ config, bounds: others, log, version: "0.0.0-test", clock });
  const { port } = await server.listen();
  return port;
}

async function obey(): Promise<void> {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const [name = "", argument = ""] = line.split(" ");
      print(`done ${JSON.stringify(COMMANDS[name]!(argument))}`);
    }
  }
}

// The first use of signals takes a descriptor, and ends the process where there is none.
Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
print(`listening ${await listen()}`);
await obey();
