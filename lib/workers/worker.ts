import { LinkJournal } from "../broker/link/journal.ts";
import type { Config } from "../config/config.ts";
import { openLog } from "../config/configure.ts";
import { systemClock } from "../core/clock.ts";
import { ResilientServer } from "../net/resilient_server.ts";
import type { Log } from "../observe/log.ts";
import { Server } from "../server.ts";
import { logSocket, type WorkerSetup, workerSocket } from "./command.ts";
import { isFromNode, Relay, relayedAddress, sidPrefix } from "./relay.ts";
import { slotsOf } from "./slots.ts";

/** The exit code of a worker whose parent is gone. */
const ABANDONED = 1;

/**
 * Runs one of several processes on a port until the parent stops it, or is gone. Resolves to the exit code.
 * Throws what `Server.listen()` throws.
 */
export async function runWorker(setup: WorkerSetup, options: Config): Promise<number> {
  const { index, port, advertise, machine } = setup;
  const node = machine === "" ? `worker-${index}` : `${machine}.${index}`;
  const config = { ...options, node, port, advertise };
  const log = openLog(config);
  const journal = new LinkJournal(logSocket(setup));
  const relay = new Relay({ ...config, ...setup });
  const server = new Server({
    config,
    log,
    shared: {
      journal,
      admit: slotsOf(journal),
      metrics: {
        answer: (render) => journal.answer("metrics", render),
        ofAll: async () => String(await journal.call("metrics")),
      },
      sidPrefix: sidPrefix(index),
      relay: (request, address, isFromNode) => relay.handle(request, address, isFromNode),
    },
  });
  const { url } = await server.listen();
  const inner = await serveRelayed(server, workerSocket(setup, index), log);
  await journal.call("ready", index, url);
  const isToStop = await obey(server);
  if (!isToStop) {
    // The parent was killed, and cannot remove it.
    await Deno.remove(setup.folder, { recursive: true }).catch(unlessGone);
    return ABANDONED;
  }
  await server.stop();
  await inner.close();
  relay.close();
  return 0;
}

/** Answers requests that came to other workers. */
async function serveRelayed(server: Server, path: string, log: Log): Promise<{ close(): unknown }> {
  // An earlier process of this worker may have left it.
  await Deno.remove(path).catch(unlessGone);
  return new ResilientServer<Deno.UnixAddr>({
    clock: systemClock,
    onFailure: ({ message }) => log.warn("cannot listen for a moment", { error: message }),
    serve: () => {
      return Deno.serve({ path, onListen: () => {} }, (request) => {
        return server.handle(request, relayedAddress(request), isFromNode(request));
      });
    },
  });
}

/** Ignores that a file is gone: another process may have removed it. */
function unlessGone(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Obeys the lines on stdin. Resolves to true once one is `stop`, to false if the parent is gone. */
async function obey(server: Server): Promise<boolean> {
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (const line of text.split("\n")) {
      if (line === "stop") return true;
      if (line === "renew") await server.renew();
    }
  }
  return false;
}
