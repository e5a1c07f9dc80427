import { type Clock, wait } from "../core/clock.ts";
import { printable } from "../observe/log.ts";
import { backoffMs } from "./backoff.ts";
import { Failure } from "./command.ts";
import type { Target } from "./target.ts";

/** The destination of messages. */
export interface SenderOptions {
  readonly target: Target;
  readonly channel: string;
  /** Undefined for the server's default. */
  readonly event: string | undefined;
  readonly clock: Clock;
  /** Reports that a retry follows. */
  readonly say: (line: string) => void;
}

/** Why a message was not published; the `published` messages before it were. */
export class SendFailure extends Failure {
  readonly published: number;

  constructor(message: string, published: number) {
    super(message);
    this.published = published;
  }
}

/** Why an attempt failed. */
interface Rejection {
  readonly detail: string;
  /** 0 if no answer came. */
  readonly status: number;
  readonly retryAfterS?: number | undefined;
}

const BATCH_MAX = 500;
const ATTEMPTS_MAX = 6;
const TIMEOUT_MS = 30_000;
const RETRY_AFTER_S_MAX = 600;

/**
 * Publishes over HTTP, in order. Retries after a temporary failure, under the same Idempotency-Key: a
 * message whose acknowledgement was lost is not published twice.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #url: URL;
  /** Messages in one request; fewer once the server refused as many. */
  #batchMax = BATCH_MAX;

  constructor(options: SenderOptions) {
    const { target, channel, event } = options;
    this.#options = options;
    this.#url = new URL(`channels/${encodeURIComponent(channel)}`, target.url);
    if (event !== undefined) this.#url.searchParams.set("event", event);
  }

  /**
   * Publishes messages, each JSON on one line unless it is the only one. Resolves once the server has
   * acknowledged all; rejects with a `SendFailure` at the first that it refuses.
   */
  async send(messages: readonly string[]): Promise<void> {
    let published = 0;
    while (published < messages.length) {
      const batch = messages.slice(published, published + this.#batchMax);
      const rejection = await this.#publish(batch);
      if (rejection === undefined) published += batch.length;
      else if (rejection.status === 413 && batch.length > 1) {
        this.#batchMax = Math.ceil(batch.length / 2);
      } else throw new SendFailure(rejection.detail, published);
    }
  }

  async #publish(batch: readonly string[]): Promise<Rejection | undefined> {
    const { clock, say } = this.#options;
    const key = crypto.randomUUID();
    for (let attempts = 0;;) {
      const rejection = await this.#attempt(batch, key);
      if (rejection === undefined || !mayPass(rejection)) return rejection;
      const { status, detail, retryAfterS } = rejection;
      const isPaced = status === 429 && retryAfterS !== undefined;
      if (!isPaced && ++attempts === ATTEMPTS_MAX) return rejection;
      const ms = retryAfterS === undefined ? backoffMs(attempts) : retryAfterS * 1000;
      if (!isPaced) say(`${detail} (trying again in ${(ms / 1000).toFixed(1)} s)`);
      await wait(clock, ms);
    }
  }

  async #attempt(batch: readonly string[], key: string): Promise<Rejection | undefined> {
    const { clock, target } = this.#options;
    const abort = new AbortController();
    const timer = clock.after(TIMEOUT_MS, () => abort.abort());
    const type = batch.length === 1 ? "application/json" : "application/x-ndjson";
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { ...target.headers, "content-type": type, "idempotency-key": key },
        body: batch.join("\n"),
        redirect: "manual",
        ...target.client && { client: target.client },
        signal: abort.signal,
      });
      const text = await response.text();
      return response.ok ? checkAnswer(text, batch.length) : readRejection(response, text);
    } catch (error) {
      if (!(error instanceof TypeError || abort.signal.aborted)) throw error;
      const why = abort.signal.aborted ? "no answer in time" : rootCause(error as TypeError);
      return { detail: `Cannot reach ${target.name}: ${printable(why)}`, status: 0 };
    } finally {
      timer.cancel();
    }
  }
}

function mayPass({ status }: Rejection): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

function readRejection({ status, headers }: Response, text: string): Rejection {
  const retryAfter = headers.get("retry-after") ?? "";
  const retryAfterS = /^\d{1,6}$/.test(retryAfter)
    ? Math.min(Number(retryAfter), RETRY_AFTER_S_MAX)
    : undefined;
  const { detail } = readObject(text);
  const isDetail = typeof detail === "string" && detail !== "";
  return { status, retryAfterS, detail: printable(isDetail ? detail : `The answer was ${status}`) };
}

/** Checks that the answer acknowledges: a server that does not is no Hark. */
function checkAnswer(text: string, count: number): Rejection | undefined {
  const { id, publications } = readObject(text);
  const acknowledged = Array.isArray(publications) ? publications.length : 1;
  if (acknowledged === count && (publications ?? id) !== undefined) return undefined;
  return { detail: "The server did not acknowledge: is it Hark, and --url right?", status: 200 };
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** The cause of a failed `fetch()`, without the address that the message begins with. */
function rootCause({ message, cause }: Error): string {
  if (cause instanceof Error) return rootCause(cause);
  return message.replace(/^error sending request for url \(\S*\): /, "");
}
