import type { Broker } from "../../lib/broker/broker.ts";
import type { HistoryLimits } from "../../lib/broker/history/history.ts";
import { Hub, type HubOptions } from "../../lib/hub/hub.ts";
import type { Position, Publication } from "../../lib/core/publication.ts";
import type { Session, SubscribeOptions } from "../../lib/hub/session.ts";
import { LogBroker } from "../../lib/broker/log_broker.ts";
import { MemoryJournal } from "../../lib/broker/memory.ts";
import { FakeClock } from "./fake_clock.ts";
import { FakeTransport } from "./fake_transport.ts";

/** Bounds that no test meets by accident. */
export const HISTORY_LIMITS: HistoryLimits = {
  historyCount: 1000,
  historyAgeS: 3600,
  historyBytesMax: 1_000_000,
  historyTotalBytesMax: 10_000_000,
  channelsMax: 1000,
};

/** Adds up amounts. */
export class Sum {
  total = 0;

  add(amount: number): void {
    this.total += amount;
  }
}

/** A client of a `TestNode`. */
export interface TestClient {
  readonly session: Session;
  readonly transport: FakeTransport;
}

/** A hub on a memory broker, turned by hand. */
export class TestNode {
  readonly clock = new FakeClock();
  readonly broker: LogBroker;
  /** Of its log. */
  readonly epoch: string;
  readonly hub: Hub;
  readonly deliveries = new Sum();
  readonly deliveredBytes = new Sum();
  /** Why each session left, in order. */
  readonly left: string[] = [];
  readonly errors: unknown[] = [];
  /** Put before the broker's `history()`, to hold it up or to let it fail. */
  beforeHistory: () => Promise<void> = () => Promise.resolve();
  /** Whether the log is there, as sessions see it. */
  isUp = true;
  readonly #started: Promise<Position>;
  readonly #delivered: Publication[] = [];

  constructor(options: Partial<HubOptions & HistoryLimits> = {}) {
    const journal = new MemoryJournal(this.clock);
    this.epoch = journal.epoch;
    this.broker = new LogBroker({
      ...HISTORY_LIMITS,
      idempotencyAgeS: 300,
      idempotencyKeysMax: 100,
      clock: this.clock,
      ...options,
      journal,
    });
    const history: Broker["history"] = async (query) => {
      await this.beforeHistory();
      return await this.broker.history(query);
    };
    const isUp = () => this.isUp;
    this.hub = new Hub({
      broker: {
        history,
        reached: (position, timeoutMs) => this.broker.reached(position, timeoutMs),
        get isUp() {
          return isUp();
        },
      },
      clock: this.clock,
      greeting: "",
      outboundBytesMax: 10_000,
      channelsPerSessionMax: 10,
      channelsMax: 100,
      isShared: () => true,
      deliveries: this.deliveries,
      deliveredBytes: this.deliveredBytes,
      onOpen: () => {},
      onLeave: (_session, why) => void this.left.push(why),
      onError: (error) => void this.errors.push(error),
      ...options,
    });
    this.hub.begin(this.at(0));
    this.#started = this.broker.start({
      deliver: (publication) => {
        this.#delivered.push(publication);
        this.hub.broadcast(publication);
      },
      reset: () => {},
      health: () => {},
    });
  }

  /** Opens a session, and resolves once it has its first messages. */
  async connect(subscriptions: readonly string[], options?: SubscribeOptions): Promise<TestClient> {
    const client = this.open(subscriptions, options);
    await this.clock.settle();
    return client;
  }

  /** Opens a session; `user` is its name in presence. */
  open(
    subscriptions: readonly string[],
    options?: SubscribeOptions,
    transport?: FakeTransport,
    user?: string,
    address = "192.0.2.1",
  ): TestClient {
    const peer = { address, user };
    const connection = transport ?? new FakeTransport();
    const session = this.hub.open(connection, peer, subscriptions, options);
    return { session, transport: connection };
  }

  /** Publishes "channel data" texts one by one; `count` times over. */
  async publish(texts: readonly string[], count = 1): Promise<Publication[]> {
    await this.#started;
    const before = this.#delivered.length;
    for (let round = 0; round < count; round++) {
      for (const text of texts) {
        const [channel = "", data = ""] = text.split(" ");
        await this.broker.publish({ drafts: [{ channel, event: "message", data }] });
      }
    }
    return this.#delivered.slice(before);
  }

  /** A position in this node's log. */
  at(offset: number): Position {
    return { epoch: this.epoch, offset };
  }

  async close(): Promise<void> {
    for (const session of [...this.hub.sessions()]) session.lost("closed");
    await this.broker.close();
  }
}

/** Makes the node's `history()` wait until it is called. */
export function holdUp(node: TestNode): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  node.beforeHistory = () => promise;
  return () => {
    node.beforeHistory = () => Promise.resolve();
    resolve();
  };
}

/** A welcome of a resume from `since`. */
export function resumed(node: TestNode, since: number, recovered = true): string {
  const id = `${node.epoch}-${since}`;
  return `welcome ${id} since ${id} recovered ${recovered}`;
}

/** A client of `channels` that has read everything so far. */
export async function connected(node: TestNode, channels: string[]): Promise<TestClient> {
  const client = await node.connect(channels);
  client.transport.take();
  return client;
}
