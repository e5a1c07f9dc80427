import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import { BodyReader } from "../../lib/http/body.ts";
import { addCors, CORS } from "../../lib/http/cors.ts";
import { Connection } from "../../lib/hub/connections.ts";
import type { EngineSession } from "../../lib/protocols/engineio/session.ts";
import { EngineServer, type EngineServerOptions } from "../../lib/protocols/engineio/server.ts";
import { Gauge } from "../../lib/observe/metrics.ts";
import { Handshakes } from "../../lib/protocols/websocket/socket.ts";
import { deadline } from "./deadline.ts";
import { FakeClock } from "./fake_clock.ts";
import { Inbox } from "./inbox.ts";
import type { Answer } from "./reachable.ts";
import { Client } from "./socket.ts";

/** A clock that stands still, but whose turns end by themselves, as sockets need it. */
export class SocketClock extends FakeClock {
  override afterTurn(callback: () => void): void {
    setImmediate(callback);
  }
}

/** The server's end of a session, with what has come on it. */
export class HostSession {
  readonly engine: EngineSession;
  readonly messages: Inbox<string | Uint8Array> = new Inbox();
  readonly #closed = Promise.withResolvers<string>();

  constructor(engine: EngineSession) {
    this.engine = engine;
    engine.events = {
      onMessage: (data) => this.messages.push(data),
      onClose: (why) => {
        this.messages.end(why);
        this.#closed.resolve(why);
      },
    };
  }

  /** Sends text messages. */
  send(...messages: string[]): void {
    for (const message of messages) this.engine.write(`4${message}`);
  }

  /** Why the session ended, once it has. */
  closed(): Promise<string> {
    return deadline(this.#closed.promise);
  }
}

/** The options of an `EngineHost` that tests change. */
export type EngineHostOptions = Partial<EngineServerOptions> & {
  readonly slots?: number;
  readonly clock?: SocketClock;
};

/** An Engine.IO server on a free port, whose clock stands still until a test turns it. */
export class EngineHost implements AsyncDisposable {
  readonly clock: SocketClock;
  readonly server: EngineServer;
  /** Sessions in the order in which they began. */
  readonly sessions: Inbox<HostSession> = new Inbox();
  /** The URL of each request that the server is busy with or has answered. */
  readonly arrived: Inbox<string> = new Inbox();
  /** What clients did wrong. */
  readonly faults: string[] = [];
  /** What handlers threw. */
  readonly errors: unknown[] = [];
  readonly #bodies: BodyReader;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  #taken = 0;
  readonly #closing = new Gauge("");
  #changed = Promise.withResolvers<void>();

  constructor(options: EngineHostOptions = {}) {
    const {
      slots = Infinity,
      clock = new SocketClock(),
      pollingBytesMax = 1_000_000,
      ...changed
    } = options;
    this.clock = clock;
    this.#bodies = new BodyReader({ clock, bytesMax: 10_000_000, timeoutMs: 30_000 });
    this.server = new EngineServer({
      clock,
      sidPrefix: "",
      pingIntervalMs: 25_000,
      pingTimeoutMs: 20_000,
      upgradeTimeoutMs: 10_000,
      pollingBytesMax,
      outboundBytesMax: 1_000_000,
      inboundPerSecondMax: 1000,
      handshakes: new Handshakes(clock, 10_000, () => {}),
      newcomersMax: 100,
      isShared: () => true,
      readBody: (request) => this.#bodies.read(request, pollingBytesMax),
      admit: (address) => Promise.try(() => this.#admit(address, slots)),
      onConnection: (engine) => this.sessions.push(new HostSession(engine)),
      ...changed,
    });
    this.#http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      return this.#handle(request);
    });
  }

  get port(): number {
    return this.#http.addr.port;
  }

  /** Slots that are held. */
  get taken(): number {
    return this.#taken;
  }

