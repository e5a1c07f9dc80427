import { Deadlines } from "../../core/deadlines.ts";
import type { Handover, WebhookSenders } from "./webhook_senders.ts";
import { type WebhookEvent, WebhookQueue, type WebhookQueueOptions } from "./webhook_queue.ts";

/** What webhooks need. */
export interface WebhookOptions extends WebhookQueueOptions {
  readonly senders: Pick<WebhookSenders, "isHere" | "handOn">;
}

/** How long a channel or member may be gone before that is reported. */
export const GRACE_MS = 3000;
/** How long a server that stops tries to send the events that wait. */
export const DRAIN_MS = 5000;
/** Events in one message to another node. */
const HANDED_AT_ONCE = 100;

/**
 * An app's webhooks. Each node sees what happens on all nodes; one of them sends it. A channel or member that
 * is back within three seconds is not reported.
 */
export class Webhooks {
  readonly #options: WebhookOptions;
  readonly #queue: WebhookQueue;
  /** Events that are reported unless the channel or member comes back, by channel and user. */
  readonly #leaving = new Map<string, WebhookEvent>();
  readonly #grace: Deadlines<string>;
  #isSilent = false;
  #isStopping = false;
  #isOver = false;

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#queue = new WebhookQueue(options);
    this.#grace = new Deadlines(options.clock, GRACE_MS, (key) => {
      const event = this.#leaving.get(key)!;
      this.#leaving.delete(key);
      this.report(event);
    });
  }

  /** Reports a channel or member that is there, unless its end is not reported yet. Called on every node. */
  came(event: WebhookEvent): void {
    const key = keyOf(event);
    this.#grace.cancel(key);
    if (!this.#leaving.delete(key)) this.report(event);
  }

  /** Reports a channel or member that is gone, unless it comes back soon. Called on every node. */
  went(event: WebhookEvent): void {
    if (this.#isOver) return;
    const key = keyOf(event);
    this.#leaving.set(key, event);
    this.#grace.start(key);
  }

  /** Reports what all nodes see: only one of them sends it. */
  report(event: WebhookEvent): void {
    if (!this.#isSilent && this.#options.senders.isHere) this.send(event);
  }

  /** Runs a task, and reports nothing that comes in it. */
  silently(task: () => void): void {
    this.#isSilent = true;
    try {
      task();
    } finally {
      this.#isSilent = false;
    }
  }

  /** Sends an event, of which only this node knows. */
  send(event: WebhookEvent): void {
    this.#queue.send(event);
  }

  /**
   * Takes over from a node that stops; returns false if this one stops as well. `isThere` reports whether
   * the channel or member of an event is there again.
   */
  takeOver({ events, gone }: Handover, isThere: (event: WebhookEvent) => boolean): boolean {
    if (this.#isStopping) return false;
    for (const event of events) this.send(event);
    for (const [, event] of gone) if (!isThere(event)) this.went(event);
    return true;
  }

  /**
   * Hands on what is gone and may come back; reports it at once if there is no other node. Then tries for a
   * short while to send the events that wait, and hands on the rest.
   */
  async flush(): Promise<void> {
    const { senders, count, log } = this.#options;
    this.#isStopping = true;
    if (senders.isHere && !await this.#handOn([], [...this.#leaving])) {
      // Read again after the wait: nodes that stop at the same time have lost clients meanwhile.
      for (const event of this.#endGrace()) this.send(event);
    }
    const rest = await this.#queue.drain(DRAIN_MS);
    this.#isOver = true;
    this.#endGrace();
    if (rest.length === 0 || await this.#handOn(rest, [])) return;
    count("dropped", rest.length);
    log.warn("webhook dropped", { why: "the server stops", events: rest.length });
  }

  /** Stops to wait for channels and members that may come back. Returns the events to report. */
  #endGrace(): WebhookEvent[] {
    this.#grace.clear();
    const events = [...this.#leaving.values()];
    this.#leaving.clear();
    return events;
  }

  /** Hands on in messages that are not too large. Resolves to false if not all of it is taken. */
  async #handOn(events: Handover["events"], gone: Handover["gone"]): Promise<boolean> {
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

function keyOf({ channel, user_id: userId = "" }: WebhookEvent): string {
  return `${channel} ${userId}`;
}
