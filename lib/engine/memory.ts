import { type Clock, every, type Timer } from "../core/clock.ts";
import type {
  ChannelInfo,
  Engine,
  EngineStats,
  HistoryPage,
  HistoryQuery,
} from "../core/engine.ts";
import { Refusal } from "../core/errors.ts";
import { History, type HistoryLimits } from "../core/history.ts";
import { type Draft, Publication, randomEpoch } from "../core/publication.ts";

const EXPIRE_INTERVAL_MS = 1000;

/** Keeps the log in this process's memory: it lives as long as the process. */
export class MemoryEngine implements Engine {
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

  publish(drafts: readonly Draft[]): Promise<readonly Publication[]> {
    try {
      checkRoom(this.#history, drafts, this.#limits.channelsMax);
    } catch (refusal) {
      return Promise.reject(refusal);
    }
    const time = this.#clock.now();
    const now = this.#clock.monotonic();
    const publications = drafts.map((draft) =>
      new Publication({ epoch: this.epoch, offset: ++this.#offset }, draft, time)
    );
    // All are kept before the first is delivered: whoever reads history then sees none missing.
    for (const publication of publications) this.#history.append(publication, now);
    for (const publication of publications) this.#deliver(publication);
    return Promise.resolve(publications);
  }

  history(query: HistoryQuery): Promise<HistoryPage> {
    return Promise.resolve(this.#history.read(query, this.#clock.monotonic()));
  }

  channels(after: string, limit: number): Promise<readonly ChannelInfo[]> {
    return Promise.resolve(this.#history.channels(after, limit, this.#clock.monotonic()));
  }

  stats(): EngineStats {
    return this.#history.stats;
  }

  close(): Promise<void> {
    this.#expiry?.cancel();
    return Promise.resolve();
  }
}

/**
 * Throws a `Refusal` if the drafts name more new channels than there is room for. `taken` are new
 * channels that have their room already.
 */
export function checkRoom(
  history: History,
  drafts: readonly Draft[],
  channelsMax: number,
  taken: ReadonlySet<string> = new Set(),
): void {
  const names = drafts.map((draft) => draft.channel).filter((name) => !taken.has(name));
  const added = history.countNew(names);
  if (added === 0 || history.stats.channels + taken.size + added <= channelsMax) return;
  throw new Refusal(
    "over-limit",
    `Cannot publish: history has its ${channelsMax} channels already`,
  );
}
