import { type Clock, wait } from "../core/clock.ts";

/** What a `ResilientServer` needs. */
export interface ResilientServerOptions<Address extends Deno.Addr> {
  /** Makes the server; `last` is where the one before it listened, if there was one. */
  readonly serve: (last: Address | undefined) => Deno.HttpServer<Address>;
  readonly clock: Clock;
  /** It cannot listen, and retries. */
  readonly onFailure: (error: Error) => void;
}

/** How long a listener that failed waits before it retries. */
export const RETRY_MS = 250;

/**
 * A server that listens until it is closed. `Deno.serve` gives up as soon as it cannot take a
 * connection, which it cannot where the process has no descriptor left. What is connected by then
 * stays and is served, so that a new server in its place loses only the clients that were about to connect.
 */
export class ResilientServer<Address extends Deno.Addr> {
  readonly #options: ResilientServerOptions<Address>;
  #http: Deno.HttpServer<Address>;
  /** Those that gave up; what was connected to them still is. */
  readonly #former: Deno.HttpServer<Address>[] = [];
  #isClosed = false;

  /** Listens. Throws what `serve` throws. */
  constructor(options: ResilientServerOptions<Address>) {
    this.#options = options;
    this.#http = options.serve(undefined);
    this.#watch();
  }

  /** Where it listens. */
  get address(): Address {
    return this.#http.addr;
  }

  /** Listens no more. Resolves once every request is answered. */
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
