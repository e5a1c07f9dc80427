import type { Bounds } from "../../lib/bounds.ts";
import { type Config, parseConfig } from "../../lib/config/config.ts";
import type { Clock } from "../../lib/core/clock.ts";
import { createLog, LINES_PER_PEER_MAX } from "../../lib/observe/log.ts";
import { Server } from "../../lib/server.ts";
import { FakeClock } from "./fake_clock.ts";
import { Inbox } from "./inbox.ts";
import { type Answer, METRICS_KEY, Reachable } from "./reachable.ts";
import { type OpenApi, undocumented } from "./openapi.ts";

/** One line of the log. */
export interface LogEntry {
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** How a server of a test differs from one that is started with no options. */
export type ServerOptions = Partial<Config & Bounds> & {
  readonly clock?: Clock;
  readonly version?: string;
  readonly linesPerPeerMax?: number;
  /** Gets each line of the log as it is written. */
  readonly onLine?: (line: string) => void;
};

/** A server in this process. */
export class TestServer extends Reachable implements AsyncDisposable {
  readonly log: Inbox<LogEntry>;
  readonly #server: Server;
  readonly #clock: Clock | undefined;
  #document: Promise<OpenApi> | undefined;

  constructor(server: Server, port: number, log: Inbox<LogEntry>, clock: Clock | undefined) {
    super(port);
    this.#server = server;
    this.log = log;
    this.#clock = clock;
  }

  /** The server's own description of its API. */
  get document(): Promise<OpenApi> {
    const request = new Request("http://localhost/openapi.json");
    return this.#document ??= this.#server.handle(request, "127.0.0.1")
      .then((response) => response.json());
  }

  /** Makes a request and reads all of its answer, which has to be as `/openapi.json` says. */
  override async fetch(path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await super.fetch(path, init);
    const exchanged = { ...answer, method: init.method ?? "GET", path };
    const faults = undocumented(await this.document, exchanged);
    if (faults.length > 0) throw new Error(`/openapi.json: ${faults.join("; ")}`);
    return answer;
  }

  /** Stops the server; a fake clock is turned until that is done. */
  async stop(): Promise<void> {
    const clock = this.#clock;
    const turning = clock instanceof FakeClock && setInterval(() => clock.advance(20), 1);
    await this.#server.stop();
    if (turning) clearInterval(turning);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts a server on a free port. Dispose of it with `await using`. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const { clock, version = "0.0.0-test", onLine, ...changed } = options;
  const { linesPerPeerMax = LINES_PER_PEER_MAX } = options;
  const parsed = parseConfig([], {});
  if (parsed.kind !== "run") throw new Error("expected options");
  const { publishKey = [], tokenSecret = "", tokenJwks = "", pusherApp = [] } = changed;
  const isOpen = publishKey.length + pusherApp.length === 0 && tokenSecret + tokenJwks === "";
  const metricsKey = isOpen ? "" : METRICS_KEY;
  const config = { ...parsed.config, port: 0, drainS: 0, metricsKey, ...changed };
  const entries = new Inbox<LogEntry>();
  const log = createLog({
    format: "json",
    level: "debug",
    linesPerPeerMax,
    write(line) {
      onLine?.(line);
      entries.push(JSON.parse(line));
    },
  });
  const server = new Server({ config, bounds: changed, log, version, ...(clock && { clock }) });
  try {
    const { port } = await server.listen();
    return new TestServer(server, port, entries, clock);
  } catch (error) {
    await server.stop();
    throw error;
  }
}
