import { type Clock, systemClock } from "../../lib/core/clock.ts";
import type { Broker, HistoryPage, HistoryQuery, Sink } from "../../lib/broker/broker.ts";
import type { BrokerMetrics } from "../../lib/broker/health.ts";
import type { HistoryLimits } from "../../lib/broker/history/history.ts";
import { draftFieldsOf, type Feed, type Journal } from "../../lib/broker/journal.ts";
import { LogBroker } from "../../lib/broker/log_broker.ts";
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

/** Bounds of a broker that tests change. */
export type Limits = Partial<
  HistoryLimits & {
    idempotencyAgeS: number;
    idempotencyKeysMax: number;
    metrics: BrokerMetrics;
    tap: Feed;
  }
>;

/** A broker on a journal; nobody has started it. */
export function brokerOn(journal: Journal, clock: Clock, limits: Limits = {}): LogBroker {
  const keys = { idempotencyAgeS: 300, idempotencyKeysMax: 100 };
  return new LogBroker({ ...ROOMY, ...keys, ...limits, clock, journal });
}

/** What was delivered, and a way to wait for it. */
export class Deliveries implements Sink {
  readonly publications: Publication[] = [];
  /** Everything else that happened, in order. */
  readonly events: string[] = [];
  /** Called with each as it is delivered. */
  onDelivery: (publication: Publication) => void = () => {};
  /** Called with each reset. */
  onReset: (position: Position) => void = () => {};
  #waiting: { isDone: () => boolean; resolve: () => void } | undefined;

  deliver(publication: Publication): void {
    this.publications.push(publication);
    this.onDelivery(publication);
    this.#changed();
  }

  reset(position: Position): void {
    const { offset } = position;
    this.onReset(position);
    this.#note(`reset to ${offset} after ${this.publications.length}`);
  }

  health(isUp: boolean, why: string): void {
    this.#note(isUp ? "up" : `down: ${why}`);
  }

  /** Resolves with the offsets of all that have come, once these are `count`. */
  async offsets(count: number): Promise<number[]> {
    await this.#until(() => this.publications.length >= count);
    return this.publications.map(({ offset }) => offset);
  }

  /** Resolves with the events after the first, which is where the log begins, once these are `count`. */
  async eventsAfterStart(count: number): Promise<string[]> {
    await this.#until(() => this.events.length > count);
    return this.events.slice(1);
  }

  async #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    await deadline(new Promise<void>((resolve) => this.#waiting = { isDone, resolve }));
  }

  #note(event: string): void {
    this.events.push(event);
    this.#changed();
  }

  #changed(): void {
    if (this.#waiting?.isDone()) this.#waiting.resolve();
  }
}

/** A message on `channel`; its data is JSON text unless it is bytes. */
export function draft(channel: string, data: Data = '{"n":1}', event = "message"): Draft {
  return { channel, event, data };
}

/** Publishes in one step; resolves with the offsets. */
export async function publish(
  broker: Broker,
  drafts: readonly Draft[],
  caller?: string,
): Promise<number[]> {
  const { offset, count } = await broker.publish({ drafts, caller });
  return Array.from({ length: count }, (_, index) => offset + index);
}

/** Publishes one message after the other, each on its channel; resolves with their offsets. */
export async function publishOn(broker: Broker, ...channels: string[]): Promise<number[]> {
  const published = channels.map((channel) => publish(broker, [draft(channel)]));
  return (await Promise.all(published)).flat();
}

/** Reads the channels after `since`, of this log unless it is another's. */
export function readAfter(
  broker: Broker,
  since: number | undefined,
  channels: readonly string[] = ["*"],
  query: Partial<HistoryQuery> = {},
): Promise<HistoryPage> {
  const position = since === undefined
    ? undefined
    : { epoch: broker.position.epoch, offset: since };
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
  return { id, epoch, offset, channel, event, data, time, ...draftFieldsOf(publication) };
}
