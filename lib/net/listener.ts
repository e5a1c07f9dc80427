import type { Config } from "../config/config.ts";
import { type ConnectionLimits, ConnectionQuota } from "../core/quota.ts";
import type { Clock } from "../core/clock.ts";
import { CertificateError } from "../core/errors.ts";
import { problem } from "../http/problem.ts";
import type { Connections } from "../hub/connections.ts";
import type { HarkMetrics } from "../observe/hark_metrics.ts";
import type { Log } from "../observe/log.ts";
import { isLocalhost, type ListenAddress, type Listening, listenOnAll } from "./loopback.ts";
import { ResilientServer } from "./resilient_server.ts";

/** Where a server listens. */
export interface Listener {
  /** `http://localhost:3000`, `https://0.0.0.0:443`, `unix:/run/hark.sock`. */
  readonly url: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /**
   * Reads certificate and key again, for new connections. Throws a `CertificateError`, and keeps the old
   * ones, if they cannot be used. Undefined if there is no certificate.
   */
  readonly renewCertificate?: () => void;
  /** Stops listening. Resolves once every request is answered. */
  close(): Promise<void>;
}

/** What a listener needs. */
export interface ListenerOptions {
  readonly config: Config & { readonly handshakeTimeoutMs: number };
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: HarkMetrics;
  readonly connections: Connections;
  /** True if other processes listen there as well. */
  readonly reusePort: boolean;
  /** Answers a request from `address`, which is `unix` for a Unix socket. */
  readonly handle: (request: Request, address: string) => Response | Promise<Response>;
}

/** The server cannot listen: the address is in use, not its own or not allowed, or the certificate is bad. */
export class ListenError extends Error {
  override readonly name = "ListenError";

  /** `address` is what the server was to listen on, and `error` why it cannot. */
  constructor(address: string, error: Error) {
    const isOfFile = error instanceof CertificateError;
    super(isOfFile ? error.message : `Cannot listen on ${address}: ${error.message}`);
  }
}

const TCP_BACKLOG = 4096;
const LOOPBACK = "127.0.0.1";
/**
 * The address that Deno gives for a client that has already reset its connection. A WebSocket would get no
 * event, and hold its slot until the time-out of its handshake.
 */
const GONE = "0.0.0.0";
/** Clients have more connections than sessions: they make other requests too. */
const CONNECTIONS_PER_SESSION = 2;

const onListen = () => {};

/** Listens as configured. Throws a `ListenError`. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { listen, tlsCert } = options.config;
  try {
    if (listen !== "") return await listenUnix(listen.replace("unix:", ""), options);
    return tlsCert === "" ? await listenTcp(options) : await listenTls(options);
  } catch (error) {
    throw new ListenError(addressText(options.config), error as Error);
  }
}

/** The address of the options, for an error. */
export function addressText({ listen, host, port }: Config): string {
  return listen === "" ? `${host}, port ${port}` : listen;
}

async function listenTcp(options: ListenerOptions): Promise<Listener> {
  const { host: hostname, port } = options.config;
  const handle = (request: Request, { hostname }: Deno.NetAddr) => {
    if (hostname !== GONE) return options.handle(request, hostname);
    return problem(400, "bad-request", "The connection was reset before the request was read");
  };
  const open = (address: ListenAddress) => serveTcp(address, options, handle);
  const servers = await listenOnAll({ hostname, port }, open, reportMissing(options));
  return {
    url: `http://${displayHost(hostname)}:${servers[0].port}`,
    port: servers[0].port,
    close: async () => void await Promise.all(servers.map((server) => server.close())),
  };
}

/** Answers HTTP on a TCP port. A port that the system chose stays the same. */
function serveTcp(
  { hostname, port }: ListenAddress,
  options: ListenerOptions,
  handle: (request: Request, from: Deno.NetAddr) => Response | Promise<Response>,
): Listening {
  const { clock, reusePort } = options;
  const server = new ResilientServer<Deno.NetAddr>({
    clock,
    onFailure: reportFailure(options),
    serve: (last) =>
      Deno.serve(
        { hostname, port: last?.port ?? port, tcpBacklog: TCP_BACKLOG, reusePort, onListen },
        (request, { remoteAddr }) => handle(request, remoteAddr),
      ),
  });
  return { port: server.address.port, close: () => server.close() };
}

