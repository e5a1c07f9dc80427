import { ExponentialBackoff } from "../../core/backoff.ts";
import { type Clock, turn, within } from "../../core/clock.ts";
import type { Log } from "../../observe/log.ts";
import { signatureOf } from "./signatures.ts";

/** What a webhook reports: its name, and what goes with it. */
export interface WebhookEvent {
  readonly name: string;
  readonly channel: string;
  readonly [field: string]: string | number;
}

/** What becomes of an event. */
export type Outcome = "sent" | "dropped" | "handed-on";

/** What sending needs. */
export interface WebhookQueueOptions {
  /** https, or http to this machine: the operator's. */
  readonly url: string;
  readonly key: string;
  readonly secret: string;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn">;
  /** Counts what has become of so many events. */
  readonly count: (outcome: Outcome, events: number) => void;
  readonly fetch?: typeof fetch;
}

/** How long a request is retried. */
export const RETRIES_MS = 300_000;
/** Events that wait; if there are more, the oldest are dropped. */
export const WAITING_MAX = 10_000;
/** Characters of all that wait: what clients send to each other is reported with its data. */
export const WAITING_CHARS_MAX = 8 * 1024 ** 2;
/** What an event counts beside its texts. */
const EVENT_CHARS = 100;
/** Events in one request. */
const EVENTS_AT_ONCE = 100;
const ANSWER_TIMEOUT_MS = 10_000;
const PAUSE_MIN_MS = 1000;
const PAUSE_MAX_MS = 30_000;

/**
 * Sends events to one URL: signed, in order, several at once. Retries each request until the answer is 2xx,
 * for at most five minutes.
 */
export class WebhookQueue {
  readonly #options: WebhookQueueOptions;
  /** The events of the request that is tried now. */
  #current: WebhookEvent[] = [];
  #waiting: WebhookEvent[] = [];
  #waitingChars = 0;
  /** Events were dropped, and none was taken since: that is logged once. */
  #isFull = false;
  /** Settles once nothing waits, or nothing more is tried; undefined from then on. */
  #sending: Promise<void> | undefined;
  /** Ends the pause before the next try. */
  #endPause: (() => void) | undefined;
  #isLastTry = false;
  readonly #abort = new AbortController();

  constructor(options: WebhookQueueOptions) {
    this.#options = options;
  }

  /** Sends an event, with all that come in the same turn. */
  send(event: WebhookEvent): void {
    this.#waiting.push(event);
    this.#waitingChars += charsOf(event);
    while (this.#waiting.length > WAITING_MAX || this.#waitingChars > WAITING_CHARS_MAX) {
      this.#dropOldest();
    }
    this.#sending ??= this.#sendAll();
  }

  /** Tries everything once more, for at most `ms` milliseconds. Resolves to what was not taken. */
  async drain(ms: number): Promise<WebhookEvent[]> {
    this.#isLastTry = true;
    this.#endPause?.();
    if (this.#sending !== undefined) await within(this.#options.clock, ms, this.#sending);
    this.#abort.abort();
    await this.#sending;
    return [...this.#current.splice(0), ...this.#take(Infinity)];
  }

  #dropOldest(): void {
    this.#options.count("dropped", this.#take(1).length);
    if (!this.#isFull) this.#options.log.warn("webhook dropped", { why: "too many wait" });
    this.#isFull = true;
  }

  /** Removes so many of those that wait, the oldest first. */
  #take(count: number): WebhookEvent[] {
    const events = this.#waiting.splice(0, count);
    for (const event of events) this.#waitingChars -= charsOf(event);
    return events;
  }

  async #sendAll(): Promise<void> {
    await turn(this.#options.clock);
    while (this.#waiting.length > 0) {
      this.#current = this.#take(EVENTS_AT_ONCE);
      if (!await this.#sendCurrent()) break;
    }
    this.#sending = undefined;
  }

  /** Resolves to true once the request is taken or dropped; to false if it is not to be retried. */
  async #sendCurrent(): Promise<boolean> {
    const { clock, count, log } = this.#options;
    const backoff = new ExponentialBackoff(PAUSE_MIN_MS, PAUSE_MAX_MS);
    const giveUpAt = clock.monotonic() + RETRIES_MS;
    for (let isFirst = true;; isFirst = false) {
      const fault = await this.#post(this.#current);
      if (fault === undefined) {
        count("sent", this.#current.splice(0).length);
        this.#isFull = false;
        return true;
      }
      if (isFirst) log.warn("webhook failed", { why: fault });
      if (this.#isLastTry) return false;
      const pauseMs = backoff.next();
      if (clock.monotonic() + pauseMs > giveUpAt) {
        const events = this.#current.splice(0).length;
        count("dropped", events);
        log.warn("webhook dropped", { why: fault, events });
        return true;
      }
      await this.#pause(pauseMs);
    }
  }

  /** Waits so long, or until the queue is drained. */
  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#endPause = resolve;
    await within(this.#options.clock, ms, promise);
  }

  /** Sends one request. Resolves to why it was not taken; to undefined if it was. */
  async #post(events: readonly WebhookEvent[]): Promise<string | undefined> {
    const { url, key, secret, clock, fetch: request = fetch } = this.#options;
    const body = JSON.stringify({ time_ms: clock.now(), events });
    const headers = {
      "content-type": "application/json",
      "x-pusher-key": key,
      "x-pusher-signature": signatureOf(secret, body),
    };
    const signal = AbortSignal.any([
      this.#abort.signal,
      AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    ]);
    try {
      // Another address would be one that the operator has not named.
      const init = { method: "POST", headers, body, signal, redirect: "manual" } as const;
      const answer = await request(url, init);
      await answer.body?.cancel();
      return answer.ok ? undefined : `status ${answer.status}`;
    } catch (error) {
      return (error as Error).name;
    }
  }
}

function charsOf(event: WebhookEvent): number {
  return Object.values(event).reduce(
    (sum: number, value) => sum + String(value).length,
    EVENT_CHARS,
  );
}
