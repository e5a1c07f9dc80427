import type { JsonObject, SocketPacket } from "./codec.ts";
import { SocketDecoder } from "./decoder.ts";
import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import { because, type Disconnect, DISCONNECTS } from "../../core/errors.ts";
import type { EngineEvents, EngineSession, Part } from "../engineio/session.ts";
import { encodeParts, type Handshake, ServerSocket, type SocketLink } from "./socket.ts";

export { type Ack, type EventHandler, type Handshake, ServerSocket } from "./socket.ts";

/** How long a client may be in no namespace. */
export const CONNECT_TIMEOUT_MS = 45_000;
/** Namespaces that one client may be in, each a session. */
export const NAMESPACES_MAX = 16;

/** What a Socket.IO server needs, and the bounds it keeps. */
export interface SocketServerOptions {
  readonly clock: Clock;
  /** How long a client may be in no namespace. */
  readonly connectTimeoutMs: number;
  /** Namespaces that one client may be in. */
  readonly namespacesMax: number;
  /** Bytes of one packet's attachments together. */
  readonly attachmentBytesMax: number;
  /** A handler threw; the client stays. */
  readonly onError: (error: unknown) => void;
  /** The client at `address` has met a bound, and is told: `why`. */
  readonly onLimit: (why: string, address: string) => void;
}

/** Looks at a socket before it is let in; throws to refuse it, and the error's message is told. */
export type Middleware = (socket: ServerSocket) => void | Promise<void>;

/** A refusal that tells the client more than a message. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly data: unknown;

  constructor(message: string, data?: unknown) {
    super(message);
    this.data = data;
  }
}

/** The namespaces whose names a predicate accepts. */
export class Namespaces {
  readonly accepts: (name: string) => boolean;
  readonly middleware: Middleware[] = [];
  onConnection: ((socket: ServerSocket) => void) | undefined;

  constructor(accepts: (name: string) => boolean) {
    this.accepts = accepts;
  }

  /** Adds middleware; they run in the order in which they were added. */
  use(middleware: Middleware): this {
    this.middleware.push(middleware);
    return this;
  }

  /** Called with each socket that was let in. */
  on(_event: "connection", handler: (socket: ServerSocket) => void): this {
    this.onConnection = handler;
    return this;
  }
}

/**
 * A Socket.IO server, protocols 4 and 5, on top of an `EngineServer`:
 *
 * ```ts ignore
 * const io = new SocketServer(options);
 * io.of("/").use(({ handshake }) => {
 *   if (handshake.auth.token !== "secret") throw new Error("wrong token");
 * }).on("connection", (socket) => {
 *   socket.on("question", (text, ack) => ack(`you asked ${text}`));
 *   socket.emit("message", { message: "welcome" });
 * });
 * const engine = new EngineServer({ ...limits, onConnection: (session) => io.attach(session) });
 * ```
 */
export class SocketServer {
  readonly options: SocketServerOptions;
  /** Connections that are in no namespace yet. For the connections alone. */
  readonly joining: Deadlines<Connection>;
  readonly #namespaces: Namespaces[] = [];

  constructor(options: SocketServerOptions) {
    this.options = options;
    this.joining = new Deadlines(options.clock, options.connectTimeoutMs, (connection) => {
      connection.endLate();
    });
  }

  /** The namespace of this name, or all those that the predicate accepts; the first match counts. */
  of(name: string | ((name: string) => boolean)): Namespaces {
    const accepts = typeof name === "string" ? (given: string) => given === name : name;
    const namespaces = new Namespaces(accepts);
    this.#namespaces.push(namespaces);
    return namespaces;
  }

  /** Serves a connection. */
  attach(session: EngineSession): void {
    new Connection(this, session).begin();
  }

  /** Who serves namespace `name`. For the connections alone. */
  find(name: string): Namespaces | undefined {
    return this.#namespaces.find(({ accepts }) => accepts(name));
  }
}

/** One client's connection and its sockets, one for each namespace that it is in. */
class Connection implements EngineEvents, SocketLink {
  readonly protocol: 4 | 5;
  readonly #server: SocketServer;
  readonly #engine: EngineSession;
  readonly #decoder: SocketDecoder;
  readonly #sockets = new Map<string, ServerSocket>();

  constructor(server: SocketServer, engine: EngineSession) {
    this.#server = server;
    this.#engine = engine;
    this.protocol = engine.codec.version === 3 ? 4 : 5;
    this.#decoder = new SocketDecoder(this.protocol, server.options.attachmentBytesMax);
    engine.events = this;
  }

  get bufferedBytes(): number {
    return this.#engine.bufferedBytes;
  }

