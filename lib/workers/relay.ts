import { relay, unknownSid } from "../net/relay.ts";
import { workerSocket } from "./command.ts";

/** The client's address; read only from requests on the workers' own sockets. */
const ADDRESS_HEADER = "hark-client-address";
/** Whether another node has forwarded the request: then it may name any host. */
const FROM_NODE_HEADER = "hark-sent-on";

/** What relaying to other workers needs. */
export interface RelayOptions {
  /** This worker's. */
  readonly index: number;
  /** The folder of the workers' sockets. */
  readonly folder: string;
  /** Unsent bytes before the client of a relayed WebSocket is too slow. */
  readonly outboundBytesMax: number;
}

/** What the sids of a worker begin with. */
export function sidPrefix(index: number): string {
  return `${index}~`;
}

/** The client's address in a request that another worker has relayed. */
export function relayedAddress({ headers }: Request): string {
  return headers.get(ADDRESS_HEADER) ?? "unix";
}

/** Reports whether a node of another machine forwarded the request to the worker that has relayed it. */
export function isFromNode({ headers }: Request): boolean {
  return headers.get(FROM_NODE_HEADER) === "true";
}

/** Relays requests to the worker that has the session, which the sid names. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #clients = new Map<number, Deno.HttpClient>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /**
   * Has the worker answer that has the session; undefined if that is this worker, or the request has no sid.
   * `isFromNode` if a node of another machine forwarded the request.
   */
  handle(request: Request, address: string, isFromNode = false): Promise<Response> | undefined {
    const owner = ownerOf(request.url);
    if (owner === undefined || owner === this.#options.index) return undefined;
    return this.#relay(request, owner, {
      [ADDRESS_HEADER]: address,
      [FROM_NODE_HEADER]: String(isFromNode),
    });
  }

  /** Closes the connections to other workers. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  async #relay(
    request: Request,
    owner: number,
    headers: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const { outboundBytesMax } = this.#options;
    const url = new URL(request.url);
    url.protocol = "http:";
    const client = this.#client(owner);
    try {
      return await relay(request, { url, client, headers, outboundBytesMax });
    } catch {
      return unknownSid();
    }
  }

  #client(owner: number): Deno.HttpClient {
    const known = this.#clients.get(owner);
    if (known !== undefined) return known;
    const path = workerSocket(this.#options, owner);
    const proxy = { transport: "unix", path } as const;
    const client = Deno.createHttpClient({ proxy, poolIdleTimeout: 30_000 });
    this.#clients.set(owner, client);
    return client;
  }
}

/** The worker that the sid in a URL names. */
function ownerOf(url: string): number | undefined {
  const [, index] = /[?&]sid=(\d{1,2})~/.exec(url) ?? [];
  return index === undefined ? undefined : Number(index);
}
