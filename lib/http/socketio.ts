import { socketioFormat } from "../codec/socketio_format.ts";
import { isChannel } from "../core/channel.ts";
import { type Disconnect, readInput, Refusal } from "../core/errors.ts";
import { parsePosition, type Position } from "../core/publication.ts";
import type { Session } from "../core/session.ts";
import type { Format, Frame, Transport } from "../core/transport.ts";
import { type Ack, type Handshake, type ServerSocket, SocketServer } from "../socketio/server.ts";
import type { Connections } from "../transport/connections.ts";
import { EngineServer, type EngineServerOptions } from "../transport/engineio.ts";
import { BodyReader } from "./body.ts";
import type { Handler } from "./router.ts";
import { readSubscription } from "./subscription.ts";

type EngineLimits = Omit<EngineServerOptions, `on${string}` | "admit" | "allows" | "readBody">;

/** What the Socket.IO endpoint needs, and the bounds it keeps. */
export interface SocketIoOptions extends EngineLimits {
  readonly connections: Connections;
  readonly connectTimeoutMs: number;
  readonly channelsPerSessionMax: number;
  /** Also how many clients' subscriptions are remembered for when they come back. */
  readonly connectionsMax: number;
}

/** Posts of the largest size that can be read at a time. */
const LARGEST_POSTS = 64;

/** Answers Socket.IO: namespace `/` is everybody's, `/news` is the channel `news`. */
export class SocketIoEndpoint {
  readonly #connections: Connections;
  readonly #engine: EngineServer;
  readonly #bodies: BodyReader;
  readonly #formats = new Formats();
  readonly #recoveries: Recoveries;

  constructor(options: SocketIoOptions) {
    const { connections, clock, pollingBytesMax } = options;
    this.#bodies = new BodyReader({ clock, bytesMax: LARGEST_POSTS * pollingBytesMax });
    this.#connections = connections;
    this.#recoveries = new Recoveries(options.connectionsMax);
    const io = new SocketServer({
      clock,
      connectTimeoutMs: options.connectTimeoutMs,
      namespacesMax: options.channelsPerSessionMax,
      onError: (error) => connections.failed(error),
    });
    io.of((name) => name === "/" || isChannel(name.slice(1))).use((socket) => this.#open(socket));
    this.#engine = new EngineServer({
      ...options,
      readBody: (request, bytesMax) => this.#bodies.read(request, bytesMax),
      allows: () => true,
      admit: (address) => connections.admit(address),
      onConnection: (socket) => io.attach(socket),
      onFault: (reason, address, error) => connections.fault(reason, address, error),
      onClosing: () => connections.closing(),
      onClosed: () => connections.closed(),
    });
  }

  /** Answers one request, whatever its method. */
  readonly handle: Handler = (exchange) => this.#engine.handle(exchange);

  /** Ends every connection. */
  close(): void {
    this.#engine.close();
    this.#bodies.close();
  }

  /** Makes a session of a socket; what it returns resolves when the client has been let in. */
  #open(socket: ServerSocket): void | Promise<void> {
    const { namespace, handshake } = socket;
    const recovery = this.#recoveries.read(handshake);
    const asked = namespace === "/"
      ? readSubscription(handshake.query)
      : { channels: [namespace.slice(1)], since: undefined };
    const channels = [...new Set([...asked.channels, ...recovery?.channels ?? []])];
    const since = recovery?.since ?? asked.since;
    this.#connections.hub.checkSubscriptions(channels);

    const { promise, resolve } = Promise.withResolvers<void>();
    const transport = new SocketIoTransport(socket, this.#formats.take(socket));
    const session = this.#connections.open(transport, handshake, channels, {
      since,
      onWelcome: ({ position, recovered }, { subscriptions }) => {
        const isRecovered = recovered === true && recovery?.channels !== undefined;
        const pid = isRecovered ? recovery.pid : newPid(position);
        this.#recoveries.remember(pid, subscriptions);
        socket.connect(socket.protocol === 5 ? { pid } : {});
        resolve();
      },
    });
    socket.onDisconnect((why) => {
      session.lost(why);
      this.#formats.giveBack(socket);
    });
    this.#serveCommands(socket, session);
    return since === undefined ? undefined : promise;
  }

  #serveCommands(socket: ServerSocket, session: Session): void {
    const { hub } = this.#connections;
    const serve = (event: string, carryOut: (channels: string[]) => Promise<unknown>) => {
      socket.on(event, async (channels: unknown, ack: unknown) => {
        const reply = typeof ack === "function" ? ack as Ack : () => {};
        try {
          await carryOut(readChannels(channels));
          reply({ ok: true });
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          reply({ ok: false, error: { code: error.type, message: error.message } });
        }
      });
    };
    serve("subscribe", (channels) => {
      readInput(() => hub.checkSubscriptions(channels, session.subscriptions));
      return session.subscribe(channels);
    });
    serve("unsubscribe", (channels) => session.unsubscribe(channels));
  }
}

