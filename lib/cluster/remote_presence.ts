import type { Presence } from "../hub/presence.ts";
import type { PeerMessage, Peers } from "../broker/peers.ts";
import type { PresenceChange, PresenceEntry } from "../core/encoder.ts";

/** This node's own presence, as the others need it. */
export interface LocalPresence {
  /** Whoever of this node is on a channel, at most `limit`. */
  present(channel: string, limit: number): { readonly entries: readonly PresenceEntry[] };
  readonly presence: Pick<Presence, "follow" | "unfollow" | "relay">;
}

/** What presence across nodes needs. */
export interface RemotePresenceOptions {
  readonly peers: Peers;
  readonly local: LocalPresence;
}

/** Entries that are kept of one channel at one other node. */
export const REMOTE_ENTRIES_MAX = 10_000;
/** Channels in one message. */
const CHANNELS_AT_ONCE = 1000;

/** By client. */
type Entries = Map<string, PresenceEntry>;

/**
 * Presence across nodes. A node whose sessions watch a channel says so; the others send it all that are
 * there, and every change after that. Of a channel that nobody watches nothing travels. What is known of
 * a node that is gone leaves at once. Where a message may be lost, `tellWatched()` makes all as it is: the
 * other node learns all that this one watches, and answers with all that are there.
 */
export class RemotePresence {
  readonly #peers: Peers;
  readonly #local: LocalPresence;
  /** Entries of other nodes on the channels that this node watches, by channel and node. */
  readonly #watched = new Map<string, Map<string, Entries>>();
  /** Nodes that watch a channel of this one. */
  readonly #watchers = new Map<string, Set<string>>();

  constructor({ peers, local }: RemotePresenceOptions) {
    this.#peers = peers;
    this.#local = local;
  }

  /** A session of this node watches a channel that none has watched before. */
  watch(channel: string): void {
    this.#watched.set(channel, new Map());
    this.#peers.tell({ type: "watch", channels: [channel] });
  }

  /** No session of this node watches the channel any more. */
  unwatch(channel: string): void {
    this.#watched.delete(channel);
    this.#peers.tell({ type: "unwatch", channels: [channel] });
  }

  /** Sends a node the list of all that this one watches, in place of what it knew before. */
  tellWatched(node: string): void {
    const all = [...this.#watched.keys()];
    for (let at = 0; at === 0 || at < all.length; at += CHANNELS_AT_ONCE) {
      const channels = all.slice(at, at + CHANNELS_AT_ONCE);
      this.#peers.tell({ type: "watch", to: node, isFirst: at === 0, channels });
    }
  }

  /** A node is gone, with all that were on it. */
  left(node: string): void {
    for (const [channel, nodes] of this.#watched) {
      const entries = nodes.get(node);
      nodes.delete(node);
      if (entries === undefined || entries.size === 0) continue;
      this.#local.presence.relay({ channel, joined: [], left: [...entries.values()] });
    }
    this.#unwatchAll(node);
  }

  /** Sends other nodes nothing more. */
  stop(): void {
    for (const channel of this.#watchers.keys()) this.#local.presence.unfollow(channel);
    this.#watchers.clear();
  }

  /** Takes a message of another node. */
  receive(node: string, message: PeerMessage): void {
    if (message.to !== undefined && message.to !== this.#peers.node) return;
    switch (message.type) {
      case "watch":
        if (message.isFirst === true) this.#unwatchAll(node);
        return textsOf(message.channels).forEach((channel) => this.#addWatcher(channel, node));
      case "unwatch":
        return textsOf(message.channels).forEach((channel) => this.#removeWatcher(channel, node));
      case "present":
        return this.#replace(node, String(message.channel), entriesOf(message.entries));
      case "presence":
        return this.#change(node, {
          channel: String(message.channel),
          joined: entriesOf(message.joined),
          left: entriesOf(message.left),
        });
    }
  }

  #addWatcher(channel: string, node: string): void {
    let watchers = this.#watchers.get(channel);
    if (watchers === undefined) {
      watchers = new Set();
      this.#watchers.set(channel, watchers);
      this.#local.presence.follow(
        channel,
        (change) => this.#peers.tell({ type: "presence", ...change }),
      );
    }
    watchers.add(node);
    const { entries } = this.#local.present(channel, REMOTE_ENTRIES_MAX);
    this.#peers.tell({ type: "present", to: node, channel, entries });
  }

  #unwatchAll(node: string): void {
    for (const channel of [...this.#watchers.keys()]) this.#removeWatcher(channel, node);
  }

  #removeWatcher(channel: string, node: string): void {
    const watchers = this.#watchers.get(channel);
    if (!watchers?.delete(node) || watchers.size > 0) return;
    this.#watchers.delete(channel);
    this.#local.presence.unfollow(channel);
  }

  /** Takes all that are on a channel at another node, in place of what was known before. */
  #replace(node: string, channel: string, entries: readonly PresenceEntry[]): void {
    const nodes = this.#watched.get(channel);
    if (nodes === undefined) return;
    const before = nodes.get(node) ?? new Map();
    const kept = entries.slice(0, REMOTE_ENTRIES_MAX);
    const now: Entries = new Map(kept.map((entry) => [entry.client, entry]));
    nodes.set(node, now);
    this.#relay({
      channel,
      joined: kept.filter(({ client }) => !before.has(client)),
      left: [...before.values()].filter(({ client }) => !now.has(client)),
    });
  }

  #change(node: string, { channel, joined, left }: PresenceChange): void {
    const entries = this.#watched.get(channel)?.get(node);
    // Before the whole list has come, a change says nothing that the list does not.
    if (entries === undefined) return;
    for (const entry of joined) {
      if (entries.size < REMOTE_ENTRIES_MAX) entries.set(entry.client, entry);
    }
    // Entries that are not kept here are not relayed: their leaves never would be.
    const kept = joined.filter(({ client }) => entries.has(client));
    for (const { client } of left) entries.delete(client);
    this.#relay({ channel, joined: kept, left });
  }

  #relay(change: PresenceChange): void {
    if (change.joined.length + change.left.length > 0) this.#local.presence.relay(change);
  }
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function entriesOf(value: unknown): PresenceEntry[] {
  return Array.isArray(value) ? value as PresenceEntry[] : [];
}
