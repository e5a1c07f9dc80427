import { connect } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { ConnectionQuota } from "../core/quota.ts";
import { type Clock, wait } from "../core/clock.ts";
import { Deadlines } from "../core/deadlines.ts";
import { CertificateError } from "../core/errors.ts";
import { ConnStream } from "./conn_stream.ts";
import type { Listening } from "./loopback.ts";
import { RETRY_MS } from "./resilient_server.ts";

/** A certificate with its chain, and its private key; both in PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** What a `TlsFront` needs, and its bounds. */
export interface TlsFrontOptions {
  readonly credentials: Credentials;
  /** The plain server's port on 127.0.0.1. */
  readonly target: number;
  /** Each connection takes a slot; without one it is closed at once. */
  readonly slots: ConnectionQuota;
  readonly clock: Clock;
  /** Cuts a client whose handshake takes longer, and one that sends nothing for so long after it. */
  readonly handshakeTimeoutMs: number;
  /** Called when the connection of the client at `address` failed. */
  readonly onError: (error: Error, address: string) => void;
  /** Called when there was no slot for the client at `address`. */
  readonly onRefused: (address: string) => void;
  /** Called when the process cannot accept a connection; it retries. */
  readonly onFailure: (error: Error) => void;
}

const LOOPBACK = "127.0.0.1";
/** A client that reads nothing for so long, while data waits for it, is cut. */
const STALLED_MS = 120_000;
/** How long a client may take to read the rest after the server has ended its connection. */
const LINGER_MS = 10_000;

/** Reads a certificate and its key. Throws a `CertificateError` if they cannot be used together. */
export function readCredentials(certFile: string, keyFile: string): Credentials {
  try {
    const credentials = {
      cert: Deno.readTextFileSync(certFile),
      key: Deno.readTextFileSync(keyFile),
    };
    // Listening with them is what checks them.
    Deno.listenTls({ hostname: LOOPBACK, port: 0, ...credentials }).close();
    return credentials;
  } catch (error) {
    const { message } = error as Error;
    const why = message.includes("KeyMismatch") ? "they do not belong together" : message;
    throw new CertificateError(`Cannot use certificate ${certFile} with key ${keyFile}: ${why}`);
  }
}

/** A client's connection, from its acceptance on. */
interface Client {
  readonly address: string;
  /** The TCP connection under the TLS. */
  readonly stream: ConnStream;
  readonly socket: TLSSocket;
  /** Bytes that had been sent when its deadline for reading last started. */
  sentBytes: number;
}

/**
 * Accepts TLS connections, and forwards their contents to a plain server on this machine. `Deno.serve` can
 * do TLS itself, but it keeps its first certificate, ends its WebSockets when it is shut down, and waits
 * for a handshake for ever. So certificates are renewed, and silent clients cut, in front of it.
 *
 * Deno accepts the connections and `node:tls` encrypts them. A server of `node:tls` would silently stop
 * accepting once the process has no free descriptor. A connection of `Deno.listenTls` cannot be cut while
 * its client reads nothing, and a new certificate would need a new listener: clients would be refused
 * between the old one and the new one.
 */
export class TlsFront {
  readonly #options: TlsFrontOptions;
  readonly #clients = new Set<Client>();
  readonly #handshaking: Deadlines<Client>;
  readonly #silent: Deadlines<Client>;
  readonly #stalled: Deadlines<Client>;
  readonly #lingering: Deadlines<Client>;
  /** Addresses of clients, by the port on 127.0.0.1 that the plain server sees instead. */
  readonly #addresses = new Map<number, string>();
  #context: SecureContext;
  readonly #listeners = new Set<Deno.TcpListener>();

