import type { HistoryPage } from "../broker/broker.ts";
import type { Guard } from "../core/channel.ts";
import { type Disconnect, DISCONNECTS } from "../core/errors.ts";
import { formatPosition, type Publication } from "../core/publication.ts";
import { randomId } from "../core/random.ts";
import type { Frame, PresenceEntry, Welcome } from "../core/encoder.ts";
import type { Transport } from "./transport.ts";
import type { Peer } from "./peer.ts";
import { isMoment, type Since } from "../core/since.ts";
import { getsByAny } from "./delivery.ts";
import { Replay, type Replayed, type ReplayOptions } from "./replay.ts";
import type { Presence } from "./presence.ts";
import type { Subscribers } from "./subscribers.ts";

/** The parts that the sessions of a hub share. */
export interface SessionContext extends ReplayOptions {
  readonly subscribers: Subscribers<Session>;
  readonly presence: Presence;
  /** Reports whether a name is guarded; undefined if none is. */
  readonly isGuarded?: Guard | undefined;
  /** The first message to each client; empty for none. */
  readonly greeting: string;
  /** Called once, when the session is over. */
  readonly onEnd: (session: Session, why: string) => void;
  /** Called when a session is about to be ended because of `error`, which is ours. */
  readonly onError: (error: unknown) => void;
}

/** How to subscribe. */
export interface SubscribeOptions {
  /** Replay the publications after this position, or those kept since this moment. */
  readonly since?: Since | undefined;
  /** Gets the joins and leaves of these of the channels. */
  readonly presence?: readonly string[] | undefined;
  /**
   * Called once `subscribe()` has subscribed, before anything of the channels is written; with the result
   * of the replay if there is one.
   */
  readonly onSubscribed?: (replayed: Replayed | undefined) => void;
  /** Called when a session begins, right before its welcome is written. */
  readonly onWelcome?: (welcome: Welcome, session: Session) => void;
}

/**
 * One connected client: its subscriptions, and how much of the log it has had. It gets every publication
 * of its subscriptions once, in the order of the log, or it is ended.
 */
export class Session {
  readonly id: string = randomId();
  readonly transport: Transport;
  /** A new token replaces it. */
  peer: Peer;
  /** When it was opened, in milliseconds since 1970. */
  readonly openedAt: number;
  readonly #context: SessionContext;
  readonly #subscriptions = new Map<string, number>();
  /** Channels and patterns, each with the offset after which this session has had all of it. */
  readonly subscriptions: ReadonlyMap<string, number> = this.#subscriptions;
  readonly #beganAt: number;
  /** Everything up to this offset is sent, or was never due. */
  #offset: number;
  /** The highest `since` given. For a client of a node that was ahead, live publications can be old. */
  #sinceOffset = 0;
  /** Undefined when live. */
  #replay: Replay | undefined;
  /** Resolves when all earlier tasks are done: the publications of two replays must not mix. */
  #queued: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(context: SessionContext, transport: Transport, peer: Peer) {
    this.#context = context;
    this.transport = transport;
    this.peer = peer;
    this.openedAt = context.clock.now();
    this.#beganAt = context.clock.monotonic();
    this.#offset = context.position().offset;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** For how many milliseconds it is open. */
  get ageMs(): number {
    return this.#context.clock.monotonic() - this.#beganAt;
  }

