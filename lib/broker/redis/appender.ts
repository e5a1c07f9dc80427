import type { Clock } from "../../core/clock.ts";
import { Arrivals } from "../arrivals.ts";
import type { Receipt } from "../broker.ts";
import { keyConflict, type KeyedRequest } from "../idempotency.ts";
import type { Gap, JournalBatch } from "../journal.ts";
import { ConnectionLost } from "./connection.ts";
import type { StreamEntry } from "./entries.ts";
import { isPassing, refusalOf } from "./errors.ts";
import { Group, type GroupOptions, type Sent } from "./group.ts";
import type { LinkKeeper } from "./keeper.ts";
import type { RedisLink } from "./link.ts";
import type { Reply } from "./resp.ts";

/** What appending needs. */
export interface AppenderOptions extends GroupOptions {
  readonly clock: Clock;
  readonly keeper: LinkKeeper;
}

/** How long a batch waits for Redis to come back. */
export const QUEUE_MS = 1000;

/** A batch that is not answered yet. */
interface Pending {
  readonly count: number;
  /** Set when the feed brings the batch back. */
  receipt?: Receipt;
  appended?: Promise<Receipt>;
}

/**
 * Appends batches. Each carries a reference: if a reply is lost, the feed shows whether the batch was kept,
 * and only a batch that was not is sent again.
 */
export class Appender {
  readonly #options: AppenderOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #arrivals: Arrivals;
  /** Gets the batches of this turn. */
  #group: Group | undefined;
  /** The last offset of the feed. */
  #fedOffset = 0;
  /** The highest offset that was fed or acknowledged. */
  #seen = 0;
  #batches = 0;
  /**
   * Grows whenever the feed begins anew, or jumps: a batch that it has not shown before, it never will, even
   * if Redis kept it and other nodes got it.
   */
  #feeds = 0;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#arrivals = new Arrivals(options.clock);
  }

  /** The highest offset that this node knows to be taken. */
  get seen(): number {
    return this.#seen;
  }

  /** Offsets that are taken and that this node was not fed: it does not know which of them are lost. */
  get unfed(): readonly Gap[] {
    const [after, until] = [this.#fedOffset, this.#seen];
    return after < until ? [{ after, until }] : [];
  }

  /** The feed begins after `offset`, maybe in another log. */
  begin(offset: number): void {
    this.#feeds++;
    this.#fedOffset = this.#seen = offset;
  }

  /**
   * The feed has brought these entries. Without `isTaken` the broker could not use them: they show which
   * batches were kept, but this node has not seen them.
   */
  fed(entries: readonly StreamEntry[], epoch: string, isTaken: boolean): void {
    for (const { offset, fields } of entries) {
      if (fields.has("g")) this.#feeds++;
      const pending = this.#pending.get(fields.get("r") ?? "");
      if (pending === undefined) continue;
      pending.receipt ??= { epoch, offset, count: pending.count, time: Number(fields.get("t")) };
    }
    if (!isTaken) return;
    this.#fedOffset = entries.at(-1)?.offset ?? this.#fedOffset;
    this.#seen = Math.max(this.#seen, this.#fedOffset);
    this.#arrivals.arrived(this.#fedOffset);
  }

  /** Resolves when all batches are answered and fed, or after a short while. */
  async settle(): Promise<void> {
    await Promise.allSettled(Array.from(this.#pending.values(), ({ appended }) => appended));
    if (this.#fedOffset < this.#seen) await this.#arrivals.wait(this.#seen, QUEUE_MS);
    this.#arrivals.giveUp();
  }

  /** Appends a batch. Throws a `Refusal`: `conflict`, or `unavailable` after a short while. */
  append(batch: JournalBatch): Promise<Receipt> {
    const reference = `${this.#options.node}:${++this.#batches}`;
    const pending: Pending = { count: batch.drafts.length };
    this.#pending.set(reference, pending);
    return pending.appended = this.#append(batch, reference, pending);
  }

  async #append(batch: JournalBatch, reference: string, pending: Pending): Promise<Receipt> {
    const { clock, keeper, keys } = this.#options;
    const { once } = batch;
    const giveUpAt = clock.monotonic() + QUEUE_MS;
    const leftMs = () => giveUpAt - clock.monotonic();
    /** The feed during which it was first sent, if Redis may have kept it. */
    let sentDuring: number | undefined;
    try {
      const key = once && keys.idempotency(await hashOf(once));
      for (let attempt = 1;; attempt++) {
        const link = keeper.link ?? await keeper.wait(leftMs());
        if (attempt > 1) await this.#catchUp(link, leftMs());
        if (pending.receipt !== undefined) return pending.receipt;
        if (once === undefined && sentDuring !== undefined && sentDuring !== this.#feeds) {
          throw new ConnectionLost("whether it was kept is not known");
        }
        const feeds = this.#feeds;
        try {
          const reply = await this.#send(link, { batch, reference, key });
          return this.#read(reply, link, pending.count);
        } catch (error) {
          if (!isPassing(error)) throw error;
          if (error instanceof ConnectionLost) sentDuring ??= feeds;
          keeper.drop(link, error);
        }
      }
    } catch (error) {
      throw refusalOf(error);
    } finally {
      this.#pending.delete(reference);
    }
  }

  /** Waits until the feed has shown all that was kept when the link opened the log. */
  async #catchUp({ offset }: RedisLink, timeoutMs: number): Promise<void> {
    if (this.#fedOffset >= offset) return;
    if (await this.#arrivals.wait(offset, Math.max(0, timeoutMs))) return;
    throw new ConnectionLost("the feed is not back in time");
  }

  /** Sends a batch together with the others of this turn. */
  #send(link: RedisLink, sent: Sent): Promise<Reply> {
    if (this.#group?.link !== link || this.#group.isFull) {
      const group = this.#group = new Group(link, this.#options);
      this.#options.clock.afterTurn(() => {
        if (this.#group === group) this.#group = undefined;
        group.send(this.#seen);
      });
    }
    return this.#group.add(sent);
  }

  #read(reply: Reply, { epoch }: RedisLink, count: number): Receipt {
    const [outcome, ...rest] = reply as readonly string[];
    if (outcome === "ok") {
      const [offset, time] = rest.map(Number);
      this.#seen = Math.max(this.#seen, offset! + count - 1);
      return { epoch, offset: offset!, count, time: time! };
    }
    if (outcome === "conflict") throw keyConflict();
    const [first = "", ...numbers] = rest;
    const [offset, keptCount, time] = numbers.map(Number);
    return { epoch: first, offset: offset!, count: keptCount!, time: time! };
  }
}

/** A hash of caller and key, which no other request has. */
async function hashOf({ caller, key }: KeyedRequest): Promise<string> {
  const bytes = new TextEncoder().encode(`${caller}\n${key}`);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