  constructor(options: TlsFrontOptions) {
    const { clock, credentials, handshakeTimeoutMs } = options;
    this.#options = options;
    this.#context = createSecureContext(credentials);
    this.#handshaking = new Deadlines(clock, handshakeTimeoutMs, (client) => {
      this.#fail(client, new Error("TLS handshake timeout"));
    });
    this.#silent = new Deadlines(clock, handshakeTimeoutMs, (client) => {
      this.#fail(client, new Error(`no request within ${handshakeTimeoutMs / 1000} s`));
    });
    this.#stalled = new Deadlines(clock, STALLED_MS, (client) => {
      if (client.stream.sentBytes > client.sentBytes) this.#awaitReading(client);
      else this.#fail(client, new Error(`nothing taken for ${STALLED_MS / 1000} s`));
    });
    this.#lingering = new Deadlines(clock, LINGER_MS, cut);
  }

  /** Connections that are not gone. */
  get size(): number {
    return this.#clients.size;
  }

  /** Starts to listen on one more address. Throws if it cannot be used. */
  listen(options: Deno.TcpListenOptions): Listening {
    const listener = Deno.listen(options);
    this.#listeners.add(listener);
    this.#acceptAll(listener);
    return { port: listener.addr.port, close: () => this.#stop(listener) };
  }

  /**
   * The client's address for a connection to the plain server; undefined if it does not come from here.
   * Any user of this machine can use the same port on another loopback address, such as 127.0.0.2.
   */
  addressOf({ hostname, port }: Pick<Deno.NetAddr, "hostname" | "port">): string | undefined {
    return hostname === LOOPBACK ? this.#addresses.get(port) : undefined;
  }

  /** Uses this certificate for new connections; open ones stay. */
  renew(credentials: Credentials): void {
    this.#context = createSecureContext(credentials);
  }

  /** Stops listening, and ends every connection. */
  close(): void {
    for (const listener of this.#listeners) this.#stop(listener);
    for (const client of this.#clients) cut(client);
  }

  #stop(listener: Deno.TcpListener): void {
    this.#listeners.delete(listener);
    listener.close();
  }

  async #acceptAll(listener: Deno.TcpListener): Promise<void> {
    const { clock, onFailure } = this.#options;
    while (this.#listeners.has(listener)) {
      try {
        this.#take(await listener.accept());
      } catch (error) {
        if (!this.#listeners.has(listener)) return;
        onFailure(error as Error);
        await wait(clock, RETRY_MS);
      }
    }
  }

  #take(conn: Deno.TcpConn): void {
    const address = conn.remoteAddr.hostname;
    const release = this.#options.slots.take(address);
    if (typeof release === "string") {
      this.#options.onRefused(address);
      conn.close();
      return;
    }
    const stream = new ConnStream(conn);
    const socket = new TLSSocket(stream, {
      isServer: true,
      secureContext: this.#context,
      ALPNProtocols: ["http/1.1"],
    });
    const client: Client = { address, stream, socket, sentBytes: 0 };
    this.#clients.add(client);
    this.#handshaking.start(client);
    for (const part of [socket, stream]) part.on("error", (error) => this.#fail(client, error));
    socket.on("close", () => cut(client));
    stream.on("close", () => {
      release();
      this.#forget(client);
    });
    socket.on("secure", () => this.#forward(client));
  }

  #forget(client: Client): void {
    this.#clients.delete(client);
    for (const deadlines of [this.#handshaking, this.#silent, this.#stalled, this.#lingering]) {
      deadlines.cancel(client);
    }
    cut(client);
  }

  #forward(client: Client): void {
    const { address, socket } = client;
    this.#handshaking.cancel(client);
    this.#silent.start(client);
    const server = connect({ host: LOOPBACK, port: this.#options.target, noDelay: true });
    socket.on("close", () => server.destroy());
    server.on("error", (error) => this.#fail(client, error));
    server.on("close", () => this.#end(client));
    server.on("connect", () => {
      const port = server.localPort!;
      this.#addresses.set(port, address);
      server.on("close", () => this.#addresses.delete(port));
      socket.once("data", () => this.#silent.cancel(client));
      // A full client is not read either, so its end would not be noticed.
      server.on("pause", () => this.#awaitReading(client));
      socket.on("drain", () => this.#stalled.cancel(client));
      socket.pipe(server).pipe(socket);
    });
  }

  /** Starts the deadline for a client to read some of what waits for it. */
  #awaitReading(client: Client): void {
    client.sentBytes = client.stream.sentBytes;
    this.#stalled.start(client);
  }

  /** Ends a connection that the server has ended; its client gets time to read the rest. */
  #end(client: Client): void {
    if (!this.#clients.has(client)) return;
    this.#lingering.start(client);
    client.socket.end();
    // What still comes is thrown away; only its end matters.
    client.socket.resume();
  }

  #fail(client: Client, error: Error): void {
    if (!this.#clients.has(client)) return;
    this.#clients.delete(client);
    this.#options.onError(error, client.address);
    cut(client);
  }
}

function cut({ socket, stream }: Client): void {
  socket.destroy();
  stream.destroy();
}
