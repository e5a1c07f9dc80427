import type { Presence } from "../hub/presence.ts";
import type { PeerMessage, Peers } from "../broker/peers.ts";
import type { PresenceChange, PresenceEntry } from "../core/encoder.ts";

/** The presence of this node's own sessions, as the others need it. */
export interface LocalPresence {
  /** The entries of a channel, at most `limit`. */
  present(channel: string, limit: number): { readonly entries: readonly PresenceEntry[] };
  readonly presence: Pick<Presence, "follow" | "unfollow" | "relay">;
}

/** What presence across nodes needs. */
export interface RemotePresenceOptions {
  readonly peers: Pick<Peers, "tell">;
  readonly local: LocalPresence;
}

/** Entries that are kept of one channel and one other node. */
export const REMOTE_ENTRIES_MAX = 10_000;
/** Channels in one message. */
const CHANNELS_AT_ONCE = 1000;

/** By client. */
type Entries = Map<string, PresenceEntry>;

/**
 * Presence across nodes. A node whose sessions watch a channel says so: the others send it all their
 * entries, and every change after that. Nothing is sent about a channel that nobody watches. The entries of
 * a node that is gone leave at once. After a message may have been lost, `tellWatched()` repairs everything:
 * the other node learns all channels that this one watches, and answers with all entries.
 */
export class RemotePresence {
  readonly #peers: Pick<Peers, "tell">;
  readonly #local: LocalPresence;
  /** Entries of other nodes on the channels that this node watches, by channel and node. */
  readonly #watched = new Map<string, Map<string, Entries>>();
  /** Nodes that watch a channel of this one. */
  readonly #watchers = new Map<string, Set<string>>();

  constructor({ peers, local }: RemotePresenceOptions) {
    this.#peers = peers;
    this.#local = local;
  }

  /** The first session of this node watches a channel. */
  watch(channel: string): void {
    this.#watched.set(channel, new Map());
    this.#peers.tell({ type: "watch", channels: [channel] });
  }

  /** No session of this node watches the channel any more. */
  unwatch(channel: string): void {
    this.#watched.delete(channel);
    this.#peers.tell({ type: "unwatch", channels: [channel] });
  }

  /** Sends a node the list of all channels that this one watches, in place of the earlier list. */
  tellWatched(node: string): void {
    const all = [...this.#watched.keys()];
    for (let at = 0; at === 0 || at < all.length; at += CHANNELS_AT_ONCE) {
      const channels = all.slice(at, at + CHANNELS_AT_ONCE);
      this.#peers.tell({ type: "watch", to: node, isFirst: at === 0, channels });
    }
  }

  /** A node is gone, with all its entries. */
  left(node: string): void {
    for (const [channel, nodes] of this.#watched) {
      const left = [...nodes.get(node)?.values() ?? []];
      nodes.delete(node);
      this.#relay({ channel, joined: [], left });
    }
    this.#unwatchAll(node);
  }

  /** Sends the other nodes no more changes. */
  stop(): void {
    for (const channel of this.#watchers.keys()) this.#local.presence.unfollow(channel);
    this.#watchers.clear();
  }

  /** Takes a message of another node to this one. */
  receive(node: string, message: PeerMessage): void {
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

  /** Takes all entries of a channel at another node, in place of those that were known before. */
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
    // The whole list is still to come, and has the change in it.
    if (entries === undefined) return;
    for (const entry of joined) {
      if (entries.size < REMOTE_ENTRIES_MAX) entries.set(entry.client, entry);
    }
    // Entries that are not kept are not relayed, as their leaving would not be either.
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
