import type { Clock } from "../core/clock.ts";
import type { Broker } from "./broker.ts";
import { readInput, Refusal } from "../core/errors.ts";
import type { Grant } from "../core/grant.ts";
import { Rates } from "../core/limits.ts";
import { checkDraft, dataBytes, type Draft, type Publication } from "../core/publication.ts";

/** What a publisher needs, and the bounds it keeps. */
export interface PublisherOptions {
  readonly broker: Pick<Broker, "publish">;
  readonly clock: Clock;
  readonly publishBytesMax: number;
  readonly publishPerSecondMax: number;
  /** Called with how long the broker took, in seconds, and how many publications that were. */
  readonly onPublished: (seconds: number, count: number) => void;
}

/** Who publishes. */
export type PublishedBy = Pick<Grant, "caller" | "mayManage">;

/** The one way into the broker: checks names, sizes and rates, whoever publishes and by whatever way. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #rates: Rates;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#rates = new Rates(options.clock, options.publishPerSecondMax);
  }

  /**
   * Publishes all of the drafts or none, one behind the other. Whoever has the grant is held to the
   * rate, and to a share of the channels unless they may look after these. Throws a `Refusal` that
   * says what to do instead.
   */
  async publish(
    drafts: readonly Draft[],
    { caller, mayManage }: PublishedBy,
  ): Promise<readonly Publication[]> {
    const { broker, clock, publishBytesMax, publishPerSecondMax, onPublished } = this.#options;
    for (const draft of drafts) {
      readInput(() => checkDraft(draft));
      if (dataBytes(draft.data) > publishBytesMax) throw tooLarge(publishBytesMax);
    }
    if (drafts.length > publishPerSecondMax) {
      throw new Refusal("too-large", `Cannot publish more than ${publishPerSecondMax} at once`);
    }
    if (!this.#rates.take(caller, drafts.length)) {
      throw new Refusal(
        "too-many-requests",
        `Cannot publish more than ${publishPerSecondMax} messages a second: try again in a second`,
        1,
      );
    }
    const startedAt = clock.monotonic();
    const publications = await broker.publish(drafts, mayManage ? undefined : caller);
    onPublished((clock.monotonic() - startedAt) / 1000, publications.length);
    return publications;
  }
}

/** The refusal of a publication that is larger than allowed. */
export function tooLarge(bytesMax: number): Refusal {
  return new Refusal("too-large", `Cannot publish more than ${bytesMax} bytes in one message`);
}