function readChannels(given: unknown): string[] {
  const channels = Array.isArray(given) ? given : [given];
  if (channels.every((name) => typeof name === "string")) return [...new Set(channels)];
  throw new Refusal("bad-request", "Expected a channel or a list of channels");
}

/** A session's frames as Socket.IO packets of one namespace. */
class SocketIoTransport implements Transport {
  readonly name = "socketio";
  readonly format: Format;
  readonly #socket: ServerSocket;

  constructor(socket: ServerSocket, format: Format) {
    this.#socket = socket;
    this.format = format;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes;
  }

  write(frame: Frame): void {
    if (typeof frame === "string" || frame instanceof Uint8Array) this.#socket.write(frame);
    else for (const part of frame) this.#socket.write(part);
  }

  // A client that is told to disconnect stays away; one whose connection closes comes back.
  close(reason: Disconnect): void {
    if (reason.code >= 4500) this.#socket.disconnect();
    this.#socket.drop(reason);
  }
}

/** One format for each namespace and protocol in use, so that all its clients share the bytes. */
class Formats {
  readonly #formats = new Map<string, { readonly format: Format; users: number }>();

  take(socket: ServerSocket): Format {
    const { namespace, protocol } = socket;
    let shared = this.#formats.get(key(socket));
    if (shared === undefined) {
      shared = { format: socketioFormat(namespace, protocol), users: 0 };
      this.#formats.set(key(socket), shared);
    }
    shared.users++;
    return shared.format;
  }

  giveBack(socket: ServerSocket): void {
    const shared = this.#formats.get(key(socket));
    if (shared !== undefined && --shared.users === 0) this.#formats.delete(key(socket));
  }
}

function key({ namespace, protocol }: ServerSocket): string {
  return `${protocol}${namespace}`;
}

/** Where a client that comes back was before. */
interface Recovery {
  readonly pid: string;
  readonly since: Position;
  /** What it was subscribed to; undefined if that is not known any more. */
  readonly channels: readonly string[] | undefined;
}

/**
 * What clients were subscribed to, for when they come back with the `pid` they were given (connection
 * state recovery). A pid is a secret and the position at which its session began, so that a client
 * can resume even before its first event.
 */
class Recoveries {
  readonly #clientsMax: number;
  readonly #subscriptions = new Map<string, ReadonlyMap<string, number>>();

  constructor(clientsMax: number) {
    this.#clientsMax = clientsMax;
  }

  /** The map is the session's own: what is subscribed to later is remembered too. */
  remember(pid: string, subscriptions: ReadonlyMap<string, number>): void {
    this.#subscriptions.delete(pid);
    this.#subscriptions.set(pid, subscriptions);
    if (this.#subscriptions.size <= this.#clientsMax) return;
    const [oldest] = this.#subscriptions.keys();
    this.#subscriptions.delete(oldest!);
  }

  /** Undefined if the client is new, or what it gave is not ours. */
  read({ auth }: Handshake): Recovery | undefined {
    const { pid, offset } = auth;
    if (typeof pid !== "string") return undefined;
    try {
      const since = parsePosition(typeof offset === "string" ? offset : pid.split("~")[1] ?? "");
      const channels = this.#subscriptions.get(pid);
      return { pid, since, channels: channels && [...channels.keys()] };
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
}

function newPid(position: string): string {
  const secret = crypto.getRandomValues(new Uint8Array(16));
  return `${secret.toBase64({ alphabet: "base64url", omitPadding: true })}~${position}`;
}
