import type { Hub } from "../hub/hub.ts";
import type { Cluster } from "./cluster.ts";

/** The numbers of subscribers of channels, by Hark's names; without channels that have none. */
export type SubscriberCounts = ReadonlyMap<string, number>;

/** Only Pusher's API asks it. */
const QUESTION = "pusher counts";

/**
 * Counts the subscribers of channels, of every protocol and on all nodes. Every node has one, for the
 * questions of the others: a node without Pusher apps has subscribers too.
 */
export class Occupancy {
  readonly #hub: Hub;
  readonly #cluster: Pick<Cluster, "ask" | "answer">;

  constructor(hub: Hub, cluster: Pick<Cluster, "ask" | "answer">) {
    this.#hub = hub;
    this.#cluster = cluster;
    cluster.answer(QUESTION, ({ names, prefix }) => {
      return Array.isArray(names) ? this.#named(names) : this.#starting(String(prefix));
    });
  }

  /** The counts of these channels. */
  named(names: readonly string[]): Promise<SubscriberCounts> {
    if (names.length === 0) return Promise.resolve(new Map());
    return this.#sum(this.#named(names), { names });
  }

  /** The counts of the channels whose names begin with `prefix`. */
  starting(prefix: string): Promise<SubscriberCounts> {
    return this.#sum(this.#starting(prefix), { prefix });
  }

  #named(names: readonly string[]): [string, number][] {
    const counts = names.map((name): [string, number] => [name, this.#hub.subscribers.count(name)]);
    return counts.filter(([, count]) => count > 0);
  }

  #starting(prefix: string): [string, number][] {
    return this.#named(
      Array.from(this.#hub.subscribers.channelNames()).filter((name) => name.startsWith(prefix)),
    );
  }

  async #sum(
    own: [string, number][],
    question: Record<string, unknown>,
  ): Promise<SubscriberCounts> {
    const counts = new Map(own);
    const { answers } = await this.#cluster.ask(QUESTION, question);
    for (const answer of answers.values()) {
      for (const [name, count] of answer as [string, number][]) {
        counts.set(name, (counts.get(name) ?? 0) + count);
      }
    }
    return counts;
  }
}