  /** Resolves once exactly `count` slots are held. */
  async holds(count: number): Promise<void> {
    const wait = async () => {
      while (this.#taken !== count) await this.#changed.promise;
    };
    await deadline(wait());
  }

  async fetch(query: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.port}/?${query}`, init);
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  /** Begins a session that polls. */
  async poll(query = "EIO=4"): Promise<PollingClient> {
    const { body } = await this.fetch(`${query}&transport=polling`);
    const [, sid = ""] = /\bsid\\?":\\?"([\w-]+)/.exec(body) ?? [];
    return new PollingClient(this, await this.sessions.next(), query, sid);
  }

  /** Opens a WebSocket. */
  connect(query = "EIO=4"): Promise<Client> {
    return Client.open(`ws://127.0.0.1:${this.port}/?${query}&transport=websocket`);
  }

  /** Begins a session on a WebSocket, and takes its open packet. */
  async open(query = "EIO=4"): Promise<{ client: Client; session: HostSession }> {
    const client = await this.connect(query);
    await client.text();
    return { client, session: await this.sessions.next() };
  }

  /** Stops, and makes sure that nothing is left behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    this.#bodies.close();
    await this.holds(0);
    await this.#http.shutdown();
    assertEquals(
      { sessions: this.server.size, closing: this.#closing.value, timers: this.clock.timers },
      { sessions: 0, closing: 0, timers: 0 },
    );
    assertEquals(this.errors, []);
  }

  async #handle(request: Request): Promise<Response> {
    const { searchParams: query } = new URL(request.url);
    const answer = this.server.handle({ request, query, address: "192.0.2.1" });
    this.arrived.push(request.url);
    try {
      return withCors(request, await answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return new Response(error.message, { status: 503 });
    }
  }

  #admit(address: string, slots: number): Connection {
    if (this.#taken >= slots) throw new Refusal("over-limit", "No slot is free");
    this.#count(1);
    return new Connection(address, () => this.#count(-1), {
      closing: this.#closing,
      fault: ({ name }, _address, error) => {
        this.faults.push(name);
        if (error !== undefined) this.errors.push(error);
      },
    });
  }

  #count(change: number): void {
    this.#taken += change;
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}

/** What the route adds to each answer. */
export function withCors(request: Request, response: Response): Response {
  if (response.status !== 101) addCors(CORS.engineio, request, response.headers, () => false);
  return response;
}

/** The client's end of a session that polls. */
export class PollingClient {
  readonly session: HostSession;
  readonly sid: string;
  readonly #host: EngineHost;
  readonly #query: string;

  constructor(host: EngineHost, session: HostSession, query: string, sid: string) {
    this.#host = host;
    this.session = session;
    this.#query = `${query}&sid=${sid}`;
    this.sid = sid;
  }

  /** Polls; resolves once the poll is answered. */
  poll(extra = "", init: RequestInit = {}): Promise<Answer> {
    return deadline(this.#host.fetch(`${this.#query}&transport=polling${extra}`, init));
  }

  /** Polls, and waits until the server has the poll. */
  async openPoll(init: RequestInit = {}): Promise<{ answer: Promise<Answer> }> {
    const mark = `&t=${crypto.randomUUID()}`;
    const answer = this.poll(mark, init);
    answer.catch(() => {}); // The test looks at it in its own time.
    await this.#host.arrived.find((url) => url.endsWith(mark));
    return { answer };
  }

  post(body: BodyInit, init: RequestInit = {}): Promise<Answer> {
    return this.poll("", { method: "POST", body, ...init });
  }

  /** Opens a WebSocket that wants to take over. */
  connect(): Promise<Client> {
    return this.#host.connect(this.#query);
  }

  /** Opens a WebSocket, and probes it. */
  async probe(): Promise<Client> {
    const client = await this.connect();
    client.send("2probe");
    assertEquals(await client.text(), "3probe");
    return client;
  }

  /** Goes through the whole upgrade. */
  async upgrade(): Promise<Client> {
    const client = await this.probe();
    client.send("5");
    return client;
  }
}
