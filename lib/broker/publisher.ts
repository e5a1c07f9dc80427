import type { Clock } from "../core/clock.ts";
import { type Broker, idAt, type Receipt } from "./broker.ts";
import type { KeyedRequest } from "./idempotency.ts";
import { readInput, Refusal } from "../core/errors.ts";
import type { Grant } from "../core/grant.ts";
import { RateLimiter } from "../core/rate_limiter.ts";
import type { Log } from "../observe/log.ts";
import { checkDraft, dataBytes, type Draft } from "../core/publication.ts";

/** What a publisher needs, and its bounds. */
export interface PublisherOptions {
  readonly broker: Pick<Broker, "publish">;
  readonly clock: Clock;
  readonly log: Pick<Log, "debug">;
  readonly publishBytesMax: number;
  readonly publishPerSecondMax: number;
  /** Called with the seconds that the broker took, and the number of publications. */
  readonly onPublished: (seconds: number, count: number) => void;
}

/** What a publisher has to know of a grant. */
export type PublishedBy = Pick<Grant, "caller" | "mayManage">;

/** The only way into the broker: checks names, sizes and rates, whatever protocol a message comes by. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #rates: PublishRates;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#rates = new PublishRates(options.clock, options.publishPerSecondMax);
  }

  /**
   * Publishes all of the drafts at consecutive offsets, or none; with `once`, once under that key.
   * They count towards the caller's rate, unless they were published before under their key, and
   * towards its quota of channels, unless it may manage channels. Throws a `Refusal` that says what
   * to do instead.
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

/** Limits how many publications a second each caller may make. */
export class PublishRates {
  readonly #perSecond: number;
  readonly #rates: RateLimiter;

  constructor(clock: Clock, perSecond: number) {
    this.#perSecond = perSecond;
    this.#rates = new RateLimiter({ clock, perSecond });
  }

  /** Counts publications of a caller. Throws a `Refusal` if they are too many. */
  take(caller: string, count: number): void {
    if (this.#rates.take(caller, count)) return;
    throw new Refusal(
      "too-many-requests",
      `Cannot publish more than ${this.#perSecond} messages a second: retry in a second`,
      1,
    );
  }
}
