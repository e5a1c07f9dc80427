import type { Clock } from "../core/clock.ts";
import { frameBytes } from "../core/publication.ts";
import type { Disconnect } from "../core/errors.ts";
import type { Encoder, Frame } from "../core/encoder.ts";
import type { Transport } from "./transport.ts";

/** Joins the frames that were queued in one turn into one. */
export type Join = (frames: readonly Frame[]) => Frame;

/**
 * The frames queued for a session, as a chain. Sessions that get the same frames in the same order share
 * every link, and with it the joined frame, which is made once for all of them.
 */
class Queued {
  readonly frame: Frame;
  readonly bytes: number;
  readonly #before: Queued | undefined;
  #next: Queued | undefined;
  #joined: Frame | undefined;

  constructor(frame: Frame, before?: Queued) {
    this.frame = frame;
    this.#before = before;
    this.bytes = frameBytes(frame) + (before?.bytes ?? 0);
  }

  then(frame: Frame): Queued {
    if (this.#next?.frame !== frame) this.#next = new Queued(frame, this);
    return this.#next!;
  }

  joined(join: Join): Frame {
    return this.#joined ??= join(Queued.#frames(this));
  }

  static #frames(last: Queued): Frame[] {
    const frames: Frame[] = [];
    for (let link: Queued | undefined = last; link !== undefined; link = link.#before) {
      frames.push(link.frame);
    }
    return frames.reverse();
  }
}

/** Collects the transports that have frames queued, and flushes them at the end of the turn. */
export class Batching {
  readonly #clock: Clock;
  readonly #waiting: BatchingTransport[] = [];
  /** The first link of the last chain of each kind. */
  readonly #firsts = new Map<Join, Queued>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a chain, the same as the last one of its kind if that began with the same frame. */
  begin(frame: Frame, join: Join, transport: BatchingTransport): Queued {
    if (this.#waiting.length === 0) this.#clock.afterTurn(() => this.#flush());
    this.#waiting.push(transport);
    let first = this.#firsts.get(join);
    if (first?.frame !== frame) {
      first = new Queued(frame);
      this.#firsts.set(join, first);
    }
    return first;
  }

  #flush(): void {
    this.#firsts.clear();
    for (const transport of this.#waiting.splice(0)) transport.flush();
  }
}

/** A transport that writes the frames of one turn as one. */
export class BatchingTransport implements Transport {
  readonly #inner: Transport;
  readonly #join: Join;
  readonly #batching: Batching;
  #queued: Queued | undefined;
  /** Unsent bytes of the inner transport when the queue began: to ask for them costs a call. */
  #innerBytes = 0;

  constructor(inner: Transport, join: Join, batching: Batching) {
    this.#inner = inner;
    this.#join = join;
    this.#batching = batching;
  }

  get name(): string {
    return this.#inner.name;
  }

  get encoder(): Encoder {
    return this.#inner.encoder;
  }

  get bufferedBytes(): number {
    if (this.#queued === undefined) return this.#inner.bufferedBytes;
    return this.#innerBytes + this.#queued.bytes;
  }

  write(frame: Frame): void {
    if (this.#queued === undefined) this.#innerBytes = this.#inner.bufferedBytes;
    this.#queued = this.#queued?.then(frame) ?? this.#batching.begin(frame, this.#join, this);
  }

  /** Writes the queued frames. */
  flush(): void {
    const queued = this.#queued;
    this.#queued = undefined;
    if (queued !== undefined) this.#inner.write(queued.joined(this.#join));
  }

  close(reason: Disconnect): void {
    this.flush();
    this.#inner.close(reason);
  }
}
