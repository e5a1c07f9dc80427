import { type AddressInfo, connect, type Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { CertificateError } from "../core/errors.ts";
import type { Clock } from "../core/clock.ts";
import { Deadlines } from "../core/deadlines.ts";

/** A certificate, with those that lead to its root after it, and its private key; both in PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** What a `TlsFront` needs, and the bounds it keeps. */
export interface TlsFrontOptions {
  readonly credentials: Credentials;
  /** The plain server's port on 127.0.0.1. */
  readonly target: number;
  /** Connections at a time; what is more is closed at once. */
  readonly connectionsMax: number;
  readonly clock: Clock;
  /** A client that has not finished the handshake by then is cut. */
  readonly handshakeMs?: number;
  /** The connection of the client at `address` failed. */
  readonly onError: (error: Error, address: string) => void;
  /** The client at `address` was one too many. */
  readonly onRefused: (address: string) => void;
}

const LOOPBACK = "127.0.0.1";
const HANDSHAKE_MS = 10_000;
/** How long a client may take to read what is left when the server has ended its connection. */
const LINGER_MS = 10_000;

/** Reads two files, and throws a `CertificateError` if they cannot be used with each other. */
export function readCredentials(certFile: string, keyFile: string): Credentials {
  try {
    const credentials = {
      cert: Deno.readTextFileSync(certFile),
      key: Deno.readTextFileSync(keyFile),
    };
    // What checks them is listening with them.
    Deno.listenTls({ hostname: LOOPBACK, port: 0, ...credentials }).close();
    return credentials;
  } catch (error) {
    const { message } = error as Error;
    const why = message.includes("KeyMismatch") ? "they do not belong together" : message;
    throw new CertificateError(`Cannot use certificate ${certFile} with key ${keyFile}: ${why}`);
  }
}

/**
 * Takes TLS connections, and hands on what is in them to a plain server on this machine. `Deno.serve`
 * could do TLS by itself, but keeps the certificate that it has begun with, ends its WebSockets when
 * it is shut down, and waits for a handshake for ever: so a certificate can only be renewed, and a
 * client that does not speak be cut, in front of it.
 */
export class TlsFront {
  readonly #options: TlsFrontOptions;
  readonly #server: Server;
  /** Connections, from before their handshake. */
  readonly #sockets = new Set<Socket>();
  readonly #lingering: Deadlines<Socket>;
  /** The clients' addresses, by the port from which the plain server sees them come. */
  readonly #addresses = new Map<number, string>();

  constructor(options: TlsFrontOptions) {
    const { clock, credentials, handshakeMs = HANDSHAKE_MS } = options;
    this.#options = options;
    this.#lingering = new Deadlines(clock, LINGER_MS, (client) => client.destroy());
    this.#server = createServer({
      ...credentials,
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: handshakeMs,
    });
    this.#server.on("connection", (socket: Socket) => this.#take(socket));
    this.#server.on("secureConnection", (client) => this.#forward(client));
    this.#server.on("tlsClientError", (error, client) => this.#fail(client, error));
  }

  /** Connections that are not gone. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Begins to listen; resolves to the port, and rejects if the address cannot be had. */
  listen(address: { host: string; port: number; backlog: number }): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.on("error", reject);
    this.#server.listen(address, () => resolve((this.#server.address() as AddressInfo).port));
    return promise;
  }

  /** The client whose connection reaches the plain server from this port; undefined if it is nobody's. */
  addressOf(port: number): string | undefined {
    return this.#addresses.get(port);
  }

  /** Shows this certificate to whoever connects from now on; connections that are open stay. */
  renew(credentials: Credentials): void {
    this.#server.setSecureContext(credentials);
  }

  /** Listens no more, and ends every connection. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  #take(socket: Socket): void {
    if (this.#sockets.size >= this.#options.connectionsMax) {
      this.#options.onRefused(addressOf(socket));
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #forward(client: TLSSocket): void {
    const address = addressOf(client);
    const server = connect({ host: LOOPBACK, port: this.#options.target, noDelay: true });
    client.setNoDelay(true);
    client.on("error", (error) => this.#fail(client, error));
    client.on("close", () => {
      this.#lingering.cancel(client);
      server.destroy();
    });
    server.on("error", (error) => this.#fail(client, error));
    server.on("close", () => {
      if (client.destroyed) return;
      this.#lingering.start(client);
      client.end();
      // Nobody takes what still comes, but the end of it has to be seen.
      client.resume();
    });
    server.on("connect", () => {
      const port = server.localPort!;
      this.#addresses.set(port, address);
      server.on("close", () => this.#addresses.delete(port));
      client.pipe(server).pipe(client);
    });
  }

  #fail(client: Socket, error: Error): void {
    this.#options.onError(error, addressOf(client));
    client.destroy();
  }
}

function addressOf({ remoteAddress }: Socket): string {
  return remoteAddress ?? "unknown";
}