async function listenTls(options: ListenerOptions): Promise<Listener> {
  // Imported here: most servers have a proxy that does TLS, and start faster without.
  const { readCredentials, TlsFront } = await import("./tls.ts");
  const { clock, log, metrics, connections, reusePort } = options;
  const { host, tlsCert, tlsKey, handshakeTimeoutMs } = options.config;
  const credentials = readCredentials(tlsCert, tlsKey);
  const inner = { ...options, reusePort: false };
  const server = serveTcp({ hostname: LOOPBACK, port: 0 }, inner, (request, from) => {
    const address = front.addressOf(from);
    if (address !== undefined) return options.handle(request, address);
    return problem(421, "misdirected", "This port is the server's own: use the one it names");
  });
  const front = new TlsFront({
    clock,
    credentials,
    handshakeTimeoutMs,
    target: server.port,
    slots: new ConnectionQuota(connectionLimits(options.config)),
    onError({ message }, address) {
      metrics.rejected.with("connection-failed").inc();
      log.debug("connection failed", { address, error: message }, address);
    },
    onRefused: (address) => connections.refused("over-limit", "too many connections", address),
    onFailure: reportFailure(options),
  });
  let port: number;
  try {
    const address = { hostname: host, port: options.config.port };
    const open = (address: ListenAddress) => {
      return front.listen({ ...address, tcpBacklog: TCP_BACKLOG, reusePort });
    };
    [{ port }] = await listenOnAll(address, open, reportMissing(options));
  } catch (error) {
    await server.close();
    throw error;
  }
  return {
    url: `https://${displayHost(host)}:${port}`,
    port,
    renewCertificate: () => front.renew(readCredentials(tlsCert, tlsKey)),
    async close() {
      await server.close();
      front.close();
    },
  };
}

/** The bounds on all TCP connections, with requests on them or without. */
function connectionLimits(config: Config): ConnectionLimits {
  const { connectionsMax, connectionsPerAddressMax, trustProxy } = config;
  return {
    connectionsMax: CONNECTIONS_PER_SESSION * connectionsMax,
    // A trusted proxy brings the clients of many addresses.
    connectionsPerAddressMax: trustProxy > 0
      ? Infinity
      : CONNECTIONS_PER_SESSION * connectionsPerAddressMax,
    trustProxy,
  };
}

async function listenUnix(path: string, options: ListenerOptions): Promise<Listener> {
  await removeStaleSocket(path);
  const server = new ResilientServer<Deno.UnixAddr>({
    clock: options.clock,
    onFailure: reportFailure(options),
    serve: () => Deno.serve({ path, onListen }, (request) => options.handle(request, "unix")),
  });
  return {
    url: `unix:${path}`,
    port: 0,
    close: () => server.close(),
  };
}

/** Reports that the process has no free descriptor: connected clients stay, others have to wait. */
function reportFailure({ config, log, metrics }: ListenerOptions): (error: Error) => void {
  return ({ message }) => {
    metrics.rejected.with("cannot-listen").inc();
    log.warn("cannot listen for a moment", { error: message }, config.host);
  };
}

/** Reports an address of `localhost` that cannot be used. */
function reportMissing({ log }: ListenerOptions): (address: string, why: string) => void {
  return (address, why) => log.info("localhost lacks one", { address, why });
}

/** Removes the file of a socket that nobody listens on. Rejects if it is any other file, or in use. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    const { isSocket } = await Deno.lstat(path);
    if (!isSocket) throw new Error("there is a file of that name, which is no socket");
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    return await Deno.remove(path);
  }
  throw new Error("another process listens there");
}

function displayHost(host: string): string {
  if (host === "127.0.0.1" || host === "::1" || isLocalhost(host)) return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
