import { type Clock, wait } from "../core/clock.ts";

/** What a `ResilientServer` needs. */
export interface ResilientServerOptions<Address extends Deno.Addr> {
  /** Starts a server; `last` is the address of the one before, if there was one. */
  readonly serve: (last: Address | undefined) => Deno.HttpServer<Address>;
  readonly clock: Clock;
  /** Called each time that it cannot listen; it retries. */
  readonly onFailure: (error: Error) => void;
}

/** The pause before a listener that failed retries. */
export const RETRY_MS = 250;

/**
 * A server that listens until it is closed. `Deno.serve` stops for good when it cannot accept a connection,
 * for instance because the process has no free descriptor. It still serves its connections, so a new server
 * in its place loses only clients that are about to connect.
 */
export class ResilientServer<Address extends Deno.Addr> {
  readonly #options: ResilientServerOptions<Address>;
  #http: Deno.HttpServer<Address>;
  /** Servers that stopped listening, and still serve their connections. */
  readonly #former: Deno.HttpServer<Address>[] = [];
  #isClosed = false;

  /** Listens. Throws what `serve` throws. */
  constructor(options: ResilientServerOptions<Address>) {
    this.#options = options;
    this.#http = options.serve(undefined);
    this.#watch();
  }

  /** The address that it listens on. */
  get address(): Address {
    return this.#http.addr;
  }

  /** Stops listening. Resolves once every request is answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#former, this.#http].map((http) => http.shutdown()));
  }

  #watch(): void {
    this.#http.finished.catch((error) => this.#replace(error));
  }

  async #replace(failure: Error): Promise<void> {
    const { serve, clock, onFailure } = this.#options;
    for (let error: Error | undefined = failure; error !== undefined;) {
      onFailure(error);
      await wait(clock, RETRY_MS);
      if (this.#isClosed) return;
      try {
        const http = serve(this.address);
        this.#former.push(this.#http);
        this.#http = http;
        error = undefined;
      } catch (again) {
        error = again as Error;
      }
    }
    this.#watch();
  }
}
