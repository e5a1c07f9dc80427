import { subscriptionsOf } from "./channel.ts";
import { wait } from "./clock.ts";
import { type Disconnect, DISCONNECTS } from "./errors.ts";
import type { Hub } from "./hub.ts";
import {
  dataBytes,
  formatPosition,
  frameBytes,
  type Position,
  type Publication,
} from "./publication.ts";
import type { Frame, PresenceEntry, Transport } from "./transport.ts";

/** Who is at the other end. */
export interface Peer {
  readonly address: string;
  /** The user that a token names. */
  readonly user?: string | undefined;
}

/** How to begin on channels. */
export interface SubscribeOptions {
  /** Replay what was missed after it. */
  readonly since?: Position | undefined;
  /** Tell this session who comes to and leaves these channels. */
  readonly presence?: boolean | undefined;
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
const STALLED_MS = 30_000;

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
  readonly #hub: Hub;
  /** Everything up to here is sent, or was never due. */
  #offset: number;
  /** While history is replayed, what was broadcast meanwhile; undefined when live. */
  #held: Publication[] | undefined;
  #heldBytes = 0;
  /** Held publications were let go to save memory: history has them. */
  #overflowed = false;
  #replaying: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(hub: Hub, transport: Transport, peer: Peer) {
    this.#hub = hub;
    this.transport = transport;
    this.peer = peer;
    this.openedAt = hub.options.clock.now();
    this.#offset = hub.position.offset;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** How this session looks to others on a channel. */
  get presenceEntry(): PresenceEntry {
    const { id, openedAt, peer } = this;
    return { client: id, ...(peer.user === undefined ? {} : { user: peer.user }), joined: openedAt };
  }

  /** Subscribes and greets; with `since`, replays first. For `Hub` alone. */
  begin(subscriptions: readonly string[], options: SubscribeOptions): void {
    const { since, presence } = options;
    const position = this.#hub.position;
    if (since === undefined) {
      this.#register(subscriptions, position.offset, presence);
      this.#welcome(formatPosition(position), undefined, undefined);
      return;
    }
    this.#hold();
    this.#register(subscriptions, this.#cursor(since), presence);
    const replayed = this.#queue(() =>
      this.#replay(subscriptions, since, new Map(), ({ position, recovered }) => {
        this.#welcome(position, recovered, formatPosition(since));
      })
    );
    replayed.catch((error) => this.#hub.failed(this, error));
  }

  /**
   * Adds subscriptions; with `since`, replays what this session has not had of them, holding back
   * whatever is broadcast meanwhile. Resolves when all is sent, with what the replay found.
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
      this.#hub.checkSubscriptions(added, this.subscriptions);
      if (since === undefined) {
        this.#register(subscriptions, this.#hub.position.offset, presence);
        return;
      }
      const before = new Map(this.subscriptions);
      this.#hold();
      this.#register(subscriptions, this.#cursor(since), presence);
      await this.#replay(subscriptions, since, before, (replayed) => found = replayed);
    });
    return found && { ...found, position: formatPosition(this.#position) };
  }

  /** Takes subscriptions back; those it does not have are ignored. */
  unsubscribe(subscriptions: readonly string[]): Promise<void> {
    return this.#queue(() => {
      for (const name of subscriptions) {
        if (this.subscriptions.delete(name)) this.#hub.part(name, this);
      }
    });
  }

  /** Sends one live publication, unless it was had before. Returns the bytes written. */
  send(publication: Publication): number {
    if (this.#held !== undefined) {
      this.#holdBack(publication);
      return 0;
    }
    if (publication.offset <= this.#offset) return 0;
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

  #welcome(position: string, recovered: boolean | undefined, since: string | undefined): void {
    const { greeting } = this.#hub.options;
    const { format } = this.transport;
    const frame = format.welcome({ client: this.id, position, recovered, since, greeting });
    if (frame !== undefined) this.write(frame);
  }

  #register(subscriptions: readonly string[], offset: number, presence = false): void {
    for (const name of subscriptions) {
      const known = this.subscriptions.get(name);
      this.subscriptions.set(name, Math.min(known ?? offset, offset));
      if (presence) this.#hub.presence.watch(name, this);
      if (known === undefined) this.#hub.join(name, this);
    }
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
    this.#heldBytes += dataBytes(publication.data);
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

  /** Where reading `since` starts in the log of now: 0 if it is of another log. */
  #cursor(since: Position): number {
    const { epoch, offset } = this.#hub.position;
    return since.epoch === epoch && since.offset <= offset ? since.offset : 0;
  }

  async #replay(
    subscriptions: readonly string[],
    since: Position,
    before: ReadonlyMap<string, number>,
    announce: (replayed: Replayed) => void,
  ): Promise<void> {
    const until = this.#offset;
    await this.#replayPages(subscriptions, since, until, before, announce);
    while (!this.#ended && this.#held !== undefined) await this.#release();
  }

  /** Sends what history has after `since` up to `until`; ends the session if it goes missing. */
  async #replayPages(
    subscriptions: readonly string[],
    since: Position,
    until: number,
    before: ReadonlyMap<string, number>,
    announce?: (replayed: Replayed) => void,
  ): Promise<void> {
    const { engine } = this.#hub.options;
    let cursor = since;
    let knownLost: number | undefined;
    for (;;) {
      const page = await engine.history({
        channels: subscriptions,
        since: cursor,
        until,
        limit: REPLAY_PAGE,
      });
      if (this.#ended) return;
      if (knownLost === undefined) {
        knownLost = page.complete || announce === undefined ? cursor.offset : page.lostOffset;
        const position = { epoch: engine.epoch, offset: this.#cursor(since) };
        announce?.({ recovered: page.complete, position: formatPosition(position) });
      }
      if (page.lostOffset > Math.max(knownLost, cursor.offset)) return this.end(DISCONNECTS.slow);
      for (const publication of page.publications) {
        if (!wasHad(publication, before)) await this.#sendPaced(publication);
      }
      if (!page.more || this.#ended) return;
      cursor = page.position;
    }
  }

  /** Sends what was held back, and goes live in the same turn in which nothing is left. */
  async #release(): Promise<void> {
    if (this.#overflowed) {
      const from = this.#position;
      const until = this.#hub.position.offset;
      this.#hold();
      await this.#replayPages([...this.subscriptions.keys()], from, until, new Map());
      return;
    }
    const held = this.#held!;
    for (let next = 0; next < held.length; next++) {
      const publication = held[next]!;
      await this.#sendPaced(publication);
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

function wasHad(publication: Publication, subscriptions: ReadonlyMap<string, number>): boolean {
  if (subscriptions.size === 0) return false;
  return subscriptionsOf(publication.channel).some((name) => {
    const offset = subscriptions.get(name);
    return offset !== undefined && publication.offset > offset;
  });
}

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