  /** In protocol 4 everybody is in `/`; in protocol 5 a client has to ask, in time. */
  begin(): void {
    if (this.protocol === 4) {
      this.#join({ type: "connect", namespace: "/" });
      return;
    }
    this.#server.joining.start(this);
  }

  onMessage(data: Part): void {
    const packet = this.#decoder.add(data);
    if (!packet.ok) return this.#fail(packet.reason);
    if (packet.value !== undefined) this.#receive(packet.value);
  }

  write(part: Part): void {
    this.#engine.write(part);
  }

  left(socket: ServerSocket): void {
    this.#sockets.delete(socket.namespace);
    if (this.#sockets.size === 0) this.#server.joining.start(this);
  }

  onClose(why: string): void {
    for (const socket of [...this.#sockets.values()]) socket.end(why);
    this.#server.joining.cancel(this);
  }

  close(reason: Disconnect): void {
    this.#engine.close(reason);
  }

  /** Ends the connection because it is in no namespace, and was for long enough. */
  endLate(): void {
    const why = "joined no namespace in time";
    this.#tellLimit(why);
    this.close(because(DISCONNECTS.protocol, why));
  }

  onError(error: unknown): void {
    this.#server.options.onError(error);
  }

  #tellLimit(why: string): void {
    this.#server.options.onLimit(why, this.#engine.handshake.address);
  }

  #receive(packet: SocketPacket): void {
    const socket = this.#sockets.get(packet.namespace);
    if (packet.type === "connect") {
      if (socket === undefined) return this.#join(packet);
      if (this.protocol === 5) this.#fail("namespace is joined already");
      return;
    }
    if (socket?.connected && packet.type !== "connect_error") return socket.receive(packet);
    if (this.protocol === 5) this.#fail(`${packet.type} in a namespace that was not joined`);
  }

  #join(packet: SocketPacket & { type: "connect" }): void {
    const { namespace } = packet;
    const { namespacesMax } = this.#server.options;
    const namespaces = this.#server.find(namespace);
    if (namespaces === undefined) return this.#refuse(namespace, new Error("Invalid namespace"));
    if (this.#sockets.size >= namespacesMax) {
      this.#tellLimit("too many namespaces");
      return this.#refuse(namespace, new Error(`At most ${namespacesMax} namespaces`));
    }
    const socket = new ServerSocket(
      this.#socketId(namespace),
      namespace,
      this.#handshake(packet),
      this,
    );
    this.#sockets.set(namespace, socket);
    this.#server.joining.cancel(this);
    this.#admit(socket, namespaces);
  }

  /** Runs the middleware and lets the socket in, at once if none of it waits. */
  #admit(socket: ServerSocket, namespaces: Namespaces): void {
    const steps = namespaces.middleware.values();
    const next = (): void => {
      try {
        for (const step of steps) {
          const waiting = step(socket);
          if (waiting !== undefined) return void waiting.then(next, refuse);
        }
      } catch (error) {
        return refuse(error);
      }
      if (!socket.ended) this.#letIn(socket, namespaces);
    };
    const refuse = (error: unknown) => {
      if (socket.ended) return;
      socket.end("refused");
      this.#refuse(socket.namespace, error);
    };
    next();
  }

  #letIn(socket: ServerSocket, { onConnection }: Namespaces): void {
    socket.connect();
    try {
      onConnection?.(socket);
    } catch (error) {
      this.onError(error);
    }
  }

  #refuse(namespace: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const data = error instanceof ConnectError ? error.data : undefined;
    const details: JsonObject = data === undefined ? { message } : { message, data };
    const refusal: SocketPacket = {
      type: "connect_error",
      namespace,
      data: this.protocol === 4 ? message : details,
    };
    for (const part of encodeParts(refusal, this.protocol)) this.write(part);
  }

  #handshake({ query, data }: SocketPacket & { type: "connect" }): Handshake {
    const first = this.#engine.handshake;
    return {
      auth: data ?? {},
      query: query === undefined ? first.query : new URLSearchParams(query),
      address: first.address,
      get headers() {
        return first.headers;
      },
    };
  }

  /** In protocol 4 clients take the engine's sid for their id; in protocol 5 it is a secret. */
  #socketId(namespace: string): string {
    const { id } = this.#engine;
    if (this.protocol === 4) return namespace === "/" ? id : `${namespace}#${id}`;
    const bytes = crypto.getRandomValues(new Uint8Array(15));
    return bytes.toBase64({ alphabet: "base64url" });
  }

  #fail(reason: string): void {
    this.#engine.fail(because(DISCONNECTS.protocol, reason));
  }
}
