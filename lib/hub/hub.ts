import { networkOf } from "../core/address.ts";
import { BROADCAST, checkSubscription, isPattern, subscriptionsOf } from "../core/channel.ts";
import { type Clock, wait } from "../core/clock.ts";
import type { Engine } from "../broker/broker.ts";
import type { Disconnect } from "../core/errors.ts";
import { DISCONNECTS, Refusal } from "../core/errors.ts";
import { isOver } from "../core/grant.ts";
import { Counts, shareOf } from "../core/limits.ts";
import { Presence } from "./presence.ts";
import { formatPosition, type Position, type Publication } from "../core/publication.ts";
import { Session } from "./session.ts";
import type { Peer, SubscribeOptions } from "./session.ts";
import type { PresenceEntry, Transport } from "../core/transport.ts";

/** Anything that counts; a metrics counter is one. */
export interface Tally {
  add(amount: number): void;
}

/** What a hub needs, and the bounds it keeps. */
export interface HubOptions {
  readonly engine: Pick<Engine, "epoch" | "offset" | "history">;
  readonly clock: Clock;
  /** The first thing a client is told; empty for nothing. */
  readonly greeting: string;
  readonly outboundBytesMax: number;
  readonly channelsPerSessionMax: number;
  /** Channels and patterns with a subscriber; an address may begin half of what the others leave. */
  readonly channelsMax: number;
  /** Tells whether many clients may have this address, so that it is held to no share. */
  readonly isShared: (address: string) => boolean;
  readonly deliveries: Tally;
  readonly deliveredBytes: Tally;
  /** Called once for each session, after it left the hub. */
  readonly onLeave: (session: Session, why: string) => void;
  /** Called when a session had to be ended because the engine failed it. */
  readonly onError: (error: unknown) => void;
}

/** Who is subscribed to one channel or pattern, and the network of who was first. */
class Subscribers extends Set<Session> {
  readonly network: string;

  constructor(network: string) {
    super();
    this.network = network;
  }
}

/** This process's sessions by channel, and the fan-out to them. */
export class Hub {
  readonly options: HubOptions;
  readonly presence: Presence;
  readonly #sessions = new Map<string, Session>();
  readonly #subscribers = new Map<string, Subscribers>();
  /** How many channels and patterns were begun from each network. */
  readonly #begun = new Counts();
  #offset = 0;

  constructor(options: HubOptions) {
    this.options = options;
    this.#offset = options.engine.offset;
    this.presence = new Presence(options.clock);
  }

  /** Connected sessions. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Channels and patterns that somebody is subscribed to. */
  get channels(): number {
    return this.#subscribers.size;
  }

