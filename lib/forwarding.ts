import type { Bounds } from "./bounds.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { SharedPort } from "./cluster/shared_port.ts";
import { RequestSigner } from "./cluster/signature.ts";
import type { Config } from "./config/config.ts";
import type { Clock, Timer } from "./core/clock.ts";
import { Refusal } from "./core/errors.ts";
import { addressOf } from "./core/node_url.ts";
import { BodyReader } from "./http/body.ts";
import { refusalProblem } from "./http/problem.ts";
import { ListenError } from "./net/listener.ts";
import { relay, unknownSid } from "./net/relay.ts";
import { ResilientServer } from "./net/resilient_server.ts";
import type { HarkMetrics } from "./observe/hark_metrics.ts";
import type { Log } from "./observe/log.ts";
import { LARGEST_POSTS } from "./protocols/socketio/endpoint.ts";

/** What forwarding needs. */
export interface ForwardingOptions {
  /** Its `advertise` is where this node listens for other nodes: an http URL of a host and a port. */
  readonly config: Config & Bounds;
  readonly clock: Clock;
  readonly cluster: Pick<Cluster, "node" | "find">;
  readonly log: Log;
  readonly metrics: HarkMetrics;
  /** Answers a forwarded request in this process. */
  readonly handle: (request: Request, address: string) => Promise<Response>;
  /** Other processes that listen for nodes at the same address, and have some of the sessions. */
  readonly shared: SharedPort | undefined;
}

/** How far a signature's time may be from this node's. */
export const SIGNATURE_AGE_MS = 30_000;
/** Requests that are forwarded at the same time. */
export const FORWARDED_MAX = 10_000;
/** An answer may take as long as a poll, and this. */
const ANSWER_EXTRA_MS = 10_000;

const ADDRESS = "hark-client-address";
const TIME = "hark-time";
const SIGNATURE = "hark-signature";
/** A node's id is in the sid, after the number of a worker where there are some. */
const SID = /[?&]sid=(?:\d{1,2}~)?([\w-]{22})~/;

/**
 * Forwards Socket.IO's requests to the node that has the session, which the sid names, and answers those
 * of other nodes on a listener of its own. That listener never forwards: no request is forwarded twice.
 */
