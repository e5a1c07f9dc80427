import type { Member } from "./codec.ts";

/** Users on one presence channel. */
export const MEMBERS_MAX = 100;
/** Stands for this node among the others. */
export const HERE = "";

/**
 * What a connection changes: nothing but itself, whether the user is on the channel at its node, or
 * whether the user is on the channel at all.
 */
export type Change = "nothing" | "node" | "all";

/** Someone on a channel. */
export interface Presence {
  readonly channel: string;
  readonly member: Member;
}

interface Entry {
  readonly member: Member;
  /** Connections by node; of another node it is only known that there are some. */
  readonly nodes: Map<string, number>;
}

/**
 * The users on presence channels, of all nodes: each once on a channel, however many connections it has
 * there. The channels are Hark's.
 */
export class Members {
  readonly #channels = new Map<string, Map<string, Entry>>();

  /** The users on a channel, in the order in which they came. */
  of(channel: string): Member[] {
    return Array.from(this.#channels.get(channel)?.values() ?? [], ({ member }) => member);
  }

  /** How many users are on a channel. */
  count(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
  }

  /** Reports whether a channel has no room for a user that is not on it yet. */
  isFull(channel: string, userId: string): boolean {
    return this.count(channel) >= MEMBERS_MAX && !this.#channels.get(channel)?.has(userId);
  }

  /** All that are on a channel at a node. */
  at(node: string): Presence[] {
    const found: Presence[] = [];
    for (const [channel, entries] of this.#channels) {
      for (const { member, nodes } of entries.values()) {
        if (nodes.has(node)) found.push({ channel, member });
      }
    }
    return found;
  }

  /** Adds a connection of a user at a node. */
  join({ channel, member }: Presence, node: string): Change {
    const entries = this.#channels.get(channel) ?? new Map<string, Entry>();
    this.#channels.set(channel, entries);
    const entry = entries.get(member.userId) ?? { member, nodes: new Map() };
    const change = entry.nodes.size === 0 ? "all" : entry.nodes.has(node) ? "nothing" : "node";
    entries.set(member.userId, entry);
    const before = node === HERE ? entry.nodes.get(node) ?? 0 : 0;
    entry.nodes.set(node, before + 1);
    return change;
  }

  /** Takes a connection of a user at a node away. */
  leave(channel: string, userId: string, node: string): Change {
    const entries = this.#channels.get(channel);
    const entry = entries?.get(userId);
    const connections = entry?.nodes.get(node);
    if (entries === undefined || entry === undefined || connections === undefined) return "nothing";
    if (connections > 1) {
      entry.nodes.set(node, connections - 1);
      return "nothing";
    }
    entry.nodes.delete(node);
    if (entry.nodes.size > 0) return "node";
    entries.delete(userId);
    if (entries.size === 0) this.#channels.delete(channel);
    return "all";
  }
}
