import { networkOf } from "../core/address.ts";
import { BROADCAST, isPattern } from "../core/channel.ts";
import { Refusal } from "../core/errors.ts";
import { Quota } from "../core/quota.ts";

/** After how many seconds there may be room again. */
const RETRY_AFTER_S = 5;

const NOBODY: ReadonlySet<never> = new Set();
const NOTHING: ReadonlyMap<string, number> = new Map();

/** The bounds on subscriptions. */
export interface SubscriberLimits {
  readonly channelsPerSessionMax: number;
  /** Channels and patterns with a subscriber; an address may add half of what the others leave. */
  readonly channelsMax: number;
  /** Reports whether many clients may have this address: then it has no quota. */
  readonly isShared: (address: string) => boolean;
}

/** The subscribers of one channel or pattern, and the network of the first. */
class Group<S> extends Set<S> {
  readonly network: string;

  constructor(network: string) {
    super();
    this.network = network;
  }
}

/** Subscribers by channel and pattern, and the quotas on how many of these there are. */
export class Subscribers<S> {
  readonly #limits: SubscriberLimits;
  readonly #groups = new Map<string, Group<S>>();
  /** Counts channels and patterns by the network of their first subscriber. */
  readonly #begun: Quota;

  constructor(limits: SubscriberLimits) {
    this.#limits = limits;
    this.#begun = new Quota(limits.channelsMax);
  }

  /** The number of channels and patterns that have a subscriber. */
  get channels(): number {
    return this.#groups.size;
  }

  /** Returns the subscribers of exactly this channel or pattern. */
  of(subscription: string): ReadonlySet<S> {
    return this.#groups.get(subscription) ?? NOBODY;
  }

  /** Counts the subscribers of exactly this channel or pattern. */
  count(subscription: string): number {
    return this.of(subscription).size;
  }

  /** The channels that have a subscriber by their name. */
  channelNames(): Iterable<string> {
    return this.#groups.keys().filter((name) => !isPattern(name));
  }

  /**
   * Throws a `Refusal` if a subscriber at `address` that has the subscriptions `held` cannot have these
   * as well. They MUST be valid.
   */
  check(
    subscriptions: readonly string[],
    address: string,
    held: ReadonlyMap<string, number> = NOTHING,
  ): void {
    const wanted = new Set(subscriptions);
    this.checkCount(held.size === 0 ? wanted : wanted.union(held));
    const { channelsMax, isShared } = this.#limits;
    let amount = 0;
    for (const name of wanted) if (!this.#groups.has(name)) amount++;
    if (amount === 0) return;
    const network = networkOf(address);
    const bound = this.#begun.boundFor(network, { amount, isExempt: isShared(address) });
    if (bound === undefined) return;
    const why = bound === "all"
      ? `the server has ${channelsMax} channels`
      : `${this.#begun.of(network)} of the server's ${channelsMax} channels were begun from your ` +
        "address, and the rest is for others; use those, or wait until they are over";
    throw new Refusal("over-limit", `Cannot subscribe: ${why}`, RETRY_AFTER_S);
  }

  /** Throws a `Refusal` if these are more than one session can have. */
  checkCount(subscriptions: Iterable<string>): void {
    const { channelsPerSessionMax } = this.#limits;
    const counted = new Set(subscriptions);
    counted.delete(BROADCAST);
    if (counted.size <= channelsPerSessionMax) return;
    throw new Refusal(
      "over-limit",
      `Cannot subscribe: a session has at most ${channelsPerSessionMax} channels`,
    );
  }

  /** Adds a subscriber at `address` to a channel or pattern. */
  add(subscription: string, subscriber: S, address: string): void {
    let group = this.#groups.get(subscription);
    if (group === undefined) {
      const network = networkOf(address);
      group = new Group(network);
      this.#groups.set(subscription, group);
      this.#begun.add(network);
    }
    group.add(subscriber);
  }

  /** Removes a subscriber from a channel or pattern. */
  delete(subscription: string, subscriber: S): void {
    const group = this.#groups.get(subscription);
    if (!group?.delete(subscriber) || group.size > 0) return;
    this.#groups.delete(subscription);
    this.#begun.remove(group.network);
  }
}
