import { assertEquals } from "@std/assert";
import { every, type Timer } from "../../lib/core/clock.ts";
import type { Broker, HistoryPage, HistoryQuery, Receipt } from "../../lib/broker/broker.ts";
import type { HistoryLimits } from "../../lib/broker/history/history.ts";
import type { Draft, Position, Publication } from "../../lib/core/publication.ts";
import type { Dice } from "./dice.ts";
import type { FakeClock } from "./fake_clock.ts";
import { HistoryModel } from "./history_model.ts";

/** Begins a process on a log: on the same one if the broker keeps it, on a new one otherwise. */
export type OpenBroker = (clock: FakeClock, limits: HistoryLimits) => Broker;

const EXPIRE_INTERVAL_MS = 1000;

/** A log in a broker, beside all that it ever had and what history must have kept of that. */
export class SimulatedLog {
  /** All that was published since this log began. */
  publications: Publication[] = [];
  readonly #clock: FakeClock;
  readonly #limits: HistoryLimits;
  readonly #open: OpenBroker;
  #broker: Broker | undefined;
  #epoch: string | undefined;
  #model: HistoryModel | undefined;
  #expiry: Timer | undefined;

  constructor(clock: FakeClock, limits: HistoryLimits, open: OpenBroker) {
    this.#clock = clock;
    this.#limits = limits;
    this.#open = open;
  }

  /** Where it ends now. */
  get position(): Position {
    return this.#broker!.position;
  }

  /** A place in this log, mostly; not always one that there is. */
  somePosition(dice: Dice): Position {
    const { epoch, offset } = this.position;
    if (dice.chance(0.05)) return { epoch: "another", offset: dice.upTo(offset) };
    if (dice.chance(0.05)) return { epoch, offset: offset + 1000 };
    const back = dice.upTo(dice.chance(0.3) ? offset : 30);
    return { epoch, offset: Math.max(0, offset - back) };
  }

  async start(deliver: (publication: Publication) => void): Promise<void> {
    const broker = this.#open(this.#clock, this.#limits);
    this.#broker = broker;
    await broker.start({
      deliver: (publication) => {
        this.publications.push(publication);
        this.#model!.append(publication);
        deliver(publication);
      },
      reset: ({ epoch }) => this.#begin(epoch),
      health: () => {},
    });
    const model = this.#model!;
    this.#expiry = every(this.#clock, EXPIRE_INTERVAL_MS, () => model.expire(this.#clock.now()));
  }

  #begin(epoch: string): void {
    if (this.#epoch !== epoch) {
      this.#epoch = epoch;
      this.publications = [];
      this.#model = new HistoryModel({ epoch, offset: 0 }, this.#limits);
    }
    this.#model!.expire(this.#clock.now());
  }

  async stop(): Promise<void> {
    this.#expiry?.cancel();
    await this.#broker!.close();
  }

  publish(drafts: readonly Draft[]): Promise<Receipt> {
    return this.#broker!.publish({ drafts });
  }

  /** Reads history as it is now; throws if it is not as it must be. */
  async read(query: HistoryQuery, onRead: (page: HistoryPage) => void): Promise<HistoryPage> {
    const reading = this.#broker!.history(query);
    const expected = this.#model!.read(query, this.#clock.now());
    onRead(expected);
    const page = await reading;
    assertEquals(summary(page), summary(expected), JSON.stringify(query));
    return page;
  }
}

function summary({ publications, ...page }: HistoryPage): unknown {
  return { ...page, publications: publications.map(({ id }) => id).join(" ") };
}

const ROOMY: HistoryLimits = {
  historyCount: 400,
  historyAgeS: 600,
  historyBytesMax: 1_000_000,
  historyTotalBytesMax: 1_000_000,
  channelsMax: 100,
};

/** The bounds of a seed; every other one's are hardly ever met. */
export function limitsOf(seed: number, dice: Dice): HistoryLimits {
  if (seed % 2 === 0) return ROOMY;
  return {
    historyCount: 3 + dice.upTo(40),
    historyAgeS: 5 + dice.upTo(60),
    historyBytesMax: 1000 + dice.upTo(10_000),
    historyTotalBytesMax: 3000 + dice.upTo(50_000),
    channelsMax: 100,
  };
}
