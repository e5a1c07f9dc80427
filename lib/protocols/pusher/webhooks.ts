import type { Clock, Timer } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import type { Log } from "../../observe/log.ts";
import { signatureOf } from "./signatures.ts";

/** What a webhook tells: its name, and what goes with it. */
export interface WebhookEvent {
  readonly name: string;
  readonly channel: string;
  readonly [field: string]: string;
}

/** What sending needs. */
export interface WebhookOptions {
  /** https, or http to this machine: the operator's. */
  readonly url: string;
  readonly key: string;
  readonly secret: string;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn">;
  /** Reports whether this node is the one that tells what all nodes see. */
  readonly isSender: () => boolean;
  readonly fetch?: typeof fetch;
}

/** How long somebody may be gone without a word of it. */
export const GRACE_MS = 3000;
/** How long a request is retried. */
export const RETRIES_MS = 300_000;
/** Events that wait; of more the oldest are dropped. */
export const WAITING_MAX = 10_000;
/** Events in one request. */
const EVENTS_AT_ONCE = 100;
const ANSWER_TIMEOUT_MS = 10_000;
const PAUSE_MIN_MS = 1000;
const PAUSE_MAX_MS = 30_000;

/**
 * Sends an app's webhooks: signed, in order, several at once, each until it is taken with 2xx or five
 * minutes are over. Whoever leaves and comes back within three seconds is not told of.
 */
export class Webhooks {
  readonly #options: WebhookOptions;
  /** What is to be told if nothing takes it back, by what it is about. */
  readonly #leaving = new Map<string, WebhookEvent>();
  readonly #grace: Deadlines<string>;
  #waiting: WebhookEvent[] = [];
  #timer: Timer | undefined;
  #isSending = false;
  #isSilent = false;
  #abort = new AbortController();

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#grace = new Deadlines(options.clock, GRACE_MS, (about) => {
      const event = this.#leaving.get(about);
      this.#leaving.delete(about);
      if (event !== undefined && options.isSender()) this.send(event);
    });
  }

  /** Tells that something is there, unless its end was still to be told. Every node calls it. */
  came(about: string, event: WebhookEvent): void {
    this.#grace.cancel(about);
    if (this.#leaving.delete(about) || this.#isSilent) return;
    if (this.#options.isSender()) this.send(event);
  }

  /** Tells that something is no longer there, unless it comes back soon. Every node calls it. */
  went(about: string, event: WebhookEvent): void {
    this.#leaving.set(about, event);
    this.#grace.start(about);
  }

  /** Runs what tells nothing of what came. */
  silently(task: () => void): void {
    this.#isSilent = true;
    task();
    this.#isSilent = false;
  }

  /** Sends an event, with all that come in the same turn. */
  send(event: WebhookEvent): void {
    if (this.#abort.signal.aborted) return;
    if (this.#waiting.length >= WAITING_MAX) this.#drop(1, "too many wait");
    this.#waiting.push(event);
    if (this.#isSending) return;
    this.#isSending = true;
    this.#options.clock.afterTurn(() => this.#sendAll());
  }

  /** Gives up what was not sent. */
  close(): void {
    this.#abort.abort();
    this.#timer?.cancel();
    for (const about of this.#leaving.keys()) this.#grace.cancel(about);
    this.#leaving.clear();
    this.#waiting = [];
  }

  async #sendAll(): Promise<void> {
    const { clock } = this.#options;
    while (this.#waiting.length > 0) {
      const events = this.#waiting.splice(0, EVENTS_AT_ONCE);
      const giveUpAt = clock.monotonic() + RETRIES_MS;
      let pauseMs = PAUSE_MIN_MS;
      for (;;) {
        const fault = await this.#post(events);
        if (fault === undefined || this.#abort.signal.aborted) break;
        if (clock.monotonic() + pauseMs > giveUpAt) {
          this.#options.log.warn("webhook dropped", { why: fault, events: events.length });
          break;
        }
        await new Promise<void>((resolve) => this.#timer = clock.after(pauseMs, resolve));
        pauseMs = Math.min(PAUSE_MAX_MS, 2 * pauseMs);
      }
    }
    this.#isSending = false;
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
      const answer = await request(url, {
        method: "POST",
        headers,
        body,
        signal,
        redirect: "manual",
      });
      await answer.body?.cancel();
      return answer.ok ? undefined : `status ${answer.status}`;
    } catch (error) {
      return (error as Error).name;
    }
  }

  #drop(count: number, why: string): void {
    this.#waiting.splice(0, count);
    this.#options.log.warn("webhook dropped", { why, events: count });
  }
}
