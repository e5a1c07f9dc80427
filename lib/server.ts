import type { Tokens } from "./auth/tokens.ts";
import { BOUNDS, type Bounds } from "./bounds.ts";
import type { SharedPort } from "./cluster/shared_port.ts";
import { type Config, ConfigError } from "./config/config.ts";
import { openLog } from "./config/configure.ts";
import { type Clock, every, systemClock, type Timer, wait, within } from "./core/clock.ts";
import { CertificateError } from "./core/errors.ts";
import { listen, type Listener } from "./net/listener.ts";
import type { Log } from "./observe/log.ts";
import { probeLoop } from "./observe/process.ts";
import { VERSION } from "./version.ts";
import { type Parts, wire, type WiringOptions } from "./wiring.ts";

/** All that a server needs from outside. */
export interface ServerOptions {
  readonly config: Config;
  /** By default the console, in the format and at the level of the options. */
  readonly log?: Log;
  readonly version?: string;
  readonly clock?: Clock;
  /** By default `BOUNDS`; for tests. */
  readonly bounds?: Partial<Bounds>;
  /** What it shares with other processes on its port; by default it has the port to itself. */
  readonly shared?: SharedPort;
}

const EXPIRY_CHECK_MS = 1000;
/** How long a client may take to close its connection, or to read its last answer. */
const LEAVE_MS = 2000;

/** One node, from its start to its end; `wire()` makes its parts. */
export class Server {
  readonly #options: WiringOptions;
  /** Defined from `listen()` on. */
  #parts: Parts | undefined;
  #timers: readonly (Timer | undefined)[] = [];
  #listener: Listener | undefined;
  /** Settles when `listen()` does. */
  #listening: Promise<unknown> | undefined;
  #draining = false;

  constructor(options: ServerOptions) {
    const { log = openLog(options.config), version = VERSION, clock = systemClock } = options;
    this.#options = {
      log,
      version,
      clock,
      shared: options.shared,
      config: { ...options.config, ...BOUNDS, ...options.bounds },
      isReady: () => this.isReady,
      handle: (request, address) => this.handle(request, address, true),
    };
  }

  /**
   * Opens the log, starts to listen, and returns where. Throws a `ListenError` if the address cannot be
   * used, a `StoreError` if the store cannot, and a `ConfigError` if another file that an option names
   * cannot; then all is released, and it may be called again. Throws an `Error` if the server listens
   * already, or was stopped.
   */
  async listen(): Promise<Pick<Listener, "url" | "port">> {
    if (this.#listening !== undefined || this.#draining) {
      throw new Error("Cannot listen: expected a server that neither listens nor was stopped");
    }
    const listening = this.#start();
    this.#listening = listening;
    try {
      return await listening;
    } catch (error) {
      this.#listening = undefined;
      throw error;
    }
  }

  /** Makes the parts and opens them; releases them again if one cannot be opened. */
  async #start(): Promise<Listener> {
    const parts = this.#parts = await wire(this.#options);
    try {
      return this.#listener = await this.#open(parts);
    } catch (error) {
      this.#parts = undefined;
      await this.#release(parts);
      throw error;
    }
  }

  async #open(parts: Parts): Promise<Listener> {
    const { config, log, clock, shared } = this.#options;
    const { broker, hub, sink, protocols, forwarding, cluster, metrics, connections, tokens } =
      parts;
    this.#timers = [
      probeLoop(clock, (delayS) => metrics.eventLoopDelaySeconds.set(delayS)),
      tokens && every(clock, EXPIRY_CHECK_MS, () => hub.endExpired()),
    ];
    await readTokenKeys(tokens);
    await broker.start(sink);
    for (const protocol of protocols) protocol.start?.();
    forwarding?.listen();
    cluster.start();
    return await listen({
      config,
      log,
      clock,
      metrics,
      connections,
      reusePort: shared !== undefined,
      handle: (...request) =>
        forwarding?.relay(...request) ?? shared?.relay(...request) ?? this.handle(...request),
    });
  }

  /**
   * Answers a request, whatever way it came; `isFromNode` if another node forwarded it. Rejects with an
   * `Error` before `listen()`.
   */
  async handle(request: Request, address: string, isFromNode = false): Promise<Response> {
    if (this.#parts === undefined) throw new Error("Cannot handle a request: call listen() first");
    return await this.#parts.pipeline.handle(request, address, isFromNode);
  }

  /** True while it accepts clients: it listens and is not stopping. */
  get isReady(): boolean {
    return this.#listener !== undefined && !this.#draining;
  }

  /**
   * Reads files again that may have changed: the certificate with its key, and the keys of tokens.
   * Sessions stay. A file that cannot be used is logged, and the old contents stay.
   */
  async renew(): Promise<void> {
    const { log } = this.#options;
    const tokens = this.#parts?.tokens;
    const renewCertificate = this.#listener?.renewCertificate;
    if (renewCertificate !== undefined) await this.#renew("certificate", renewCertificate);
    if (tokens?.areInFile) await this.#renew("token keys", () => tokens.renew());
    else if (renewCertificate === undefined) {
      log.info("nothing to read again: there is no certificate, and no file of token keys");
    }
  }

  /**
   * Stops: accepts no new connection, disconnects the clients spread over `drainS` seconds, delivers what
   * was accepted, and releases everything. Resolves when all of that is done. Waits for a `listen()` that
   * has not settled.
   */
  async stop(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    await this.#listening?.catch(() => {}); // Whoever called `listen()` gets the error.
    const parts = this.#parts;
    if (parts === undefined) return;
    const { hub, cluster, connections, protocols } = parts;
    connections.stopAdmitting();
    await hub.drain(this.#options.config.drainS * 1000, !cluster.isAlone);
    for (const protocol of protocols) protocol.endAll?.();
    await connections.gone(LEAVE_MS, () => hub.size);
    await this.#release(parts);
  }

  async #release(parts: Parts): Promise<void> {
    const { broker, hub, cluster, tokens, publish, protocols, forwarding } = parts;
    for (const timer of this.#timers) timer?.cancel();
    for (const each of [hub, ...protocols, tokens, publish]) each?.close?.();
    await this.#stopListening(forwarding);
    await Promise.all(protocols.map((protocol) => protocol.flush?.()));
    cluster.stop(); // Only now: until then other nodes count its sessions.
    await broker.close();
  }

  async #renew(what: string, renew: () => void | Promise<void>): Promise<void> {
    const { log } = this.#options;
    try {
      await renew();
      log.info(`${what} renewed`);
    } catch (error) {
      if (!(error instanceof CertificateError || error instanceof SyntaxError)) throw error;
      log.error(`${what} not renewed`, { why: error.message });
    }
  }

  /** Stops listening, and does not wait long for clients that do not read their answers. */
  async #stopListening(forwarding: Parts["forwarding"]): Promise<void> {
    const { clock } = this.#options;
    // Otherwise it would overtake what was written in this turn.
    if (this.#listener !== undefined) await wait(clock, 1);
    const closed = Promise.all([this.#listener?.close(), forwarding?.close()]);
    await within(clock, LEAVE_MS, closed);
  }
}

async function readTokenKeys(tokens: Tokens | undefined): Promise<void> {
  try {
    await tokens?.start();
  } catch (error) {
    if (error instanceof SyntaxError) throw new ConfigError([error.message]);
    throw error;
  }
}
