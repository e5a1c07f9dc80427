import type { Ledger } from "./ledger.ts";

/** Who publishes, where, and for how long. */
export interface FloodOptions {
  readonly ledger: Ledger;
  readonly ports: () => readonly number[];
  readonly key: string | undefined;
  /** Every other one has a key for each message, and retries until that is accepted. */
  readonly publishers: number;
  readonly pauseMs: number;
  /** Longer than a node may take to answer. */
  readonly answerMs: number;
  /** Reports whether publishers are to wait, as followers are behind. */
  readonly isAhead?: () => boolean;
}

const AHEAD_PAUSE_MS = 20;

/** Publishers that go on until they are stopped. */
export class Flood {
  readonly #options: FloodOptions;
  readonly #running: Promise<void>[];
  #isOver = false;
  #published = 0;
  #countMax = Infinity;

  constructor(options: FloodOptions) {
    this.#options = options;
    const { publishers } = options;
    this.#running = Array.from({ length: publishers }, (_, index) => this.#publish(index));
  }

  /** Publishes until there are so many, and resolves when all are answered. */
  async count(countMax: number): Promise<void> {
    this.#countMax = countMax;
    await Promise.all(this.#running);
  }

  /** Publishes no more, and resolves when all is answered. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  /** Publishes one text with a key until it is accepted. */
  async insist(text: string): Promise<void> {
    for (let next = 0; !await this.#attempt(text, next, text); next++) await pause(100);
  }

  /** Publishes one text with a key on all nodes at once. */
  async insistEverywhere(text: string): Promise<void> {
    await Promise.all(this.#options.ports().map((_, at) => this.#attempt(text, at, text)));
  }

  async #publish(publisher: number): Promise<void> {
    const { pauseMs, isAhead = () => false } = this.#options;
    for (let number = 0; !this.#isOver && this.#published < this.#countMax; number++) {
      while (isAhead()) await pause(AHEAD_PAUSE_MS);
      this.#published++;
      const text = `${publisher}:${number}`;
      if (publisher % 2 === 0) await this.insist(text);
      else await this.#attempt(text, publisher + number);
      if (pauseMs > 0) await pause(pauseMs);
    }
  }

  /** Returns whether it was accepted. Throws on any answer but that or 503. */
  async #attempt(text: string, at: number, key?: string): Promise<boolean> {
    const { ledger, ports, key: credentials, answerMs } = this.#options;
    const all = ports();
    const startedAt = performance.now();
    const abort = new AbortController();
    // fetch() sends a request again by itself where a connection that it reuses ends with no answer.
    using client = key === undefined ? Deno.createHttpClient({ poolMaxIdlePerHost: 0 }) : undefined;
    const timer = setTimeout(() => abort.abort(), answerMs);
    try {
      const headers = new Headers({ "content-type": "application/json" });
      if (key !== undefined) headers.set("idempotency-key", key);
      if (credentials !== undefined) headers.set("authorization", `Bearer ${credentials}`);
      const response = await fetch(`http://127.0.0.1:${all[at % all.length]}/channels/broadcast`, {
        method: "POST",
        headers,
        body: JSON.stringify({ n: text }),
        signal: abort.signal,
        ...client && { client },
      });
      const body = await response.text();
      ledger.answered(startedAt);
      if (response.status === 200) ledger.accept(text, JSON.parse(body).id);
      else if (response.status === 503) ledger.refused++;
      else if (response.status === 502) ledger.unanswered++; // By a proxy whose node is gone.
      else throw new Error(`${response.status}: ${body}`);
      return response.status === 200;
    } catch (error) {
      const isGone = error instanceof TypeError || (error as Error).name === "AbortError";
      if (!isGone) throw error;
      ledger.unanswered++;
      return false;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Lets time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
