import type { Broker, HistoryPage } from "../broker/broker.ts";
import { type Clock, wait } from "../core/clock.ts";
import { type Disconnect, DISCONNECTS } from "../core/errors.ts";
import { frameBytes, type Position, type Publication } from "../core/publication.ts";
import { isMoment, type Since } from "../core/since.ts";
import type { Frame } from "../core/encoder.ts";
import type { Transport } from "./transport.ts";

/** A sum to add to, such as a counter of metrics. */
export interface Tally {
  add(amount: number): void;
}

/** The parts and bounds of a replay. */
export interface ReplayOptions {
  readonly broker: Pick<Broker, "history" | "reached" | "isUp">;
  /** The last publication that was broadcast. */
  readonly position: () => Position;
  readonly clock: Clock;
  readonly outboundBytesMax: number;
  readonly deliveries: Tally;
  readonly deliveredBytes: Tally;
}

/** The session that gets a replay. */
export interface Follower {
  readonly ended: boolean;
  readonly transport: Pick<Transport, "encoder" | "bufferedBytes">;
  /** Channels and patterns, each with the offset after which this session has had all of it. */
  readonly subscriptions: ReadonlyMap<string, number>;
  /** Reports whether it gets a publication through its subscriptions. */
  gets(publication: Publication): boolean;
  /** Writes one frame. Returns whether it was written. */
  write(frame: Frame): boolean;
  end(reason: Disconnect): void;
}

/** A replay to run. */
export interface ReplayQuery {
  readonly subscriptions: readonly string[];
  readonly since: Since;
  /** Reports whether the session has not had a publication yet. */
  readonly isDue: (publication: Publication) => boolean;
  /** Called with the first page of history before anything of it is sent. */
  readonly onBegin: (page: HistoryPage) => void;
  /** Called in the turn in which nothing is held back any more; everything up to `offset` is sent. */
  readonly onLive: (offset: number) => void;
}

/** The result of a replay. */
export interface Replayed {
  /** True if everything after `since` was replayed. */
  readonly recovered: boolean;
  /** The id from which the client can resume now. */
  readonly position: string;
}

const PAGE_MAX = 128;
const ROOM_POLL_MS = 20;
/** Longer than it takes to notice a frozen journal: what is missing after that does not come. */
export const BEHIND_MS = 6000;
/** How long a client may read nothing of its replay. */
export const STALLED_MS = 30_000;

/**
 * Sends one session the publications that it missed, page by page as its client reads them, and holds back
 * live ones meanwhile. If it holds back too many, it drops them and reads them from history later.
 */
export class Replay {
  readonly #options: ReplayOptions;
  readonly #follower: Follower;
  /** Everything up to this offset is sent, or was never due. */
  #offset!: number;
  /** Live publications, held back. */
  #held!: Publication[];
  #heldBytes!: number;
  /** Too many were held back: they were dropped, and history has them. */
  #overflowed!: boolean;
  #isLive = false;

  /** Begins to hold back. */
  constructor(options: ReplayOptions, follower: Follower) {
    this.#options = options;
    this.#follower = follower;
    this.#hold();
  }

  /** Keeps a live publication until its turn comes. */
  holdBack(publication: Publication): void {
    if (this.#overflowed || this.#held.at(-1)?.offset === publication.offset) return;
    this.#held.push(publication);
    this.#heldBytes += publication.costBytes;
    if (this.#heldBytes <= this.#options.outboundBytesMax) return;
    this.#overflowed = true;
    this.#held = [];
  }

  /**
   * Sends history, then held publications. Resolves when the session is live or has ended; rejects
   * if history cannot be read.
   */
  async run({ subscriptions, since, isDue, onBegin, onLive }: ReplayQuery): Promise<void> {
    if (!await this.#arrive(since)) return this.#follower.end(DISCONNECTS.shutdown);
    if (this.#follower.ended) return;
    await this.#sendHistory(subscriptions, since, isDue, onBegin);
    while (!this.#follower.ended && !this.#isLive) await this.#release(onLive);
  }

  /**
   * Waits until this node has reached the position that the client had on another. Resolves to false if
   * the log is away and the client should try yet another node.
   */
  async #arrive(since: Since): Promise<boolean> {
    const { broker, position } = this.#options;
    if (isMoment(since) || since.offset <= position().offset) return true;
    return await broker.reached(since, BEHIND_MS) || broker.isUp;
  }

  /**
   * Sends what is due of history after `since`, up to where holding back began. Ends the session if
   * history loses something after `onBegin` got the first page, which reports what was lost before.
   */
  async #sendHistory(
    channels: readonly string[],
    since: Since,
    isDue: (publication: Publication) => boolean,
    onBegin?: (page: HistoryPage) => void,
  ): Promise<void> {
    const follower = this.#follower;
    const until = this.#offset;
    let lostOffset: number | undefined;
    let page: HistoryPage;
    do {
      page = await this.#options.broker.history({ channels, since, until, limit: PAGE_MAX });
      if (follower.ended) return;
      if (lostOffset === undefined) {
        lostOffset = onBegin === undefined ? page.beginOffset : page.lostOffset;
        onBegin?.(page);
      }
      if (page.lostOffset > Math.max(lostOffset, page.beginOffset)) {
        return follower.end(DISCONNECTS.slow);
      }
      for (const publication of page.publications) {
        if (isDue(publication)) await this.#sendPaced(publication);
      }
      since = page.position;
    } while (page.more && !follower.ended);
  }

  /** Sends held publications, and goes live in the turn in which none is left. */
  async #release(onLive: ReplayQuery["onLive"]): Promise<void> {
    if (this.#overflowed) return await this.#readAgain();
    const held = this.#held;
    for (let next = 0; next < held.length; next++) {
      const publication = held[next]!;
      if (this.#follower.gets(publication)) await this.#sendPaced(publication);
      if (this.#follower.ended) return;
      this.#offset = publication.offset;
      if (this.#overflowed) return;
    }
    this.#isLive = true;
    onLive(this.#offset);
  }

  async #readAgain(): Promise<void> {
    const since = { ...this.#options.position(), offset: this.#offset };
    this.#hold();
    const names = [...this.#follower.subscriptions.keys()];
    await this.#sendHistory(names, since, (publication) => this.#follower.gets(publication));
  }

  #hold(): void {
    this.#held = [];
    this.#heldBytes = 0;
    this.#overflowed = false;
    this.#offset = this.#options.position().offset;
  }

  /** Sends once there is room: a replay itself never makes a session look slow. */
  async #sendPaced(publication: Publication): Promise<void> {
    const { outboundBytesMax, clock, deliveries, deliveredBytes } = this.#options;
    const follower = this.#follower;
    const { transport } = follower;
    let least = transport.bufferedBytes;
    let progressAt = clock.monotonic();
    while (!follower.ended && transport.bufferedBytes > outboundBytesMax / 2) {
      await wait(clock, ROOM_POLL_MS);
      if (transport.bufferedBytes < least) {
        least = transport.bufferedBytes;
        progressAt = clock.monotonic();
      } else if (clock.monotonic() - progressAt > STALLED_MS) {
        return follower.end(DISCONNECTS.slow);
      }
    }
    const frame = transport.encoder.message(publication);
    if (!follower.write(frame)) return;
    deliveries.add(1);
    deliveredBytes.add(frameBytes(frame));
  }
}
