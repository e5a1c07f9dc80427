import { handshakeFault, isUpgrade } from "../protocols/websocket/handshake.ts";
import { workerSocket } from "./command.ts";
import { relayRequest, unknownSid } from "../net/relayed_request.ts";
import { relaySocket } from "../net/relayed_socket.ts";

/** Carries the client's address to the worker that answers; only the workers' own sockets read it. */
const ADDRESS_HEADER = "hark-client-address";
/** Whether another node has sent the request on: then the host that it names is of no matter. */
const SENT_ON_HEADER = "hark-sent-on";
/** A request's own, which do not travel (RFC 9110 section 7.6.1), and what the next one makes anew. */
const OWN_HEADERS = ["connection", "keep-alive", "upgrade", "transfer-encoding", "host"];

/** What relaying needs. */
export interface RelayOptions {
  readonly index: number;
  readonly folder: string;
  /** Unsent bytes before the client of a relayed WebSocket is too slow. */
  readonly outboundBytesMax: number;
}

/** What the sids of a worker begin with. */
export function sidPrefix(index: number): string {
  return `${index}~`;
}

/** The client's address as another worker has passed it on. */
export function relayedAddress({ headers }: Request): string {
  return headers.get(ADDRESS_HEADER) ?? "unix";
}

/** Reports whether a request came from the node of another machine to the worker that has passed it on. */
export function isSentOn({ headers }: Request): boolean {
  return headers.get(SENT_ON_HEADER) === "true";
}

/** Hands requests whose sid is another worker's to that one. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #clients = new Map<number, Deno.HttpClient>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /**
   * Has the worker answer whose sid the request has; undefined if it has none, or this one's.
   * `isSentOn` if it came from the node of another machine.
   */
  handle(request: Request, address: string, isSentOn = false): Promise<Response> | undefined {
    const owner = ownerOf(request.url);
    if (owner === undefined || owner === this.#options.index) return undefined;
    const headers = new Headers(request.headers);
    headers.set(ADDRESS_HEADER, address);
    headers.set(SENT_ON_HEADER, String(isSentOn));
    return this.#relay(request, headers, owner);
  }

  /** Lets go of connections to other workers. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  async #relay(request: Request, headers: Headers, owner: number): Promise<Response> {
    const { method, body, signal } = request;
    const url = new URL(request.url);
    url.protocol = "http:";
    const client = this.#client(owner);
    for (const name of OWN_HEADERS) headers.delete(name);
    try {
      if (isUpgrade(request) && handshakeFault(request) === undefined) {
        const { outboundBytesMax } = this.#options;
        return await relaySocket(request, { url, client, headers, outboundBytesMax });
      }
      return await relayRequest(url, { method, headers, body, signal, client });
    } catch {
      return unknownSid();
    }
  }

  #client(owner: number): Deno.HttpClient {
    let client = this.#clients.get(owner);
    if (client === undefined) {
      const path = workerSocket(this.#options, owner);
      client = Deno.createHttpClient({
        proxy: { transport: "unix", path },
        poolIdleTimeout: 30_000,
      });
      this.#clients.set(owner, client);
    }
    return client;
  }
}

/** The worker that a URL's sid names. */
function ownerOf(url: string): number | undefined {
  const [, index] = /[?&]sid=(\d{1,2})~/.exec(url) ?? [];
  return index === undefined ? undefined : Number(index);
}
