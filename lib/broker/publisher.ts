import type { Clock } from "../core/clock.ts";
import { type Broker, idAt, type Receipt } from "./broker.ts";
import type { KeyedRequest } from "./idempotency.ts";
import { readInput, Refusal } from "../core/errors.ts";
import type { Grant } from "../core/grant.ts";
import { RateLimiter } from "../core/rate_limiter.ts";
import type { Log } from "../observe/log.ts";
import { checkDraft, dataBytes, type Draft } from "../core/publication.ts";

/** What a publisher needs, and the bounds it keeps. */
export interface PublisherOptions {
  readonly broker: Pick<Broker, "publish">;
  readonly clock: Clock;
  readonly log: Pick<Log, "debug">;
  readonly publishBytesMax: number;
  readonly publishPerSecondMax: number;
  /** Called with how long the broker took, in seconds, and how many publications that were. */
  readonly onPublished: (seconds: number, count: number) => void;
}

/** Whoever publishes. */
export type PublishedBy = Pick<Grant, "caller" | "mayManage">;

/** The one way into the broker: checks names, sizes and rates, whoever publishes and by whatever way. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #rates: PublishRates;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#rates = new PublishRates(options.clock, options.publishPerSecondMax);
  }

  /**
   * Publishes all of the drafts or none, one behind the other; with `once`, once under that key. Whoever
   * has the grant is held to the rate, unless this was published before, and to a quota of channels,
   * unless they may look after these. Throws a `Refusal` that says what to do instead.
   */
  async publish(
    drafts: readonly Draft[],
    { caller, mayManage }: PublishedBy,
    once?: KeyedRequest,
  ): Promise<Receipt> {
    const { broker, clock, log, publishBytesMax, publishPerSecondMax, onPublished } = this.#options;
    for (const draft of drafts) {
      readInput(() => checkDraft(draft));
      if (dataBytes(draft.data) > publishBytesMax) throw tooLarge(publishBytesMax);
    }
    if (drafts.length > publishPerSecondMax) {
      throw new Refusal("too-large", `Cannot publish more than ${publishPerSecondMax} at once`);
    }
    let isNew = false;
    const admit = () => {
      this.#rates.take(caller, drafts.length);
      isNew = true;
    };
    const startedAt = clock.monotonic();
    const batch = { drafts, caller: mayManage ? undefined : caller, once, ratedBy: caller };
    const receipt = await broker.publish(batch, admit);
    if (!isNew) return receipt;
    onPublished((clock.monotonic() - startedAt) / 1000, receipt.count);
    drafts.forEach(({ channel, event, data, traceparent }, index) => {
      log.debug("published", () => {
        const id = idAt(receipt, index);
        return { channel, event, bytes: dataBytes(data), id, caller, traceparent };
      });
    });
    return receipt;
  }
}

/** The refusal of a publication that is larger than allowed. */
export function tooLarge(bytesMax: number): Refusal {
  return new Refusal("too-large", `Cannot publish more than ${bytesMax} bytes in one message`);
}

/** Holds each caller to so many publications a second. */
export class PublishRates {
  readonly #perSecond: number;
  readonly #rates: RateLimiter;

  constructor(clock: Clock, perSecond: number) {
    this.#perSecond = perSecond;
    this.#rates = new RateLimiter({ clock, perSecond });
  }

  /** Counts `count` publications of a caller. Throws a `Refusal` if these are too many. */
  take(caller: string, count: number): void {
    if (this.#rates.take(caller, count)) return;
    throw new Refusal(
      "too-many-requests",
      `Cannot publish more than ${this.#perSecond} messages a second: retry in a second`,
      1,
    );
  }
}
