import type { Member } from "./codec.ts";

/** Users on one presence channel. */
export const MEMBERS_MAX = 100;

interface Entry {
  readonly member: Member;
  connections: number;
}

/** The users on presence channels: each once on a channel, however many connections it has there. */
export class Members {
  readonly #channels = new Map<string, Map<string, Entry>>();

  /** The users on a channel, in the order in which they came. */
  of(channel: string): Member[] {
    return Array.from(this.#entries(channel), ({ member }) => member);
  }

  /** How many users are on a channel. */
  count(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
  }

  /** Reports whether a channel has no room for a user that is not on it yet. */
  isFull(channel: string, userId: string): boolean {
    return this.count(channel) >= MEMBERS_MAX && !this.#channels.get(channel)?.has(userId);
  }

  /** Adds a connection of a user. Reports whether it is the user's first on the channel. */
  join(channel: string, member: Member): boolean {
    const entries = this.#channels.get(channel) ?? new Map<string, Entry>();
    this.#channels.set(channel, entries);
    const entry = entries.get(member.userId);
    if (entry === undefined) entries.set(member.userId, { member, connections: 1 });
    else entry.connections++;
    return entry === undefined;
  }

  /** Takes a connection of a user away. Reports whether it was the user's last on the channel. */
  leave(channel: string, userId: string): boolean {
    const entries = this.#channels.get(channel);
    const entry = entries?.get(userId);
    if (entries === undefined || entry === undefined || --entry.connections > 0) return false;
    entries.delete(userId);
    if (entries.size === 0) this.#channels.delete(channel);
    return true;
  }

  #entries(channel: string): Iterable<Entry> {
    return this.#channels.get(channel)?.values() ?? [];
  }
}
