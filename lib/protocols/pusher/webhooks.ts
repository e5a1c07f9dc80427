import { Deadlines } from "../../core/deadlines.ts";
import type { Estate, Gone, Senders } from "./senders.ts";
import { type WebhookEvent, WebhookQueue, type WebhookQueueOptions } from "./webhook_queue.ts";

/** What webhooks need. */
export interface WebhookOptions extends WebhookQueueOptions {
  readonly senders: Pick<Senders, "isHere" | "handOn">;
}

/** How long somebody may be gone without a word of it. */
export const GRACE_MS = 3000;
/** How long a server that stops tries to send what waits. */
export const DRAIN_MS = 5000;
/** Events in one message to another node. */
const HANDED_AT_ONCE = 100;

/**
 * An app's webhooks. Each node sees what happens on all; one of them sends it. Whoever leaves and comes
 * back within three seconds is not reported.
 */
export class Webhooks {
  readonly #options: WebhookOptions;
  readonly #queue: WebhookQueue;
  /** What is to be reported if nothing takes it back, by what it is about. */
  readonly #leaving = new Map<string, WebhookEvent>();
  readonly #grace: Deadlines<string>;
  #isSilent = false;
  #isStopping = false;
  #isOver = false;

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#queue = new WebhookQueue(options);
    this.#grace = new Deadlines(options.clock, GRACE_MS, (about) => {
      const event = this.#leaving.get(about);
      this.#leaving.delete(about);
      if (event !== undefined) this.tell(event);
    });
  }

  /** Reports that something is there, unless its end was still to be reported. Every node calls it. */
  came(about: string, event: WebhookEvent): void {
    this.#grace.cancel(about);
    if (!this.#leaving.delete(about)) this.tell(event);
  }

  /** Reports that something is no longer there, unless it comes back soon. Every node calls it. */
  went(about: string, event: WebhookEvent): void {
    if (this.#isOver) return;
    this.#leaving.set(about, event);
    this.#grace.start(about);
  }

  /** Reports what all nodes see: one of them sends it. */
  tell(event: WebhookEvent): void {
    if (!this.#isSilent && this.#options.senders.isHere) this.send(event);
  }

  /** Runs a task without a report of whoever comes in it. */
  silently(task: () => void): void {
    this.#isSilent = true;
    task();
    this.#isSilent = false;
  }

  /** Sends an event. */
  send(event: WebhookEvent): void {
    this.#queue.send(event);
  }

  /**
   * Takes over from a node that stops; returns false if this one stops as well. `isThere` reports whether
   * somebody is back.
   */
  inherit({ events, gone }: Estate, isThere: (event: WebhookEvent) => boolean): boolean {
    if (this.#isStopping) return false;
    for (const event of events) this.send(event);
    for (const [about, event] of gone) if (!isThere(event)) this.went(about, event);
    return true;
  }

  /**
   * Hands on to another node whoever is gone and may come back, and reports them if none is left. Then sends
   * what waits, for a short while, and hands on what is not taken.
   */
  async flush(): Promise<void> {
    const { senders, count, log } = this.#options;
    this.#isStopping = true;
    if (senders.isHere && !await this.#handOn([], [...this.#leaving])) {
      // With whom the others have lost meanwhile, which stop as well.
      for (const [, event] of this.#endGrace()) this.send(event);
    }
    const rest = await this.#queue.drain(DRAIN_MS);
    this.#isOver = true;
    this.#endGrace();
    if (rest.length === 0 || await this.#handOn(rest, [])) return;
    count("dropped", rest.length);
    log.warn("webhook dropped", { why: "the server stops", events: rest.length });
  }

  #endGrace(): Gone[] {
    const gone = [...this.#leaving];
    this.#leaving.clear();
    for (const [about] of gone) this.#grace.cancel(about);
    return gone;
  }

  /** In messages that are not too large. Resolves to false if not all of it is taken. */
  async #handOn(events: readonly WebhookEvent[], gone: readonly Gone[]): Promise<boolean> {
    const { senders, count } = this.#options;
    for (let at = 0; at < Math.max(events.length, gone.length, 1); at += HANDED_AT_ONCE) {
      const to = at + HANDED_AT_ONCE;
      const part = { events: events.slice(at, to), gone: gone.slice(at, to) };
      if (!await senders.handOn(part)) return false;
    }
    count("handed-on", events.length);
    return true;
  }
}
