import { Keys } from "./auth.ts";
import type { Config } from "./config.ts";
import { type Clock, every, systemClock, type Timer } from "./core/clock.ts";
import type { Engine } from "./core/engine.ts";
import { Refusal } from "./core/errors.ts";
import { Hub } from "./core/hub.ts";
import { Publisher } from "./core/publisher.ts";
import { Turn } from "./core/turn.ts";
import { MemoryEngine } from "./engine/memory.ts";
import { SqliteEngine } from "./engine/sqlite.ts";
import { ChannelsEndpoint } from "./http/channels.ts";
import { EventsEndpoint } from "./http/events.ts";
import { Origins } from "./http/origin.ts";
import { json, problem, refusalProblem } from "./http/problem.ts";
import { PublishEndpoint } from "./http/publish.ts";
import { answer, decodeSegment, type Exchange, type Route, Router } from "./http/router.ts";
import { SocketEndpoint } from "./http/socket.ts";
import { SocketIoEndpoint } from "./http/socketio.ts";
import { serveStatic } from "./http/static.ts";
import type { Log } from "./log.ts";
import { HarkMetrics, Registry } from "./metrics.ts";
import { Connections } from "./transport/connections.ts";
import { Handshakes, isUpgrade } from "./transport/websocket.ts";

/** What a server is made of; everything it needs from outside is passed in. */
export interface ServerOptions {
  readonly config: Config;
  readonly log: Log;
  readonly version: string;
  readonly clock?: Clock;
}

const LOOP_PROBE_MS = 1000;
const BACKLOG = 4096;
/** How long a client may take to answer that it leaves, or to read its last answer. */
const LEAVE_MS = 2000;

/** An address that cannot be listened on: taken, not this machine's, or not allowed. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** One node: the engine, the hub, and every endpoint. */
export class Server {
  readonly #config: Config;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics: HarkMetrics;
  readonly #engine: Engine;
  readonly #hub: Hub;
  readonly #connections: Connections;
  readonly #origins: Origins;
  readonly #publish: PublishEndpoint;
  readonly #channels: ChannelsEndpoint;
  readonly #socket: SocketEndpoint;
  readonly #events: EventsEndpoint;
  readonly #socketio: SocketIoEndpoint;
  readonly #router: Router;
  readonly #loopProbe: Timer;
  #http: Deno.HttpServer<Deno.NetAddr> | undefined;
  #draining = false;

