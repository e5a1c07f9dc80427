import { isPattern } from "../core/channel.ts";
import type { Clock, Timer } from "../core/clock.ts";
import type { Encoder, Frame, PresenceChange, PresenceEntry } from "../core/encoder.ts";

/** Entries in one answer about presence. */
export const PRESENCE_MAX = 1000;
/** Entries in one presence event; more take several events. */
export const ENTRIES_MAX = 500;

/** The time from one batch of events to the next: a crowd that comes and goes costs no more. */
export const SEND_INTERVAL_MS = 200;
/** Sending takes no more than one part in so many of the time. */
const SEND_SHARE = 10;

const AT_TURNS_END: Timer = { cancel: () => {} };

/** A session that is present; it is asked for its entry only where a session watches. */
export interface Member {
  presenceOn(channel: string): PresenceEntry;
}

/** A session that gets joins and leaves. */
export interface Watcher {
  readonly transport: { readonly encoder: Encoder };
  write(frame: Frame): void;
}

/** Entries by client. */
type Entries = Map<string, PresenceEntry>;

interface Change {
  readonly joined: Entries;
  readonly left: Entries;
}

/**
 * Sends batched join and leave events to the watchers of a channel: at the end of the turn if no batch
 * was sent lately, else after a pause. A client that came and went in between is among those that joined
 * and among those that left, which counts after that. A channel without watchers costs one look-up. Only
 * sessions subscribed to a channel by its name are present on it.
 */
export class Presence {
  readonly #clock: Clock;
  readonly #onWatch: (channel: string, isWatched: boolean) => void;
  /** By channel, the callbacks for changes at this node. */
  readonly #followers = new Map<string, (change: PresenceChange) => void>();
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #changes = new Map<string, Change>();
  /** No batch goes out before. */
  #quietUntil = -Infinity;
  #timer: Timer | undefined;

  /** `onWatch` is called when a channel gets its first watcher, and when it loses its last. */
  constructor(clock: Clock, onWatch: (channel: string, isWatched: boolean) => void = () => {}) {
    this.#clock = clock;
    this.#onWatch = onWatch;
  }

  /** The number of channels that a session watches. */
  get watched(): number {
    return this.#watchers.size;
  }

  /** Begins to send `watcher` the joins and leaves of `channel`. */
  watch(channel: string, watcher: Watcher): void {
    if (isPattern(channel)) return;
    const watchers = this.#watchers.get(channel);
    if (watchers !== undefined) return void watchers.add(watcher);
    this.#watchers.set(channel, new Set([watcher]));
    this.#onWatch(channel, true);
  }

  /** Stops sending `watcher` the joins and leaves of `channel`. */
  unwatch(channel: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(channel);
    if (!watchers?.delete(watcher) || watchers.size > 0) return;
    this.#watchers.delete(channel);
    this.#onWatch(channel, false);
    this.#dropUnused(channel);
  }

  /** Begins to call `onChange` with each change of `channel` at this node. */
  follow(channel: string, onChange: (change: PresenceChange) => void): void {
    this.#followers.set(channel, onChange);
  }

  /** Stops that. */
  unfollow(channel: string): void {
    this.#followers.delete(channel);
    this.#dropUnused(channel);
  }

  /** Sends the watchers of a channel a change at another node. */
  relay(change: PresenceChange): void {
    for (const part of partsOf(change)) this.#send(part);
  }

  /** Records that `member` has joined `channel`. */
  joined(channel: string, member: Member): void {
    const change = this.#change(channel);
    if (change === undefined) return;
    const entry = member.presenceOn(channel);
    change.left.delete(entry.client);
    change.joined.set(entry.client, entry);
  }

  /** Records that `member` has left `channel`. */
  left(channel: string, member: Member): void {
    const change = this.#change(channel);
    if (change === undefined) return;
    // A client that has just joined stays in `joined`: a watcher may have listed the channel meanwhile.
    const entry = member.presenceOn(channel);
    change.left.set(entry.client, entry);
  }

  /** Drops the changes of a channel that has neither watchers nor followers. */
  #dropUnused(channel: string): void {
    if (this.#isUsed(channel)) return;
    this.#changes.delete(channel);
    if (this.#changes.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #isUsed(channel: string): boolean {
    return this.#watchers.has(channel) || this.#followers.has(channel);
  }

  #change(channel: string): Change | undefined {
    if (!this.#isUsed(channel)) return undefined;
    let change = this.#changes.get(channel);
    if (change === undefined) {
      change = { joined: new Map(), left: new Map() };
      this.#changes.set(channel, change);
      this.#timer ??= this.#schedule();
    }
    return change;
  }

  #schedule(): Timer {
    const waitMs = this.#quietUntil - this.#clock.monotonic();
    if (waitMs > 0) return this.#clock.after(waitMs, () => this.#flush());
    this.#clock.afterTurn(() => this.#flush());
    return AT_TURNS_END;
  }

  #flush(): void {
    const startedAt = this.#clock.monotonic();
    this.#timer = undefined;
    const changes = [...this.#changes];
    // Before anything is written: the end of a slow watcher is a change of its own.
    this.#changes.clear();
    for (const [channel, change] of changes) {
      const joined = [...change.joined.values()];
      const left = [...change.left.values()];
      for (const part of partsOf({ channel, joined, left })) {
        this.#send(part);
        this.#followers.get(channel)?.(part);
      }
    }
    const now = this.#clock.monotonic();
    this.#quietUntil = now + Math.max(SEND_INTERVAL_MS, SEND_SHARE * (now - startedAt));
  }

  #send(change: PresenceChange): void {
    const frames = new Map<Encoder, Frame | undefined>();
    for (const watcher of this.#watchers.get(change.channel) ?? []) {
      const { encoder } = watcher.transport;
      if (!frames.has(encoder)) frames.set(encoder, encoder.presence(change));
      const frame = frames.get(encoder);
      if (frame !== undefined) watcher.write(frame);
    }
  }
}

/** The change in messages of a bounded size. */
function* partsOf({ channel, joined, left }: PresenceChange): Iterable<PresenceChange> {
  // Leaves come after all joins, as some clients are among both.
  for (let from = 0; from < joined.length + left.length; from += ENTRIES_MAX) {
    const to = from + ENTRIES_MAX;
    yield {
      channel,
      joined: joined.slice(from, to),
      left: left.slice(Math.max(0, from - joined.length), Math.max(0, to - joined.length)),
    };
  }
}
