import { systemClock } from "../../lib/core/clock.ts";
import type { Broker, HistoryPage, HistoryQuery } from "../../lib/broker/broker.ts";
import type { HistoryLimits } from "../../lib/broker/history/history.ts";
import type { Data, Draft, Position, Publication } from "../../lib/core/publication.ts";
import { deadline } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Bounds that no test reaches by accident. */
export const ROOMY: HistoryLimits = {
  historyCount: 100,
  historyAgeS: 3600,
  historyBytesMax: 1_000_000,
  historyTotalBytesMax: 10_000_000,
  channelsMax: 100,
};

/** A clock that stands still until a test turns it, while turns of the event loop end by themselves. */
export class TurningClock extends FakeClock {
  override afterTurn(callback: () => void): void {
    systemClock.afterTurn(callback);
  }
}

/** What was delivered, and a way to wait for it. */
export class Deliveries {
  readonly publications: Publication[] = [];
  /** Called with each as it is delivered. */
  onDelivery: (publication: Publication) => void = () => {};
  #waiting: { count: number; resolve: () => void } | undefined;

  readonly add = (publication: Publication): void => {
    this.publications.push(publication);
    this.onDelivery(publication);
    if (this.publications.length === this.#waiting?.count) this.#waiting.resolve();
  };

  /** Resolves with the offsets of the first `count`, once so many have come. */
  async offsets(count: number): Promise<number[]> {
    if (this.publications.length < count) {
      await deadline(new Promise<void>((resolve) => this.#waiting = { count, resolve }));
    }
    return this.publications.map(({ offset }) => offset);
  }
}

/** A message on `channel`; its data is JSON text unless it is bytes. */
export function draft(channel: string, data: Data = '{"n":1}', event = "message"): Draft {
  return { channel, event, data };
}

/** Publishes one message after the other, each on its channel; resolves with their offsets. */
export async function publishOn(broker: Broker, ...channels: string[]): Promise<number[]> {
  const published = await Promise.all(channels.map((channel) => broker.publish([draft(channel)])));
  return published.flat().map(({ offset }) => offset);
}

/** Reads the channels after `since`, of this log unless it is another's. */
export function readAfter(
  broker: Broker,
  since: number | undefined,
  channels: readonly string[] = ["*"],
  query: Partial<HistoryQuery> = {},
): Promise<HistoryPage> {
  const position = since === undefined ? undefined : { epoch: broker.epoch, offset: since };
  return broker.history({ channels, since: position, limit: 1000, ...query });
}

/** A page in short. */
export interface Summary {
  readonly offsets: readonly number[];
  readonly complete: boolean;
  readonly lostOffset: number;
  readonly position: number;
  readonly more: boolean;
}

/** What a reader sees of a page. */
export function summary(page: HistoryPage): Summary {
  const { publications, complete, lostOffset, position, more } = page;
  const offsets = publications.map(({ offset }) => offset);
  return { offsets, complete, lostOffset, position: position.offset, more };
}

/** A publication without its memo. */
export function fields(publication: Publication): Draft & Position & { id: string; time: number } {
  const { id, epoch, offset, channel, event, data, time } = publication;
  return { id, epoch, offset, channel, event, data, time };
}
