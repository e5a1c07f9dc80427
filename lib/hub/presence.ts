import { isPattern } from "../core/channel.ts";
import type { Clock, Timer } from "../core/clock.ts";
import type { Session } from "./session.ts";
import type { Format, Frame, PresenceChange } from "../core/transport.ts";

/** Entries in one message about presence; a crowd's coming and going takes several. */
export const ENTRIES_MAX = 500;

/** From one telling to the next, so that a crowd that comes and goes costs little more than a few. */
export const TELL_INTERVAL_MS = 200;
/** Telling takes no more than one part in so many of the time. */
const TELL_SHARE = 10;

const AT_TURNS_END: Timer = { cancel: () => {} };

interface Change {
  readonly joined: Set<Session>;
  readonly left: Set<Session>;
}

/**
 * Tells those who watch a channel who comes and goes: at the end of the turn if all was quiet, else
 * once in a while. Who has come and gone in between is among those that joined and, which counts
 * after that, those that left. A channel that nobody watches costs one look-up. Only who is subscribed to the channel by its name is present on it.
 */
export class Presence {
  readonly #clock: Clock;
  readonly #watchers = new Map<string, Set<Session>>();
  readonly #changes = new Map<string, Change>();
  /** Not before it is told again. */
  #quietUntil = -Infinity;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Channels that somebody watches. */
  get watched(): number {
    return this.#watchers.size;
  }

  /** Tells `session` from now on who comes to and leaves `channel`. */
  watch(channel: string, session: Session): void {
    if (isPattern(channel)) return;
    const watchers = this.#watchers.get(channel);
    if (watchers === undefined) this.#watchers.set(channel, new Set([session]));
    else watchers.add(session);
  }

  joined(channel: string, session: Session): void {
    const change = this.#change(channel);
    if (change === undefined) return;
    change.left.delete(session);
    change.joined.add(session);
  }

  left(channel: string, session: Session): void {
    this.unwatch(channel, session);
    const change = this.#change(channel);
    if (change === undefined) return;
    // Who has just come stays in `joined`: a watcher that listed the channel meanwhile has seen it.
    change.left.add(session);
  }

  /** Tells `session` no more who comes to and leaves `channel`. */
  unwatch(channel: string, session: Session): void {
    const watchers = this.#watchers.get(channel);
    if (!watchers?.delete(session) || watchers.size > 0) return;
    this.#watchers.delete(channel);
    this.#changes.delete(channel);
    if (this.#watchers.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #change(channel: string): Change | undefined {
    if (!this.#watchers.has(channel)) return undefined;
    let change = this.#changes.get(channel);
    if (change === undefined) {
      change = { joined: new Set(), left: new Set() };
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
    // Before anything is written: a watcher that is ended for being slow is a change of its own.
    this.#changes.clear();
    for (const [channel, change] of changes) {
      for (const part of parts(channel, change)) this.#tell(part);
    }
    const now = this.#clock.monotonic();
    this.#quietUntil = now + Math.max(TELL_INTERVAL_MS, TELL_SHARE * (now - startedAt));
  }

  #tell(change: PresenceChange): void {
    const frames = new Map<Format, Frame | undefined>();
    for (const watcher of this.#watchers.get(change.channel) ?? []) {
      const { format } = watcher.transport;
      if (!frames.has(format)) frames.set(format, format.presence(change));
      const frame = frames.get(format);
      if (frame !== undefined) watcher.write(frame);
    }
  }
}

function* parts(channel: string, change: Change): Iterable<PresenceChange> {
  const joined = Array.from(change.joined, (session) => session.presenceEntry);
  const left = Array.from(change.left, (session) => session.presenceEntry);
  // Who left comes after all who joined, as some are among both.
  for (let from = 0; from < joined.length + left.length; from += ENTRIES_MAX) {
    const to = from + ENTRIES_MAX;
    yield {
      channel,
      joined: joined.slice(from, to),
      left: left.slice(Math.max(0, from - joined.length), Math.max(0, to - joined.length)),
    };
  }
}
