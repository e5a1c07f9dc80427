import { subscriptionsOf } from "../core/channel.ts";
import { wait } from "../core/clock.ts";
import { DISCONNECTS } from "../core/errors.ts";
import { isRefreshOver } from "../core/grant.ts";
import { formatPosition, type Position, type Publication } from "../core/publication.ts";
import type { PresenceEntry } from "../core/encoder.ts";
import type { Transport } from "./transport.ts";
import { gets, isForAll } from "./delivery.ts";
import type { Peer } from "./peer.ts";
import { Presence } from "./presence.ts";
import type { ReplayOptions } from "./replay.ts";
import { Session, type SessionContext, type SubscribeOptions } from "./session.ts";
import { type SubscriberLimits, Subscribers } from "./subscribers.ts";

/** The parts and bounds of a hub. */
export interface HubOptions
  extends
    SubscriberLimits,
    Omit<ReplayOptions, "position">,
    Pick<SessionContext, "isGuarded" | "greeting" | "onError"> {
  /** Called when a channel gets its first watcher of presence, and when it loses its last. */
  readonly onWatch?: (channel: string, isWatched: boolean) => void;
  /** Called once for each session, before its welcome. */
  readonly onOpen: (session: Session) => void;
  /** Called once for each session, after it left the hub. */
  readonly onLeave: (session: Session, why: string) => void;
}

/** The time from one batch of sessions to end to the next. */
const DRAIN_STEP_MS = 100;

/** This process's sessions by channel, and the fan-out to them. */
export class Hub {
  readonly #options: HubOptions;
  readonly #context: SessionContext;
  readonly #sessions = new Map<string, Session>();
  /** Sessions by channel and pattern; each adds and deletes itself. */
  readonly subscribers: Subscribers<Session>;
  /** Joins and leaves, for their watchers. */
  readonly presence: Presence;
  #epoch = "";
  #offset = 0;

  constructor(options: HubOptions) {
    this.#options = options;
    this.subscribers = new Subscribers(options);
    this.presence = new Presence(options.clock, options.onWatch);
    this.#context = {
      ...options,
      subscribers: this.subscribers,
      presence: this.presence,
      position: () => this.position,
      onEnd: (session, why) => this.#forget(session, why),
    };
  }

  /** Connected sessions. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The last publication that was broadcast: where a session that opens now begins. */
  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  /** The position as an id. */
  get positionId(): string {
    return formatPosition(this.position);
  }

  /**
   * Makes a session of a connected transport and greets it. The subscriptions MUST be valid. Throws
   * a `Refusal` for too many, with nothing changed.
   */
  open(
    transport: Transport,
    peer: Peer,
    subscriptions: readonly string[],
    options: SubscribeOptions = {},
  ): Session {
    this.subscribers.check(subscriptions, peer.address);
    const session = new Session(this.#context, transport, peer);
    this.#sessions.set(session.id, session);
    this.#options.onOpen(session);
    session.begin(subscriptions, options);
    return session;
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /**
   * Begins at a position: that of the log, or the one after a hole in it. Ends every session before it
   * misses anything: its client comes back, and gets what it has missed.
   */
  begin({ epoch, offset }: Position): void {
    this.#epoch = epoch;
    this.#offset = offset;
    this.close();
  }

  /** Gives a publication to every session that is subscribed to its channel, once each. */
  broadcast(publication: Publication): void {
    this.#offset = publication.offset;
    let deliveries = 0;
    let bytes = 0;
    const { isGuarded } = this.#options;
    for (const subscription of subscriptionsOf(publication.channel)) {
      const subscribers = this.subscribers.of(subscription);
      if (subscribers.size === 0) continue;
      // Once for all subscribers, because this is the hot path.
      const isForEach = isForAll(publication, subscription, isGuarded);
      for (const session of subscribers) {
        if (!isForEach && !gets(publication, subscription, session.peer, isGuarded)) continue;
        const sent = session.send(publication);
        if (sent === 0) continue;
        deliveries++;
        bytes += sent;
      }
    }
    publication.forgetEncoded();
    this.#options.deliveries.add(deliveries);
    this.#options.deliveredBytes.add(bytes);
  }

  /** The sessions subscribed to `channel` by its name: their number, and the first `limit` of them. */
  present(channel: string, limit: number): { count: number; entries: PresenceEntry[] } {
    const members = this.subscribers.of(channel);
    const entries = Array.from(members.values().take(limit), (each) => each.presenceOn(channel));
    return { count: members.size, entries };
  }

  /** Ends every session with an expired token that was not refreshed in time. */
  endExpired(): void {
    const now = this.#options.clock.now();
    for (const session of this.#sessions.values()) {
      if (isRefreshOver(session.peer.expiresAt, now)) session.end(DISCONNECTS.expired);
    }
  }

  /**
   * Ends every session but those that leave last, spread evenly over `drainMs`, because their clients come
   * back at once. With `isWhole` it takes all of that time if a session is left: a load balancer needs it
   * to notice.
   */
  async drain(drainMs: number, isWhole = false): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + drainMs;
    const count = this.#leavingFirst().length;
    const batch = Math.max(1, Math.ceil((count * DRAIN_STEP_MS) / Math.max(drainMs, 1)));
    for (let left = this.#leavingFirst(); left.length > 0; left = this.#leavingFirst()) {
      for (const session of left.slice(0, batch)) session.end(DISCONNECTS.shutdown);
      const leftMs = deadline - clock.monotonic();
      if (left.length > batch && leftMs > 0) await wait(clock, Math.min(DRAIN_STEP_MS, leftMs));
    }
    const restMs = deadline - clock.monotonic();
    if (isWhole && this.size > 0 && restMs > 0) await wait(clock, restMs);
  }

  /** Ends every session that is left. */
  close(): void {
    for (const session of [...this.#sessions.values()]) session.end(DISCONNECTS.shutdown);
  }

  #leavingFirst(): Session[] {
    return [...this.#sessions.values()].filter(({ transport }) => !transport.leavesLast);
  }

  #forget(session: Session, why: string): void {
    this.#sessions.delete(session.id);
    this.#options.onLeave(session, why);
  }
}
