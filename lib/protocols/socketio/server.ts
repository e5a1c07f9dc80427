import { type ConnectPacket, encodePacket, type SocketPacket } from "./codec.ts";
import { type DecoderBounds, SocketDecoder } from "./decoder.ts";
import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import { because, DISCONNECTS, Refusal, type RefusalType } from "../../core/errors.ts";
import type { Part } from "../engineio/codec.ts";
import type { EngineEvents, EngineSession } from "../engineio/session.ts";
import { type JoinRequest, ServerSocket, type SocketLink } from "./socket.ts";

/** How long a client may be in no namespace. */
export const CONNECT_TIMEOUT_MS = 45_000;
/** Namespaces that one client may be in. Each is a session. */
export const NAMESPACES_MAX = 16;

/** The needs and bounds of a Socket.IO server. */
export interface SocketServerOptions extends DecoderBounds {
  readonly clock: Clock;
  /** How long a client may be in no namespace. */
  readonly connectTimeoutMs: number;
  /** Namespaces that one client may be in. */
  readonly namespacesMax: number;
  /** Reports whether there is a namespace with this name. */
  readonly accepts: (namespace: string) => boolean;
  /** Checks a socket before it joins its namespace. The client is sent the `Refusal` that it throws. */
  readonly admit: (socket: ServerSocket) => void | Promise<void>;
  /** A handler of ours failed for the client at `address`. */
  readonly onError: (error: unknown, address: string) => void;
  /** The client at `address` was refused a namespace, or was in none for too long. */
  readonly onRefused: (type: RefusalType, why: string, address: string) => void;
}

/**
 * A Socket.IO server, protocols 4 and 5, on top of an `EngineServer`:
 *
 * ```ts ignore
 * const io = new SocketServer({
 *   ...options,
 *   accepts: (namespace) => namespace === "/",
 *   admit(socket) {
 *     if (socket.request.auth.token !== "secret") throw new Refusal("forbidden", "wrong token");
 *     socket.onEvent(async ({ id, data: [event, ...args] }) => console.log(event, args));
 *   },
 * });
 * const engine = new EngineServer({ ...limits, onConnection: (session) => io.attach(session) });
 * ```
 */
export class SocketServer {
  readonly #options: SocketServerOptions;
  /** Clients that are in no namespace yet. */
  readonly #joining: Deadlines<SocketClient>;

  constructor(options: SocketServerOptions) {
    const { clock, connectTimeoutMs } = options;
    this.#options = options;
    this.#joining = new Deadlines(clock, connectTimeoutMs, (client) => client.endLate());
  }

  /** Serves a session. */
  attach(session: EngineSession): void {
    new SocketClient(session, this.#options, this.#joining).begin();
  }
}

/** One client and its sockets, one for each namespace that it is in. */
class SocketClient implements EngineEvents, SocketLink {
  readonly engine: EngineSession;
  readonly protocol: 4 | 5;
  readonly #options: SocketServerOptions;
  readonly #joining: Deadlines<SocketClient>;
  readonly #decoder: SocketDecoder;
  readonly #sockets = new Map<string, ServerSocket>();

  constructor(
    engine: EngineSession,
    options: SocketServerOptions,
    joining: Deadlines<SocketClient>,
  ) {
    this.engine = engine;
    this.#options = options;
    this.#joining = joining;
    this.protocol = engine.codec.version === 3 ? 4 : 5;
    this.#decoder = new SocketDecoder(this.protocol, options);
    engine.events = this;
  }

  /** In protocol 4 a client is in `/` from the start; in protocol 5 it must ask, in time. */
  begin(): void {
    if (this.protocol === 4) this.#join({ type: "connect", namespace: "/" });
    else this.#joining.start(this);
  }

  onMessage(data: Part): void {
    const packet = this.#decoder.add(data);
    if (!packet.ok) return this.#fail(packet.reason);
    if (packet.value !== undefined) this.#receive(packet.value);
  }

  left(socket: ServerSocket): void {
    this.#sockets.delete(socket.namespace);
    if (this.#sockets.size === 0) this.#joining.start(this);
  }

  onClose(why: string): void {
    for (const socket of this.#sockets.values()) socket.end(why);
    this.#joining.cancel(this);
  }

  /** Ends the connection: it has been in no namespace for too long. */
  endLate(): void {
    const why = "joined no namespace in time";
    this.#report("over-limit", why);
    this.engine.close(because(DISCONNECTS.protocol, why));
  }

  onError(error: unknown): void {
    this.#options.onError(error, this.engine.firstRequest.address);
  }

  #report(type: RefusalType, why: string): void {
    this.#options.onRefused(type, why, this.engine.firstRequest.address);
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

  #join(packet: ConnectPacket): void {
    const { namespace } = packet;
    const { namespacesMax } = this.#options;
    if (!this.#options.accepts(namespace)) {
      return this.#sendError(namespace, { message: "Invalid namespace" });
    }
    if (this.#sockets.size >= namespacesMax) {
      this.#report("over-limit", "too many namespaces");
      return this.#sendError(namespace, { message: `At most ${namespacesMax} namespaces` });
    }
    const socket = new ServerSocket(
      this.#socketId(namespace),
      namespace,
      this.#requestOf(packet),
      this,
    );
    this.#sockets.set(namespace, socket);
    this.#joining.cancel(this);
    this.#admit(socket);
  }

  /** Connects a socket once it is admitted, in this turn if that does not wait. */
  #admit(socket: ServerSocket): void {
    try {
      const waiting = this.#options.admit(socket);
      if (waiting === undefined) socket.connect();
      else waiting.then(() => socket.connect()).catch((error) => this.#refuse(socket, error));
    } catch (error) {
      this.#refuse(socket, error);
    }
  }

  #refuse(socket: ServerSocket, error: unknown): void {
    if (!(error instanceof Refusal)) {
      this.onError(error);
      return this.engine.close(DISCONNECTS.failed);
    }
    const { type, message } = error;
    this.#report(type, message);
    if (socket.ended) return;
    socket.end("refused");
    this.#sendError(socket.namespace, { message, data: { code: type } });
  }

  #sendError(namespace: string, error: { message: string; data?: unknown }): void {
    const data = this.protocol === 4 ? error.message : error;
    this.engine.write(encodePacket({ type: "connect_error", namespace, data }, this.protocol));
  }

  #requestOf({ query, data }: ConnectPacket): JoinRequest {
    const first = this.engine.firstRequest;
    return {
      auth: data ?? {},
      query: query === undefined ? first.query : new URLSearchParams(query),
      address: first.address,
      get headers() {
        return first.headers;
      },
    };
  }

  /** In protocol 4 the sid is the id of the socket on `/`; in protocol 5 the sid is a secret. */
  #socketId(namespace: string): string {
    const { id } = this.engine;
    if (this.protocol === 4) return namespace === "/" ? id : `${namespace}#${id}`;
    const bytes = crypto.getRandomValues(new Uint8Array(15));
    return bytes.toBase64({ alphabet: "base64url" });
  }

  #fail(reason: string): void {
    this.engine.fail(because(DISCONNECTS.protocol, reason));
  }
}
