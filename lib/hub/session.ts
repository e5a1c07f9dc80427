import { subscriptionsOf } from "../core/channel.ts";
import { wait } from "../core/clock.ts";
import type { HistoryPage } from "../broker/broker.ts";
import { type Disconnect, DISCONNECTS } from "../core/errors.ts";
import type { Hub } from "./hub.ts";
import {
  formatPosition,
  frameBytes,
  type Position,
  type Publication,
} from "../core/publication.ts";
import type { Frame, PresenceEntry, Transport, Welcome } from "../core/transport.ts";

/** Who is at the other end. */
export interface Peer {
  readonly address: string;
  /** The user that a token names. */
  readonly user?: string | undefined;
  /** When the token expires, in milliseconds since 1970; undefined for never. */
  readonly expiresAt?: number | undefined;
}

/** How to begin on channels. */
export interface SubscribeOptions {
  /** Replay what was missed after it. */
  readonly since?: Position | undefined;
  /** Those of the channels of which to tell this session who comes and goes. */
  readonly presence?: readonly string[] | undefined;
  /** Called when a session begins, right before its welcome is written. */
  readonly onWelcome?: (welcome: Welcome, session: Session) => void;
}

/** What a replay found. */
export interface Replayed {
  /** True if everything after `since` was replayed. */
  readonly recovered: boolean;
  /** The id from which the client can resume now. */
  readonly position: string;
}

const REPLAY_PAGE = 128;
const ROOM_POLL_MS = 20;
/** How long a client may read nothing of what it missed. */
export const STALLED_MS = 30_000;

/**
 * One connected client: what it is subscribed to, and what it has had of the log. It gets every
 * publication of its subscriptions once, in the order of the log, or it is ended.
 */
export class Session {
  readonly id: string = randomId();
  readonly transport: Transport;
  readonly peer: Peer;
  /** When it was opened, in milliseconds since 1970. */
  readonly openedAt: number;
  /** Channels and patterns, each with the offset after which this session has had all of it. */
  readonly subscriptions: Map<string, number> = new Map();
  /** When its token expires, in milliseconds since 1970; a new token puts it off. */
  expiresAt: number | undefined;
  readonly #hub: Hub;
  readonly #beganAt: number;
  /** Everything up to here is sent, or was never due. */
  #offset: number;
  /** While history is replayed, what was broadcast meanwhile; undefined when live. */
  #held: Publication[] | undefined;
  #heldBytes = 0;
  /** The highest `since` given: after a client was on a node that is ahead, live ones can be old. */
  #sinceOffset = 0;
  /** Held publications were let go to save memory: history has them. */
  #overflowed = false;
  #replaying: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(hub: Hub, transport: Transport, peer: Peer) {
    this.#hub = hub;
    this.transport = transport;
    this.peer = peer;
    this.expiresAt = peer.expiresAt;
    this.openedAt = hub.options.clock.now();
    this.#beganAt = hub.options.clock.monotonic();
    this.#offset = hub.position.offset;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** How long it is open, in milliseconds. */
  get ageMs(): number {
    return this.#hub.options.clock.monotonic() - this.#beganAt;
  }