  /** The last publication that was broadcast: where a session that opens now begins. */
  get position(): Position {
    return { epoch: this.options.engine.epoch, offset: this.#offset };
  }

  /** The same as an id. */
  get positionId(): string {
    return formatPosition(this.position);
  }

  /**
   * Makes a session of a connected transport and greets it. Throws a `TypeError` for a bad channel
   * and a `Refusal` for too many, with nothing changed.
   */
  open(
    transport: Transport,
    peer: Peer,
    subscriptions: readonly string[],
    options: SubscribeOptions = {},
  ): Session {
    this.checkSubscriptions(subscriptions, peer.address);
    const session = new Session(this, transport, peer);
    this.#sessions.set(session.id, session);
    session.begin(subscriptions, options);
    return session;
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Gives a publication to every session that is subscribed to its channel, once each. */
  broadcast(publication: Publication): void {
    this.#offset = publication.offset;
    let deliveries = 0;
    let bytes = 0;
    for (const subscription of subscriptionsOf(publication.channel)) {
      const subscribers = this.#subscribers.get(subscription);
      if (subscribers === undefined) continue;
      for (const session of subscribers) {
        const sent = session.send(publication);
        if (sent === 0) continue;
        deliveries++;
        bytes += sent;
      }
    }
    publication.forgetEncoded();
    this.options.deliveries.add(deliveries);
    this.options.deliveredBytes.add(bytes);
  }

  /** Who is subscribed to `channel` by its name: their number, and the first `limit` of them. */
  present(channel: string, limit: number): { count: number; entries: PresenceEntry[] } {
    const entries: PresenceEntry[] = [];
    for (const session of this.#subscribers.get(channel) ?? []) {
      if (entries.length === limit) break;
      entries.push(session.presenceEntry);
    }
    return { count: this.count(channel), entries };
  }

  /** How many sessions are subscribed to exactly this channel or pattern. */
  count(subscription: string): number {
    return this.#subscribers.get(subscription)?.size ?? 0;
  }

  /** Channels that somebody is subscribed to by their names. */
  channelNames(): Iterable<string> {
    return this.#subscribers.keys().filter((name) => !isPattern(name));
  }

  /** The sessions subscribed to exactly this channel or pattern. */
  subscribers(subscription: string): Iterable<Session> {
    return this.#subscribers.get(subscription) ?? [];
  }

  /** Throws if a session of `address` that has the subscriptions `held` may not have these as well. */
  checkSubscriptions(
    subscriptions: readonly string[],
    address: string,
    held: ReadonlyMap<string, number> = new Map(),
  ): void {
    subscriptions.forEach(checkSubscription);
    const wanted = new Set(subscriptions);
    this.#checkCount(wanted.union(held));
    const { channelsMax, isShared } = this.options;
    const added = wanted.difference(this.#subscribers).size;
    if (added === 0) return;
    if (this.channels + added > channelsMax) {
      throw new Refusal("over-limit", `Cannot subscribe: the server has ${channelsMax} channels`);
    }
    const own = this.#begun.of(networkOf(address));
    if (own + added <= shareOf(channelsMax, this.channels - own) || isShared(address)) return;
    throw new Refusal(
      "over-limit",
      `Cannot subscribe: ${own} of the server's ${channelsMax} channels were begun from your ` +
        "address, and the rest is for others; use those, or wait until they are over",
    );
  }

  /** Throws if no session can have all of these subscriptions. */
  checkNames(subscriptions: readonly string[]): void {
    subscriptions.forEach(checkSubscription);
    this.#checkCount(new Set(subscriptions));
  }

  #checkCount(subscriptions: Set<string>): void {
    const { channelsPerSessionMax } = this.options;
    const free = subscriptions.has(BROADCAST) ? 1 : 0;
    if (subscriptions.size - free <= channelsPerSessionMax) return;
    throw new Refusal(
      "over-limit",
      `Cannot subscribe: a session has at most ${channelsPerSessionMax} channels`,
    );
  }

  /** Puts a session on a channel or pattern; for `Session` alone. */
  join(subscription: string, session: Session): void {
    let subscribers = this.#subscribers.get(subscription);
    if (subscribers === undefined) {
      const network = networkOf(session.peer.address);
      subscribers = new Subscribers(network);
      this.#subscribers.set(subscription, subscribers);
      this.#begun.add(network);
    }
    subscribers.add(session);
    this.presence.joined(subscription, session);
  }

  /** Takes a session off a channel or pattern; for `Session` alone. */
  part(subscription: string, session: Session): void {
    const subscribers = this.#subscribers.get(subscription);
    if (!subscribers?.delete(session)) return;
    if (subscribers.size === 0) this.#end(subscription, subscribers.network);
    this.presence.left(subscription, session);
  }

  #end(subscription: string, network: string): void {
    this.#subscribers.delete(subscription);
    this.#begun.remove(network);
  }

  /** Forgets a session that has ended; for `Session` alone. */
  remove(session: Session, why: string): void {
    if (!this.#sessions.delete(session.id)) return;
    for (const subscription of session.subscriptions.keys()) this.part(subscription, session);
    this.options.onLeave(session, why);
  }

  /** Ends a session that the engine failed; it may come back. For `Session` alone. */
  failed(session: Session, error: unknown): void {
    this.options.onError(error);
    session.end(DISCONNECTS.failed);
  }

  /** Ends every session whose token has expired and was not renewed in time. */
  endExpired(): void {
    const now = this.options.clock.now();
    for (const session of this.#sessions.values()) {
      if (isOver(session.expiresAt, now)) session.end(DISCONNECTS.expired);
    }
  }

  /** Ends every session, spread evenly over `drainMs` so that they do not all come back at once. */
  async drain(drainMs: number, reason: Disconnect = DISCONNECTS.shutdown): Promise<void> {
    const { clock } = this.options;
    const deadline = clock.monotonic() + drainMs;
    const batch = Math.max(1, Math.ceil((this.size * DRAIN_STEP_MS) / Math.max(drainMs, 1)));
    while (this.size > 0) {
      const leaving = [...this.#sessions.values()].slice(0, batch);
      for (const session of leaving) session.end(reason);
      const leftMs = deadline - clock.monotonic();
      if (this.size > 0 && leftMs > 0) {
        await wait(clock, Math.min(DRAIN_STEP_MS, leftMs));
      }
    }
  }
}

const DRAIN_STEP_MS = 100;
