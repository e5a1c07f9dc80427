import type { Cluster } from "../cluster/cluster.ts";
import type { RequestSigner } from "../cluster/signature.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { Refusal } from "../core/errors.ts";
import { addressOf } from "../core/node_url.ts";
import type { BodyReader } from "../http/body.ts";
import { refusalProblem } from "../http/problem.ts";
import { isUpgrade } from "../http/upgrade.ts";
import { advertisedError } from "./listener.ts";
import { relay, unknownSid } from "./relay.ts";
import { LastingServer } from "./resilient_server.ts";

/** What nodes need to forward requests to each other. */
export interface ForwardingOptions {
  /** Where this node listens for other nodes: an http URL of a host and a port. */
  readonly advertise: string;
  /** With a slash at its end, which requests may leave out. */
  readonly socketioPath: string;
  readonly pollingBytesMax: number;
  /** Unsent bytes before one end of a WebSocket is too slow. */
  readonly outboundBytesMax: number;
  /** Seconds from ping to ping: a poll lasts no longer. */
  readonly heartbeatS: number;
  readonly clock: Clock;
  readonly cluster: Pick<Cluster, "node" | "find">;
  readonly signer: RequestSigner;
  /** Reads the bodies of both directions. */
  readonly bodies: BodyReader;
  /** Answers a request of another node's client. */
  readonly handle: (request: Request, address: string) => Promise<Response>;
  /** Other processes of this machine listen there as well: they are one node to all others. */
  readonly reusePort: boolean;
  /** A request was forwarded. */
  readonly onForwarded: () => void;
  /** A request to this node's own listener was refused. */
  readonly onRefused: (why: string, address: string) => void;
  readonly onFailure: (error: Error) => void;
}

/** How far a signature's time may be from this node's. */
export const SIGNATURE_AGE_MS = 30_000;
/** Requests that are forwarded at a time. */
export const FORWARDED_MAX = 10_000;
/** An answer takes no longer than a poll, and this. */
const ANSWER_EXTRA_MS = 10_000;

const ADDRESS = "hark-client-address";
const TIME = "hark-time";
const SIGNATURE = "hark-signature";
const NOTHING = new Uint8Array();
/** A node's id is in the sid, behind the number of a worker where there are some. */
const SID = /[?&]sid=(?:\d{1,2}~)?([\w-]{22})~/;

/**
 * Forwards Socket.IO's requests to the node that has the session, which the sid names, and answers those
 * of other nodes on a listener of its own. That never forwards: a request is forwarded once at most.
 */
export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #client = Deno.createHttpClient({ poolIdleTimeout: 30_000 });
  #listener: LastingServer<Deno.NetAddr> | undefined;
  #forwarded = 0;

  constructor(options: ForwardingOptions) {
    this.#options = options;
  }

  /** What the sids of this node begin with. */
  get sidPrefix(): string {
    return `${this.#options.cluster.node}~`;
  }

  /** Where other nodes reach this one; empty until it listens. */
  get address(): string {
    const port = this.#listener?.address.port;
    if (port === undefined) return "";
    const url = new URL(this.#options.advertise);
    url.port = String(port);
    return url.origin;
  }

  /** Begins to listen for other nodes. Throws a `ListenError`. */
  listen(): void {
    try {
      this.#listener = this.#serve();
    } catch (error) {
      throw advertisedError(this.#options.advertise, error as Error);
    }
  }

  #serve(): LastingServer<Deno.NetAddr> {
    const { clock, advertise, onFailure, reusePort } = this.#options;
    const { hostname, port } = addressOf(advertise);
    return new LastingServer<Deno.NetAddr>({
      clock,
      onFailure,
      serve: (last) => {
        return Deno.serve(
          { hostname, port: last?.port ?? port, reusePort, onListen: () => {} },
          (request, { remoteAddr }) => this.#answer(request, remoteAddr.hostname),
        );
      },
    });
  }

  /** Has the node answer that has the session; undefined if that is this one, or none that is known. */
  relay(request: Request, address: string): Promise<Response> | undefined {
    const { cluster } = this.#options;
    const { pathname, search } = new URL(request.url);
    if (!this.#isSocketIo(pathname)) return undefined;
    const [, id] = SID.exec(search) ?? [];
    if (id === undefined || id === cluster.node) return undefined;
    // The address comes from the table of nodes, never from the client.
    const { address: to = "" } = cluster.find(id) ?? {};
    // At its own address are processes of this machine.
    if (to === "" || to === this.address || this.#forwarded >= FORWARDED_MAX) return undefined;
    return this.#forward(request, address, new URL(pathname + search, to));
  }

  /** Listens no more. */
  async close(): Promise<void> {
    this.#client.close();
    this.#options.bodies.close();
    await this.#listener?.close();
  }

  #isSocketIo(pathname: string): boolean {
    return `${pathname}/`.startsWith(this.#options.socketioPath);
  }

  async #forward(request: Request, address: string, url: URL): Promise<Response> {
    const { clock, bodies, pollingBytesMax, heartbeatS, outboundBytesMax, onForwarded } =
      this.#options;
    this.#forwarded++;
    onForwarded();
    const late = new AbortController();
    let timer: Timer | undefined;
    try {
      const bytes = await bodies.read(request, pollingBytesMax);
      const headers = await this.#sign(request.method, address, url, bytes);
      timer = clock.after(heartbeatS * 1000 + ANSWER_EXTRA_MS, () => late.abort());
      return await relay(request, {
        url,
        client: this.#client,
        headers,
        body: bytes.length === 0 ? null : bytes,
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
    const { signer, clock } = this.#options;
    const time = clock.now();
    const target = pathname + search;
    const signature = await signer.sign({ method, target, address, time, body });
    return { [ADDRESS]: address, [TIME]: String(time), [SIGNATURE]: signature };
  }

  /** Answers a request of another node. */
  async #answer(request: Request, peer: string): Promise<Response> {
    const { bodies, pollingBytesMax, handle, onRefused } = this.#options;
    try {
      const body = isUpgrade(request) ? NOTHING : await bodies.read(request, pollingBytesMax);
      const address = await this.#verify(request, body);
      if (isUpgrade(request)) return await handle(request, address);
      const { url, method, headers, signal } = request;
      const init = { method, headers, signal, body: method === "POST" ? body : null };
      return await handle(new Request(url, init), address);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      onRefused(error.message, peer);
      return refusalProblem(error);
    }
  }

  /** The client's address. Throws a `Refusal` if no other node has signed the request just now. */
  async #verify({ method, url, headers }: Request, body: Uint8Array<ArrayBuffer>): Promise<string> {
    const { signer, clock } = this.#options;
    const { pathname, search } = new URL(url);
    const target = pathname + search;
    const [address, time, signature] = [ADDRESS, TIME, SIGNATURE].map((name) => headers.get(name));
    const signed = { method, target, address: address ?? "", time: Number(time), body };
    if (!await signer.verify(signed, signature ?? "")) {
      throw new Refusal(
        "unauthorized",
        "Cannot take a request that no node of this cluster signed",
      );
    }
    if (!(Math.abs(clock.now() - signed.time) <= SIGNATURE_AGE_MS)) {
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