  /** In how many milliseconds its token expires; undefined for never. */
  get expiresInMs(): number | undefined {
    const { expiresAt } = this.peer;
    if (expiresAt === undefined) return undefined;
    return Math.max(0, expiresAt - this.#context.clock.now());
  }

  /** Returns its entry in the presence of a channel. */
  presenceOn(channel: string): PresenceEntry {
    const { id, openedAt, peer } = this;
    const user = peer.userOn?.(channel) ?? peer.user;
    return { client: id, ...(user === undefined ? {} : { user }), joined: openedAt };
  }

  /** Subscribes and greets; with `since`, replays first. MUST be called once, before all others. */
  begin(subscriptions: readonly string[], options: SubscribeOptions): void {
    const { since, presence = [] } = options;
    if (since === undefined) {
      this.#register(subscriptions, presence);
      this.#welcome(options, formatPosition(this.#context.position()));
      return;
    }
    this.#replay = new Replay(this.#context, this);
    this.#register(subscriptions);
    this.#queue(() =>
      this.#catchUp(subscriptions, since, new Map(), ({ position, recovered }) => {
        this.#welcome(options, position, recovered);
        // Only now, because the welcome comes first.
        if (!this.#ended) this.#watch(presence.filter((name) => this.#subscriptions.has(name)));
      })
    );
  }

  /**
   * Adds subscriptions, which MUST be valid; with `since`, replays what this session has not had of them,
   * and holds back live publications meanwhile. Resolves when all is sent, with the result of the replay;
   * without `since`, or if the session ended before, with undefined. Rejects with a `Refusal` for too
   * many, with nothing changed.
   */
  async subscribe(
    subscriptions: readonly string[],
    { since, presence, onSubscribed }: SubscribeOptions = {},
  ): Promise<Replayed | undefined> {
    let found: Replayed | undefined;
    await this.#queue(async () => {
      const added = subscriptions.filter((name) => !this.#subscriptions.has(name));
      this.#context.subscribers.check(added, this.peer.address, this.#subscriptions);
      if (since === undefined) {
        this.#register(subscriptions, presence);
        return onSubscribed?.(undefined);
      }
      const before = new Map(this.#subscriptions);
      this.#replay = new Replay(this.#context, this);
      this.#register(subscriptions, presence);
      await this.#catchUp(subscriptions, since, before, (replayed) => {
        found = replayed;
        onSubscribed?.(replayed);
      });
    });
    const position = { ...this.#context.position(), offset: this.#offset };
    return found && { ...found, position: formatPosition(position) };
  }

  /** Removes subscriptions; ignores those that it does not have. */
  unsubscribe(subscriptions: readonly string[]): Promise<void> {
    return this.#queue(() => {
      for (const name of subscriptions) this.#leave(name);
    });
  }

  /**
   * Removes the subscriptions that `isAllowed` does not accept: at once, even during a replay, and again
   * after all earlier tasks. Resolves to their names.
   */
  async retain(isAllowed: (subscription: string) => boolean): Promise<string[]> {
    const removed: string[] = [];
    const remove = () => {
      const names = [...this.#subscriptions.keys()].filter((name) => !isAllowed(name));
      for (const name of names) this.#leave(name);
      removed.push(...names);
    };
    if (!this.#ended) remove();
    await this.#queue(remove);
    return removed;
  }

  /** Sends a live publication, unless it was sent before. Returns the bytes written. */
  send(publication: Publication): number {
    if (this.#replay !== undefined) {
      this.#replay.holdBack(publication);
      return 0;
    }
    if (publication.offset <= this.#offset) return 0;
    if (publication.offset <= this.#sinceOffset && !this.gets(publication)) return 0;
    this.#offset = publication.offset;
    const { frame, bytes } = publication.encoded(this.transport.encoder);
    return this.write(frame) ? bytes : 0;
  }

  /** Writes one frame, or ends the session if too much is unsent. Reports whether it was written. */
  write(frame: Frame): boolean {
    if (this.#ended) return false;
    if (this.transport.bufferedBytes > this.#context.outboundBytesMax) {
      this.end(DISCONNECTS.slow);
      return false;
    }
    this.transport.write(frame);
    return true;
  }

  /** Leaves all channels at once and closes the transport. Idempotent. */
  end(reason: Disconnect): void {
    if (this.#ended) return;
    this.lost(reason.name);
    this.transport.close(reason);
  }

  /** Reports an error of ours, and ends the session; its client may come back. */
  fail(error: unknown): void {
    this.#context.onError(error);
    this.end(DISCONNECTS.failed);
  }

  /** Leaves all channels because the connection is gone. Idempotent. */
  lost(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#replay = undefined;
    for (const name of this.#subscriptions.keys()) this.#part(name);
    this.#context.onEnd(this, why);
  }

  /** Reports whether it gets a publication through its subscriptions, or through those given. */
  gets(publication: Publication, subscriptions = this.subscriptions): boolean {
    return getsByAny(subscriptions, publication, this.peer, this.#context.isGuarded);
  }

  #welcome({ since, onWelcome }: SubscribeOptions, position: string, recovered?: boolean): void {
    const welcome = {
      client: this.id,
      position,
      recovered,
      since: since && !isMoment(since) ? formatPosition(since) : undefined,
      greeting: this.#context.greeting,
      expiresInMs: this.expiresInMs,
    };
    onWelcome?.(welcome, this);
    const frame = this.transport.encoder.welcome(welcome);
    if (frame !== undefined) this.write(frame);
  }

  #register(subscriptions: readonly string[], presence: readonly string[] = []): void {
    this.#watch(presence);
    const context = this.#context;
    const offset = Math.max(context.position().offset, this.#sinceOffset);
    for (const name of subscriptions) {
      if (this.#subscriptions.has(name)) continue;
      this.#subscriptions.set(name, offset);
      context.subscribers.add(name, this, this.peer.address);
      context.presence.joined(name, this);
    }
  }

  #leave(name: string): void {
    if (this.#subscriptions.delete(name)) this.#part(name);
  }

  #part(name: string): void {
    const { subscribers, presence } = this.#context;
    subscribers.delete(name, this);
    presence.unwatch(name, this);
    presence.left(name, this);
  }

  #watch(channels: readonly string[]): void {
    for (const name of channels) this.#context.presence.watch(name, this);
  }

  /** Runs tasks one after the other. */
  #queue(task: () => void | Promise<void>): Promise<void> {
    const done = this.#queued.then(() => this.#ended ? undefined : task());
    this.#queued = done.catch(() => {});
    return done;
  }

  /** Replays, and goes live. A failure ends the session. */
  async #catchUp(
    subscriptions: readonly string[],
    since: Since,
    before: ReadonlyMap<string, number>,
    announce: (replayed: Replayed) => void,
  ): Promise<void> {
    const onBegin = (page: HistoryPage) => {
      const { beginOffset: from, position: { epoch } } = page;
      for (const name of subscriptions) {
        if (!this.#subscriptions.has(name)) continue; // It was removed meanwhile.
        this.#subscriptions.set(name, Math.min(before.get(name) ?? from, from));
      }
      this.#sinceOffset = Math.max(this.#sinceOffset, from);
      announce({ recovered: page.complete, position: formatPosition({ epoch, offset: from }) });
    };
    const isDue = (missed: Publication) => this.gets(missed) && !this.gets(missed, before);
    const onLive = (offset: number) => {
      this.#offset = offset;
      this.#replay = undefined;
    };
    try {
      await this.#replay?.run({ subscriptions, since, isDue, onBegin, onLive });
    } catch (error) {
      this.fail(error);
    }
  }
}
