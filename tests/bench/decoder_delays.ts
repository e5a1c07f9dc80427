// How long the largest request of each decoder delays another client's GET /count, as a Markdown
// table: deno run -A tests/bench/decoder_delays.ts [rounds]. On a busy machine the shortest delay is the
// one that tells most.
import { print } from "../../lib/observe/log.ts";
import { deadline } from "../support/deadline.ts";
import { startChild } from "../support/child.ts";
import type { Reachable } from "../support/reachable.ts";
import { SECRET } from "../support/tokens.ts";
import { type LargestRequest, largestRequests } from "./largest_requests.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
/** How long after a request somebody may still feel it. */
const AFTER_MS = 200;

/** Another client, in a thread of its own. */
class Observer implements Disposable {
  readonly #worker = new Worker(new URL("count_observer.ts", import.meta.url), { type: "module" });

  /** The longest answer while `act` runs, in milliseconds. */
  async during(server: Reachable, act: () => Promise<void>): Promise<number> {
    this.#worker.postMessage(`${server.url}/count`);
    await pause(AFTER_MS / 4);
    await act();
    await pause(AFTER_MS);
    const answered = new Promise<number>((resolve) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
    });
    this.#worker.postMessage("");
    return await deadline(answered, 60_000);
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sends a request, on a session of its own where it needs one. */
async function prepare(server: Reachable, request: LargestRequest): Promise<() => Promise<void>> {
  const { path, headers = {}, body, frames, protocol } = request;
  if (frames !== undefined) {
    const socket = new WebSocket(server.socketUrl(path), protocol === undefined ? [] : [protocol]);
    await deadline(new Promise((resolve) => socket.onmessage = resolve));
    return async () => {
      for (const frame of frames) socket.send(frame);
      await pause(AFTER_MS);
      socket.close();
    };
  }
  const isSession = path.startsWith("/socket.io/");
  const opened = isSession ? (await server.fetch(path)).body : "";
  const sid = /sid\\*":\\*"([\w-]+)/.exec(opened)?.[1] ?? "";
  const url = `${server.url}${path}${isSession ? `&sid=${sid}` : ""}`;
  const type = typeof body === "string" ? "text/plain;charset=UTF-8" : "application/octet-stream";
  const init = body === undefined
    ? { headers }
    : { method: "POST", body, headers: isSession ? { "content-type": type } : headers };
  return async () => {
    const response = await deadline(fetch(url, init), 60_000);
    await response.body?.cancel();
  };
}

await using open = await startChild(["--trust-proxy", "1", "--publish-per-second-max", "1000000"]);
await using guarded = await startChild(["--token-secret", SECRET]);
using observer = new Observer();

print("| decoder | largest request | delay of GET /count: shortest, ms | median | longest |");
print("| --- | --- | --: | --: | --: |");
const nothing = { decoder: "none", what: "nothing", path: "/healthz" };
for (const request of [nothing, ...await largestRequests()]) {
  const server = request.decoder === "token" ? guarded : open;
  const delays: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const act = await prepare(server, request);
    delays.push(await observer.during(server, act));
  }
  delays.sort((a, b) => a - b);
  const shown = [0, Math.floor(ROUNDS / 2), ROUNDS - 1].map((at) => delays[at]!.toFixed(0));
  print(`| ${[request.decoder, request.what, ...shown].join(" | ")} |`);
}
