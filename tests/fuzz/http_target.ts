import { assert, assertEquals } from "@std/assert";
import { deadline, eventually } from "../support/deadline.ts";
import { SocketClock } from "../support/engineio.ts";
import { type ServerOptions, startServer, type TestServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";
import { KEY } from "./http_grammar.ts";

/** What has to be as before once the attackers have left. */
const COUNTS =
  /^hark_(sessions|in_use\{bound="(connections|handshakes)|engineio_sessions|body_bytes|closing_sessions)/;
/** What no attacker says. */
const PROBE = "all is well";
/** Longer than the server waits for anything. */
const LONG_MS = 120_000;

/** The server, and a client of it that does no harm. */
export class Target {
  readonly server: TestServer;
  readonly #clock: SocketClock;
  readonly #client: Client;
  readonly #lines: string[];
  #probes = 0;
  #before: ReadonlyMap<string, number> = new Map();

  static async start(options: ServerOptions): Promise<Target> {
    const clock = new SocketClock();
    const lines: string[] = [];
    const onLine = (line: string) => void lines.push(line);
    const bounds = {
      publishPerSecondMax: 1_000_000,
      publishBytesMax: 2000,
      pollingBytesMax: 2048,
      linesPerPeerMax: Infinity,
    };
    const server = await startServer({ ...bounds, clock, onLine, ...options });
    const client = await Client.open(server.socketUrl(`/ws?key=${KEY}`));
    const target = new Target(server, clock, client, lines);
    target.#before = await target.#counts();
    return target;
  }

  private constructor(server: TestServer, clock: SocketClock, client: Client, lines: string[]) {
    this.server = server;
    this.#clock = clock;
    this.#client = client;
    this.#lines = lines;
  }

  /** Resolves once the server has answered, and so has seen what was sent before. */
  async probe(): Promise<void> {
    const { status, body } = await deadline(this.server.fetch("/healthz"));
    assertEquals([status, body], [200, '{"status":"alive"}']);
  }

  /** Throws unless the server is as it was. */
  async check(): Promise<void> {
    const probes = [++this.#probes, ++this.#probes].map((number) => `${PROBE} ${number}`);
    for (const probe of probes) await this.server.broadcast(probe, `?key=${KEY}`);
    const last = JSON.stringify({ message: probes[1] });
    const isLast = (frame: unknown) => frame === last;
    const got: unknown[] = [];
    while (!got.some(isLast)) got.push(await this.#client.frames.next());
    assertEquals(
      got.filter((frame) => String(frame).includes(PROBE)),
      probes.map((message) => JSON.stringify({ message })),
    );
    this.#clock.advance(LONG_MS);
    await eventually(
      () => this.#counts(),
      (counts) => JSON.stringify([...counts]) === JSON.stringify([...this.#before]),
    );
    this.#checkLog();
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.server.stop();
  }

  async #counts(): Promise<ReadonlyMap<string, number>> {
    this.#clock.advance(1000);
    const metrics = await this.server.metrics();
    return new Map([...metrics].filter(([name, value]) => COUNTS.test(name) && value !== 0));
  }

  #checkLog(): void {
    for (const line of this.#lines.splice(0)) {
      assert(!/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(line), `a line has a control character: ${line}`);
      assert(!line.includes(KEY), `the key is in the log: ${line}`);
    }
    for (const entry of this.server.log.takeAll()) {
      assert(entry.level !== "error", `an error is in the log: ${JSON.stringify(entry)}`);
    }
  }
}