  /** In how many milliseconds its token expires; undefined for never. */
  get expiresInMs(): number | undefined {
    if (this.expiresAt === undefined) return undefined;
    return Math.max(0, this.expiresAt - this.#hub.options.clock.now());
  }

  /** How this session looks to others on a channel. */
  get presenceEntry(): PresenceEntry {
    const { id, openedAt, peer } = this;
    return {
      client: id,
      ...(peer.user === undefined ? {} : { user: peer.user }),
      joined: openedAt,
    };
  }

  /** Subscribes and greets; with `since`, replays first. For `Hub` alone. */
  begin(subscriptions: readonly string[], options: SubscribeOptions): void {
    const { since, presence = [] } = options;
    if (since === undefined) {
      this.#register(subscriptions, presence);
      this.#welcome(options, this.#hub.positionId);
      return;
    }
    this.#hold();
    this.#register(subscriptions);
    this.#queue(() =>
      this.#replay(subscriptions, since, new Map(), ({ position, recovered }) => {
        this.#welcome(options, position, recovered);
        // Not before, because the welcome comes first.
        if (!this.#ended) this.#watch(presence.filter((name) => this.subscriptions.has(name)));
      })
    );
  }

  /**
   * Adds subscriptions; with `since`, replays what this session has not had of them, holding back
   * whatever is broadcast meanwhile. Resolves when all is sent, with what the replay found; without
   * `since`, or if the session ended before, with undefined.
   * Throws a `TypeError` for a bad name and a `Refusal` for too many, with nothing changed.
   */
  async subscribe(
    subscriptions: readonly string[],
    options: SubscribeOptions = {},
  ): Promise<Replayed | undefined> {
    const { since, presence } = options;
    let found: Replayed | undefined;
    await this.#queue(async () => {
      const added = subscriptions.filter((name) => !this.subscriptions.has(name));
      this.#hub.checkSubscriptions(added, this.peer.address, this.subscriptions);
      if (since === undefined) {
        this.#register(subscriptions, presence);
        return;
      }
      const before = new Map(this.subscriptions);
      this.#hold();
      this.#register(subscriptions, presence);
      await this.#replay(subscriptions, since, before, (replayed) => found = replayed);
    });
    return found && { ...found, position: formatPosition(this.#position) };
  }

  /** Takes subscriptions back; those it does not have are ignored. */
  unsubscribe(subscriptions: readonly string[]): Promise<void> {
    return this.#queue(() => {
      for (const name of subscriptions) this.#leave(name);
    });
  }

  /**
   * Takes back the subscriptions that `isAllowed` does not accept: at once, whatever is still being
   * replayed, and again after what was asked for before. Resolves to the names of these.
   */
  async retain(isAllowed: (subscription: string) => boolean): Promise<string[]> {
    const removed: string[] = [];
    const remove = () => {
      const names = [...this.subscriptions.keys()].filter((name) => !isAllowed(name));
      for (const name of names) this.#leave(name);
      removed.push(...names);
    };
    if (!this.#ended) remove();
    await this.#queue(remove);
    return removed;
  }

  /** Sends one live publication, unless it was had before. Returns the bytes written. */
  send(publication: Publication): number {
    if (this.#held !== undefined) {
      this.#holdBack(publication);
      return 0;
    }
    if (publication.offset <= this.#offset) return 0;
    if (publication.offset <= this.#sinceOffset && !takesIn(this.subscriptions, publication)) {
      return 0;
    }
    this.#offset = publication.offset;
    const { frame, bytes } = publication.encoded(this.transport.format);
    return this.write(frame) ? bytes : 0;
  }

  /** Writes one frame, or ends the session if too much is unsent. Returns whether it was written. */
  write(frame: Frame): boolean {
    if (this.#ended) return false;
    if (this.transport.bufferedBytes > this.#hub.options.outboundBytesMax) {
      this.end(DISCONNECTS.slow);
      return false;
    }
    this.transport.write(frame);
    return true;
  }

  /** Takes the session out of the hub at once and closes its transport. Idempotent. */
  end(reason: Disconnect): void {
    if (this.#ended) return;
    this.lost(reason.name);
    this.transport.close(reason);
  }

  /** Takes the session out of the hub because its connection is gone. Idempotent. */
  lost(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#held = undefined;
    this.#hub.remove(this, why);
  }

  get #position(): Position {
    return { epoch: this.#hub.position.epoch, offset: this.#offset };
  }

  #welcome({ since, onWelcome }: SubscribeOptions, position: string, recovered?: boolean): void {
    const welcome = {
      client: this.id,
      position,
      recovered,
      since: since && formatPosition(since),
      greeting: this.#hub.options.greeting,
      expiresInMs: this.expiresInMs,
    };
    onWelcome?.(welcome, this);
    const frame = this.transport.format.welcome(welcome);
    if (frame !== undefined) this.write(frame);
  }

  #register(subscriptions: readonly string[], presence: readonly string[] = []): void {
    this.#watch(presence);
    const offset = Math.max(this.#hub.position.offset, this.#sinceOffset);
    for (const name of subscriptions) {
      if (this.subscriptions.has(name)) continue;
      this.subscriptions.set(name, offset);
      this.#hub.join(name, this);
    }
  }

  #leave(name: string): void {
    if (this.subscriptions.delete(name)) this.#hub.part(name, this);
  }

  #watch(channels: readonly string[]): void {
    for (const name of channels) this.#hub.presence.watch(name, this);
  }

  #hold(): void {
    this.#held = [];
    this.#heldBytes = 0;
    this.#overflowed = false;
    this.#offset = this.#hub.position.offset;
  }

  #holdBack(publication: Publication): void {
    const held = this.#held!;
    if (this.#overflowed || held.at(-1)?.offset === publication.offset) return;
    held.push(publication);
    this.#heldBytes += publication.costBytes;
    if (this.#heldBytes <= this.#hub.options.outboundBytesMax) return;
    this.#overflowed = true;
    this.#held = [];
  }

  /** One replay after the other, so that what they send does not mix. */
  #queue(task: () => void | Promise<void>): Promise<void> {
    const done = this.#replaying.then(() => this.#ended ? undefined : task());
    this.#replaying = done.catch(() => {});
    return done;
  }

  /** Sends history, then what was held back meanwhile, and goes live. A failure ends the session. */
  async #replay(
    subscriptions: readonly string[],
    since: Position,
    before: ReadonlyMap<string, number>,
    announce: (replayed: Replayed) => void,
  ): Promise<void> {
    const begin = (page: HistoryPage) => {
      const { epoch, offset } = page.position;
      const from = since.epoch === epoch && since.offset <= offset ? since.offset : 0;
      for (const name of subscriptions) {
        // It may have been taken back meanwhile.
        if (!this.subscriptions.has(name)) continue;
        this.subscriptions.set(name, Math.min(before.get(name) ?? from, from));
      }
      this.#sinceOffset = Math.max(this.#sinceOffset, from);
      const position = formatPosition({ epoch, offset: from });
      announce({ recovered: page.complete, position });
    };
    try {
      const isDue = (missed: Publication) =>
        takesIn(this.subscriptions, missed) && !takesIn(before, missed);
      await this.#sendHistory(subscriptions, since, isDue, begin);
      while (!this.#ended && this.#held !== undefined) await this.#release();
    } catch (error) {
      this.#hub.failed(this, error);
    }
  }

  /**
   * Sends what is due of history after `since`, up to where holding back began. Ends the session if
   * something goes missing, but for what is already missing when `begin` gets the first page.
   */
  async #sendHistory(
    channels: readonly string[],
    since: Position,
    isDue: (publication: Publication) => boolean,
    begin?: (page: HistoryPage) => void,
  ): Promise<void> {
    const { engine } = this.#hub.options;
    const until = this.#offset;
    let lostOffset = begin === undefined ? since.offset : undefined;
    let page: HistoryPage;
    do {
      page = await engine.history({ channels, since, until, limit: REPLAY_PAGE });
      if (this.#ended) return;
      if (lostOffset === undefined) {
        lostOffset = page.lostOffset;
        begin?.(page);
      }
      if (page.lostOffset > Math.max(lostOffset, since.offset)) return this.end(DISCONNECTS.slow);
      for (const publication of page.publications) {
        if (isDue(publication)) await this.#sendPaced(publication);
      }
      since = page.position;
    } while (page.more && !this.#ended);
  }

  /** Sends what was held back, and goes live in the same turn in which nothing is left. */
  async #release(): Promise<void> {
    if (this.#overflowed) {
      const since = this.#position;
      this.#hold();
      const isDue = (publication: Publication) => takesIn(this.subscriptions, publication);
      return this.#sendHistory([...this.subscriptions.keys()], since, isDue);
    }
    const held = this.#held!;
    for (let next = 0; next < held.length; next++) {
      const publication = held[next]!;
      if (takesIn(this.subscriptions, publication)) await this.#sendPaced(publication);
      if (this.#ended) return;
      this.#offset = publication.offset;
      if (this.#overflowed) return;
    }
    this.#held = undefined;
  }

  /** Sends when there is room, so that catching up never makes a session look slow. */
  async #sendPaced(publication: Publication): Promise<void> {
    const { outboundBytesMax, clock, deliveries, deliveredBytes } = this.#hub.options;
    let least = this.transport.bufferedBytes;
    let progressAt = clock.monotonic();
    while (!this.#ended && this.transport.bufferedBytes > outboundBytesMax / 2) {
      await wait(clock, ROOM_POLL_MS);
      if (this.transport.bufferedBytes < least) {
        least = this.transport.bufferedBytes;
        progressAt = clock.monotonic();
      } else if (clock.monotonic() - progressAt > STALLED_MS) {
        return this.end(DISCONNECTS.slow);
      }
    }
    const frame = this.transport.format.message(publication);
    if (!this.write(frame)) return;
    deliveries.add(1);
    deliveredBytes.add(frameBytes(frame));
  }
}

/** Whether one of the subscriptions takes in `publication`, and began before it. */
function takesIn(subscriptions: ReadonlyMap<string, number>, publication: Publication): boolean {
  return subscriptionsOf(publication.channel).some((name) => {
    const offset = subscriptions.get(name);
    return offset !== undefined && offset < publication.offset;
  });
}

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