  constructor({ config, log, version, clock = systemClock }: ServerOptions) {
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    const metrics = this.#metrics = new HarkMetrics({ version, memory: readMemory });
    this.#engine = openEngine(config, clock);
    this.#hub = new Hub({
      ...config,
      engine: this.#engine,
      clock,
      greeting: config.welcome,
      deliveries: metrics.deliveries,
      deliveredBytes: metrics.deliveredBytes,
      onLeave: (session, why) => this.#connections.left(session, why),
      onError: (error) => log.error("history failed", { error: String(error) }),
    });
    const connections = this.#connections = new Connections(this.#hub, config, log, metrics);
    const keys = new Keys(config.publishKey);
    const origins = this.#origins = new Origins({
      isOpen: keys.isEmpty,
      origins: config.origins,
      publicHosts: config.publicHost,
    });
    const publisher = new Publisher({
      ...config,
      engine: this.#engine,
      clock,
      onPublished(seconds, count) {
        metrics.publishSeconds.observe(seconds);
        metrics.publications.add(count);
      },
    });
    this.#publish = new PublishEndpoint({ ...config, clock, publisher, keys, origins });
    this.#channels = new ChannelsEndpoint({
      ...config,
      engine: this.#engine,
      hub: this.#hub,
      authorize: (exchange) => this.#publish.authorize(exchange),
    });
    const handshakes = new Handshakes(clock);
    const turn = new Turn(clock);
    this.#socket = new SocketEndpoint({
      ...config,
      clock,
      handshakes,
      connections,
      publisher,
      turn,
      authorize: (exchange) => this.#publish.authorize(exchange),
    });
    this.#socketio = new SocketIoEndpoint({ ...config, connections, clock, handshakes });
    this.#events = new EventsEndpoint({ ...config, connections, clock, turn });
    this.#router = new Router(this.#routes());
    this.#loopProbe = this.#probeLoop();
  }

  /** Starts to listen, and returns where. Throws a `ListenError` if the address cannot be had. */
  async listen(): Promise<Deno.NetAddr> {
    await this.#engine.start((publication) => {
      const startedAt = this.#clock.monotonic();
      this.#hub.broadcast(publication);
      this.#metrics.fanoutSeconds.observe((this.#clock.monotonic() - startedAt) / 1000);
    });
    const { host, port } = this.#config;
    try {
      this.#http = Deno.serve(
        { hostname: host, port, tcpBacklog: BACKLOG, onListen: () => {} },
        (request, info) => this.#handle(request, info.remoteAddr.hostname),
      );
    } catch (error) {
      throw new ListenError(`Cannot listen on ${host}, port ${port}: ${(error as Error).message}`);
    }
    return this.#http.addr;
  }

  /** Ready for more clients: listening, and not stopping. */
  get isReady(): boolean {
    return this.#http !== undefined && !this.#draining;
  }

  /**
   * Stops: takes no new connection, sends the clients away spread over `drainS` seconds, delivers
   * what was accepted, and lets everything go. Resolves when all is done.
   */
  async stop(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    this.#connections.stopAdmitting();
    await this.#hub.drain(this.#config.drainS * 1000);
    this.#events.close();
    this.#socketio.close();
    await this.#connections.gone(LEAVE_MS);
    this.#loopProbe.cancel();
    this.#publish.close();
    await this.#shutdown();
    await this.#engine.close();
  }

  /** Lets go of the address. A client that does not read its answer is not waited for long. */
  async #shutdown(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(LEAVE_MS, resolve);
    await Promise.race([this.#http?.shutdown(), late]);
    timer.cancel();
  }

  #routes(): Route[] {
    const { broadcast, broadcastHead } = this.#publish;
    const broadcastMethods = {
      GET: broadcast,
      POST: broadcast,
      PUT: broadcast,
      PATCH: broadcast,
      DELETE: broadcast,
      HEAD: broadcastHead,
    };
    const get = ["GET", "HEAD"];
    return [
      { path: "/broadcast/:message", methods: broadcastMethods },
      { path: "/channels", methods: { GET: this.#channels.list } },
      {
        path: "/channels/:channel",
        methods: { GET: this.#channels.history, POST: this.#publish.publish },
        publicMethods: get,
      },
      {
        path: "/channels/:channel/presence",
        methods: { GET: this.#channels.presence },
        publicMethods: get,
      },
      {
        path: "/ws",
        methods: { GET: (exchange) => this.#socket.accept(exchange) },
        publicMethods: get,
      },
      {
        path: "/events",
        methods: { GET: this.#events.open, HEAD: this.#events.head },
        publicMethods: get,
      },
      {
        path: "/count",
        methods: { GET: () => json(JSON.stringify({ count: this.#hub.size })) },
        publicMethods: get,
      },
      ...this.#socketioRoutes(),
      { path: "/healthz", methods: { GET: () => json('{"status":"alive"}') } },
      { path: "/readyz", methods: { GET: () => this.#readiness() } },
      { path: "/metrics", methods: { GET: () => this.#renderMetrics() } },
    ];
  }

  #socketioRoutes(): Route[] {
    const { socketio, socketioPath } = this.#config;
    const paths = socketio ? [socketioPath, socketioPath.slice(0, -1)] : [];
    return paths.map((path) => ({ path, methods: {}, protocol: this.#socketio.handle }));
  }

  async #handle(request: Request, address: string): Promise<Response> {
    const [path, search] = splitTarget(request.url);
    if (!this.#origins.isOwnHost(request)) {
      this.#metrics.rejected.with("misdirected").inc();
      return problem(
        421,
        "misdirected",
        "This host name is not the server's: start it with --public-host NAME to allow it",
      );
    }
    if (path === "/" && isUpgrade(request)) {
      return await this.#answer(WS_PATH, request, address, search);
    }
    return await this.#answer(path, request, address, search);
  }

  async #answer(path: string, request: Request, address: string, search: string) {
    const match = this.#router.find(path);
    if (match === undefined) return await serveStatic(request, path);
    let response: Response;
    try {
      const params: Record<string, string> = {};
      for (const [name, text] of Object.entries(match.params)) params[name] = decodeSegment(text);
      const query = new URLSearchParams(search);
      const exchange: Exchange = { request, path, query, params, address };
      response = await answer(match.route, exchange);
    } catch (error) {
      response = this.#refuse(error, address);
    }
    if (response.status === 101 || match.route.protocol !== undefined) return response;
    return this.#finish(request, response, match.route);
  }

  #finish(request: Request, response: Response, route: Route): Response {
    const { headers } = response;
    const method = request.method === "OPTIONS"
      ? request.headers.get("access-control-request-method") ?? "OPTIONS"
      : request.method;
    this.#origins.addCors(request, headers, route.publicMethods?.includes(method) ?? false);
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    headers.set("x-content-type-options", "nosniff");
    return response;
  }

  #refuse(error: unknown, address: string): Response {
    if (error instanceof Refusal) {
      this.#connections.refused(error.type, error.message, address);
      return refusalProblem(error);
    }
    this.#log.error("request failed", { address, error: String(error) }, address);
    return problem(500, "internal", "Something went wrong in the server, not in your request");
  }

  #readiness(): Response {
    if (this.isReady) return json('{"status":"ready"}');
    return problem(503, "unavailable", "The server is stopping: use another");
  }

  #renderMetrics(): Response {
    const { channels, publications, bytes } = this.#engine.stats();
    this.#metrics.channels.set(Math.max(channels, this.#hub.channels));
    this.#metrics.historyPublications.set(publications);
    this.#metrics.historyBytes.set(bytes);
    this.#metrics.watchedChannels.set(this.#hub.presence.watched);
    return new Response(this.#metrics.render(), {
      headers: { "content-type": Registry.contentType },
    });
  }

  /** Measures how late a timer is: what everything else waits too. */
  #probeLoop(): Timer {
    let dueAt = this.#clock.monotonic() + LOOP_PROBE_MS;
    return every(this.#clock, LOOP_PROBE_MS, () => {
      const now = this.#clock.monotonic();
      this.#metrics.eventLoopDelaySeconds.set(Math.max(0, now - dueAt) / 1000);
      dueAt = now + LOOP_PROBE_MS;
    });
  }
}

const WS_PATH = "/ws";

function openEngine(config: Config, clock: Clock): Engine {
  if (config.store === "") return new MemoryEngine(clock, config);
  return SqliteEngine.open(config.store, { clock, limits: config, sync: config.storeSync });
}

/** Path and query as they were sent: `URL` would resolve dots and turn backslashes around. */
function splitTarget(url: string): [path: string, search: string] {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const target = start < 0 ? "/" : url.slice(start);
  const mark = target.indexOf("?");
  return mark < 0 ? [target, ""] : [target.slice(0, mark), target.slice(mark)];
}

function readMemory(): { rss: number; heap: number } {
  const { rss, heapUsed } = Deno.memoryUsage();
  return { rss, heap: heapUsed };
}
