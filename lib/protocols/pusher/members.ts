import type { Session } from "../../hub/session.ts";
import type { Member } from "./codec.ts";

/** Users on one presence channel. */
export const MEMBERS_MAX = 100;
/** Stands for this node among the others. */
export const HERE = "";

/** A user on a channel, which is named as in Hark. */
export interface Presence {
  readonly channel: string;
  readonly member: Member;
}

/** Called for the first and the last connection of a user on a channel; with its session if that is here. */
export interface MemberEvents {
  readonly onCome: (presence: Presence, session?: Session) => void;
  readonly onGo: (presence: Presence, session?: Session) => void;
}

interface Entry {
  readonly member: Member;
  /** Connections by node; 1 for any number on another node. */
  readonly nodes: Map<string, number>;
}

/** The users on channels, on all nodes: each once on a channel, however many connections it has there. */
export class Members {
  readonly #events: MemberEvents;
  readonly #channels = new Map<string, Map<string, Entry>>();

  constructor(events: MemberEvents) {
    this.#events = events;
  }

  /** The users on a channel, in the order in which they came. */
  of(channel: string): Member[] {
    return Array.from(this.#channels.get(channel)?.values() ?? [], ({ member }) => member);
  }

  /** How many users are on a channel. */
  count(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
  }

  /** Reports whether a user is on a channel. */
  has(channel: string, userId: string): boolean {
    return this.#channels.get(channel)?.has(userId) ?? false;
  }

  /** Reports whether a channel has no room for a user that is not on it yet. */
  isFull(channel: string, userId: string): boolean {
    return this.count(channel) >= MEMBERS_MAX && !this.has(channel, userId);
  }

  /** All that are on channels at a node. */
  at(node: string): Presence[] {
    const found: Presence[] = [];
    for (const [channel, entries] of this.#channels) {
      for (const { member, nodes } of entries.values()) {
        if (nodes.has(node)) found.push({ channel, member });
      }
    }
    return found;
  }

  /** Adds a connection. Reports whether it is the user's first at that node. */
  join(presence: Presence, node: string, session?: Session): boolean {
    const { channel, member } = presence;
    const entries = this.#channels.get(channel) ?? new Map<string, Entry>();
    const { nodes } = entries.get(member.userId) ?? { nodes: new Map<string, number>() };
    const isNew = nodes.size === 0;
    const isFirst = !nodes.has(node);
    nodes.set(node, node === HERE ? (nodes.get(node) ?? 0) + 1 : 1);
    if (isNew) {
      entries.set(member.userId, { member, nodes });
      this.#channels.set(channel, entries);
      this.#events.onCome(presence, session);
    }
    return isFirst;
  }

  /** Removes a connection. Reports whether it was the user's last at that node. */
  leave(presence: Presence, node: string, session?: Session): boolean {
    const { channel, member: { userId } } = presence;
    const entries = this.#channels.get(channel);
    const nodes = entries?.get(userId)?.nodes;
    const connections = nodes?.get(node);
    if (entries === undefined || nodes === undefined || connections === undefined) return false;
    if (connections > 1) {
      nodes.set(node, connections - 1);
      return false;
    }
    nodes.delete(node);
    if (nodes.size > 0) return true;
    entries.delete(userId);
    if (entries.size === 0) this.#channels.delete(channel);
    this.#events.onGo(presence, session);
    return true;
  }

  /** Replaces all that are on channels at another node. */
  replace(node: string, presences: readonly Presence[]): void {
    const kept = new Set(presences.map(keyOf));
    for (const presence of this.at(node)) {
      if (!kept.has(keyOf(presence))) this.leave(presence, node);
    }
    for (const presence of presences) this.join(presence, node);
  }
}

function keyOf({ channel, member }: Presence): string {
  return `${channel}\n${member.userId}`;
}
