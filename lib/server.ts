import { BOUNDS, type Bounds } from "./bounds.ts";
import type { SharedPort } from "./cluster/shared_port.ts";
import { type Config, ConfigError } from "./config/config.ts";
import { openLog } from "./config/configure.ts";
import { type Clock, every, systemClock, type Timer, wait, within } from "./core/clock.ts";
import { listen, type Listener } from "./net/listener.ts";
import { type Renewable, renewAll } from "./net/renewal.ts";
import type { Log } from "./observe/log.ts";
import { probeLoop } from "./observe/process.ts";
import { VERSION } from "./version.ts";
import { type Parts, wire } from "./wiring.ts";

/** What a server is made of; everything it needs from outside is passed in. */
export interface ServerOptions {
  readonly config: Config;
  /** By default the console, as the options say. */
  readonly log?: Log;
  readonly version?: string;
  readonly clock?: Clock;
  /** By default `BOUNDS`; for tests. */
  readonly bounds?: Partial<Bounds>;
  /** What it has in common with other processes; by default it is alone on its port. */
  readonly shared?: SharedPort;
}

const EXPIRY_CHECK_MS = 1000;
/** How long a client may take to answer that it leaves, or to read its last answer. */
const LEAVE_MS = 2000;

/** One node, from its start to its end; `wire()` makes what it is made of. */
export class Server {
  readonly #config: Config & Bounds;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #shared: SharedPort | undefined;
  readonly #parts: Parts;
  readonly #timers: readonly (Timer | undefined)[];
  #listener: Listener | undefined;
  #draining = false;

  constructor(options: ServerOptions) {
    const { log = openLog(options.config), version = VERSION, clock = systemClock } = options;
    const config = { ...options.config, ...BOUNDS, ...options.bounds };
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    this.#shared = options.shared;
    const { metrics, hub, tokens } = this.#parts = wire({
      ...{ config, log, clock, version },
      shared: options.shared,
      isReady: () => this.isReady,
      handle: (request, address) => this.handle(request, address, true),
    });
    this.#timers = [
      probeLoop(clock, (delayS) => metrics.eventLoopDelaySeconds.set(delayS)),
      tokens && every(clock, EXPIRY_CHECK_MS, () => hub.endExpired()),
    ];
  }

  /**
   * Starts to listen, and returns where. Throws a `ListenError` if the address cannot be had, a
   * `StoreError` if the store cannot be used, and a `ConfigError` if another file that an option names
   * is not as it should be.
   */
  async listen(): Promise<Pick<Listener, "url" | "port">> {
    const { broker, sink, protocols, forwarding, cluster, metrics, connections } = this.#parts;
    await this.#readTokenKeys();
    await broker.start(sink);
    for (const protocol of protocols) protocol.start?.();
    forwarding?.listen();
    cluster.start();
    return this.#listener = await listen({
      ...{ metrics, connections },
      config: this.#config,
      clock: this.#clock,
      log: this.#log,
      reusePort: this.#shared !== undefined,
      handle: (...came) =>
        forwarding?.relay(...came) ?? this.#shared?.relay(...came) ?? this.handle(...came),
    });
  }

  /** Answers a request that has come by another way than the port; `isSentOn` if by another node. */
  handle(request: Request, address: string, isSentOn = false): Promise<Response> {
    return this.#parts.pipeline.handle(request, address, isSentOn);
  }

  /** Ready for more clients: listening, and not stopping. */
  get isReady(): boolean {
    return this.#listener !== undefined && !this.#draining;
  }

  /**
   * Reads again what may have changed in files: the certificate with its key, and the keys of tokens.
   * Sessions stay. What cannot be used is logged, and stays what it was.
   */
  async renew(): Promise<void> {
    const { tokens } = this.#parts;
    const renew = this.#listener?.renewCertificate;
    const renewables: Renewable[] = [];
    if (renew !== undefined) renewables.push({ what: "certificate", renew });
    if (tokens?.areInFile) renewables.push({ what: "token keys", renew: () => tokens.renew() });
    await renewAll(renewables, this.#log);
  }

  /**
   * Stops: takes no new connection, sends the clients away spread over `drainS` seconds, delivers
   * what was accepted, and releases everything. Resolves when all is done.
   */
  async stop(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const { broker, hub, cluster, connections, tokens, publish, protocols } = this.#parts;
    connections.stopAdmitting();
    await hub.drain(this.#config.drainS * 1000, !cluster.isAlone);
    for (const protocol of protocols) protocol.endAll?.();
    await connections.gone(LEAVE_MS, () => hub.size);
    for (const timer of this.#timers) timer?.cancel();
    for (const each of [hub, ...protocols, tokens, publish]) each?.close?.();
    await this.#stopListening();
    await Promise.all(protocols.map((protocol) => protocol.flush?.()));
    cluster.stop(); // Only now: until here the others count its sessions.
    await broker.close();
  }

  /** Does not wait long for a client that does not read its answer. */
  async #stopListening(): Promise<void> {
    await wait(this.#clock, 1); // Shutting down overtakes what was written in this turn.
    const closed = Promise.all([this.#listener?.close(), this.#parts.forwarding?.close()]);
    await within(this.#clock, LEAVE_MS, closed);
  }

  async #readTokenKeys(): Promise<void> {
    try {
      await this.#parts.tokens?.start();
    } catch (error) {
      if (error instanceof SyntaxError) throw new ConfigError([error.message]);
      throw error;
    }
  }
}
