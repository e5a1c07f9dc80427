import { type Clock, every, type Timer } from "../core/clock.ts";
import type { Broker, BrokerStats, ChannelInfo, HistoryPage, HistoryQuery } from "./broker.ts";
import { History, type HistoryLimits } from "./history/history.ts";
import { type Draft, Publication, randomEpoch } from "../core/publication.ts";
import { checkRoom } from "./channel_quota.ts";

const EXPIRE_INTERVAL_MS = 1000;

/** Keeps the log in this process's memory: it lives as long as the process. */
export class MemoryBroker implements Broker {
  readonly epoch: string = randomEpoch();
  readonly #clock: Clock;
  readonly #limits: HistoryLimits;
  readonly #history: History;
  #offset = 0;
  #deliver: (publication: Publication) => void = () => {};
  #expiry: Timer | undefined;

  constructor(clock: Clock, limits: HistoryLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#history = new History({ epoch: this.epoch, offset: 0 }, limits);
  }

  get offset(): number {
    return this.#offset;
  }

  start(deliver: (publication: Publication) => void): Promise<void> {
    this.#deliver = deliver;
    this.#expiry = every(this.#clock, EXPIRE_INTERVAL_MS, () => {
      this.#history.expire(this.#clock.monotonic());
    });
    return Promise.resolve();
  }

  publish(drafts: readonly Draft[], caller?: string): Promise<readonly Publication[]> {
    const { channelsMax } = this.#limits;
    try {
      checkRoom(drafts, { history: this.#history, caller, channelsMax });
    } catch (refusal) {
      return Promise.reject(refusal);
    }
    const time = this.#clock.now();
    const now = this.#clock.monotonic();
    const publications = drafts.map((draft) =>
      new Publication({ epoch: this.epoch, offset: ++this.#offset }, draft, time)
    );
    // All are kept before the first is delivered: whoever reads history then sees none missing.
    for (const publication of publications) this.#history.append(publication, now, caller);
    for (const publication of publications) this.#deliver(publication);
    return Promise.resolve(publications);
  }

  history(query: HistoryQuery): Promise<HistoryPage> {
    return Promise.resolve(this.#history.read(query, this.#clock.monotonic()));
  }

  channels(after: string, limit: number): Promise<readonly ChannelInfo[]> {
    return Promise.resolve(this.#history.channels(after, limit, this.#clock.monotonic()));
  }

  stats(): BrokerStats {
    return this.#history.stats;
  }

  close(): Promise<void> {
    this.#expiry?.cancel();
    return Promise.resolve();
  }
}