export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #signer: RequestSigner;
  /** Reads the bodies of both directions. */
  readonly #bodies: BodyReader;
  readonly #client = Deno.createHttpClient({ poolIdleTimeout: 30_000 });
  #listener: ResilientServer<Deno.NetAddr> | undefined;
  #forwarded = 0;

  constructor(options: ForwardingOptions) {
    this.#options = options;
    const { config, clock } = options;
    const { clusterSecret, pollingBytesMax, bodyTimeoutMs: timeoutMs } = config;
    this.#signer = new RequestSigner(clusterSecret);
    this.#bodies = new BodyReader({ clock, timeoutMs, bytesMax: LARGEST_POSTS * pollingBytesMax });
  }

  /** What the sids of this node begin with. */
  get sidPrefix(): string {
    return `${this.#options.cluster.node}~`;
  }

  /** Where other nodes reach this one; empty until it listens. */
  get address(): string {
    const port = this.#listener?.address.port;
    if (port === undefined) return "";
    const url = new URL(this.#options.config.advertise);
    url.port = String(port);
    return url.origin;
  }

  /** Begins to listen for other nodes. Throws a `ListenError`. */
  listen(): void {
    const { config: { advertise }, clock, log, shared } = this.#options;
    const { hostname, port } = addressOf(advertise);
    const reusePort = shared !== undefined;
    const onListen = () => {};
    try {
      this.#listener = new ResilientServer<Deno.NetAddr>({
        clock,
        onFailure: ({ message }) => {
          log.warn("cannot listen for a moment", { error: message }, advertise);
        },
        serve: (last) =>
          Deno.serve(
            { hostname, port: last?.port ?? port, reusePort, onListen },
            (request, { remoteAddr }) => this.#answer(request, remoteAddr.hostname),
          ),
      });
    } catch (error) {
      throw new ListenError(advertise, error as Error);
    }
  }

  /** Has the node answer that has the session; undefined if that is this node, or is not known. */
  relay(request: Request, address: string): Promise<Response> | undefined {
    const { cluster } = this.#options;
    const { pathname, search } = new URL(request.url);
    if (!this.#isSocketIo(pathname)) return undefined;
    const [, id] = SID.exec(search) ?? [];
    if (id === undefined || id === cluster.node) return undefined;
    // The address comes from the table of nodes, never from the client.
    const { address: to = "" } = cluster.find(id) ?? {};
    // Processes of this machine have the same address.
    if (to === "" || to === this.address || this.#forwarded >= FORWARDED_MAX) return undefined;
    return this.#forward(request, address, new URL(pathname + search, to));
  }

  /** Stops listening. Resolves once every request is answered. */
  async close(): Promise<void> {
    this.#client.close();
    this.#bodies.close();
    await this.#listener?.close();
  }

  /** Requests may leave out the slash at the end of the path. */
  #isSocketIo(pathname: string): boolean {
    return `${pathname}/`.startsWith(this.#options.config.socketioPath);
  }

  async #forward(request: Request, address: string, url: URL): Promise<Response> {
    const { config: { pollingBytesMax, heartbeatS, outboundBytesMax }, clock, metrics } =
      this.#options;
    this.#forwarded++;
    metrics.forwarded.inc();
    const late = new AbortController();
    let timer: Timer | undefined;
    try {
      const body = await this.#bodies.read(request, pollingBytesMax);
      const headers = await this.#sign(request.method, address, url, body);
      timer = clock.after(heartbeatS * 1000 + ANSWER_EXTRA_MS, () => late.abort());
      return await relay(request, {
        url,
        client: this.#client,
        headers,
        body: body.length === 0 ? null : body,
        signal: AbortSignal.any([request.signal, late.signal]),
        outboundBytesMax,
      });
    } catch (error) {
      return error instanceof Refusal ? refusalProblem(error) : unknownSid();
    } finally {
      timer?.cancel();
      this.#forwarded--;
    }
  }

  async #sign(
    method: string,
    address: string,
    { pathname, search }: URL,
    body: Uint8Array<ArrayBuffer>,
  ): Promise<Record<string, string>> {
    const time = this.#options.clock.now();
    const target = pathname + search;
    const signature = await this.#signer.sign({ method, target, address, time, body });
    return { [ADDRESS]: address, [TIME]: String(time), [SIGNATURE]: signature };
  }

  /** Answers a request of another node. */
  async #answer(request: Request, peer: string): Promise<Response> {
    const { config, log, metrics } = this.#options;
    try {
      const body = await this.#bodies.read(request, config.pollingBytesMax);
      const address = await this.#verify(request, body);
      return await this.#handle(request, body, address);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      metrics.rejected.with(error.type).inc();
      log.warn("forwarded request refused", { why: error.message, address: peer }, peer);
      return refusalProblem(error);
    }
  }

  #handle(
    request: Request,
    body: Uint8Array<ArrayBuffer>,
    address: string,
  ): Promise<Response> {
    const { shared, handle } = this.#options;
    // Only the request itself can become a WebSocket, and only another one has the body that was read.
    const { url, method, headers, signal } = request;
    const whole = request.body === null
      ? request
      : new Request(url, { method, headers, signal, body });
    return shared?.relay(whole, address, true) ?? handle(whole, address);
  }

  /** The client's address. Throws a `Refusal` if no other node has signed the request just now. */
  async #verify({ method, url, headers }: Request, body: Uint8Array<ArrayBuffer>): Promise<string> {
    const { pathname, search } = new URL(url);
    const target = pathname + search;
    const [address, time, signature] = [ADDRESS, TIME, SIGNATURE].map((name) => headers.get(name));
    const signed = { method, target, address: address ?? "", time: Number(time), body };
    if (!await this.#signer.verify(signed, signature ?? "")) {
      throw new Refusal(
        "unauthorized",
        "Cannot take a request that no node of this cluster signed",
      );
    }
    if (!(Math.abs(this.#options.clock.now() - signed.time) <= SIGNATURE_AGE_MS)) {
      throw new Refusal(
        "unauthorized",
        "Cannot take a request that was signed at another time: set the clocks",
      );
    }
    if (!this.#isSocketIo(pathname)) {
      throw new Refusal("not-found", "Cannot forward anything but Socket.IO");
    }
    return signed.address;
  }
}
