import type { PusherApp } from "../../config/pusher_app.ts";
import type { PeerMessage } from "../../broker/peers.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import type { Clock } from "../../core/clock.ts";
import type { Encoder } from "../../core/encoder.ts";
import { DISCONNECTS } from "../../core/errors.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Session } from "../../hub/session.ts";
import {
  encodeMemberAdded,
  encodeMemberRemoved,
  encodeSubscriptionCount,
  type Member,
  pusherEncoder,
} from "./codec.ts";
import { Counts } from "./counts.ts";
import { type Change, HERE, Members, type Presence } from "./members.ts";
import { kindOf, Names } from "./names.ts";
import { isSame, signatureOf } from "./signatures.ts";
import type { WebhookEvent } from "./webhook_queue.ts";
import { type SenderCluster, Senders } from "./senders.ts";
import type { Estate, Webhooks } from "./webhooks.ts";

/** What an app needs. */
export interface AppOptions {
  readonly settings: PusherApp;
  /** Those of all apps. */
  readonly prefixes: readonly string[];
  readonly hub: Hub;
  readonly clock: Clock;
  readonly cluster: SenderCluster & Pick<Cluster, "tell" | "handle" | "onSync">;
  /** Makes them, if the app wants any. */
  readonly makeWebhooks: (senders: Senders) => Webhooks | undefined;
}

/** Whoever is on an occupied channel. */
const ANYONE: Member = { userId: "", userInfo: "" };

/** All that a node knows of its own. */
interface Everything {
  readonly members: readonly Presence[];
  readonly channels: readonly string[];
  readonly counts: readonly (readonly [channel: string, count: number])[];
}

const NOTHING: Everything = { members: [], channels: [], counts: [] };

function keyOf({ channel, member }: Presence): string {
  return `${channel}\n${member.userId}`;
}

/** One app: what its connections share, on this node and with the others. */
export class App {
  readonly settings: PusherApp;
  readonly names: Names;
  readonly encoder: Encoder;
  readonly members: Members = new Members();
  readonly webhooks: Webhooks | undefined;
  /** Channels with a Pusher client, each as if it had one member; empty if there are no webhooks. */
  readonly #occupied = new Members();
  readonly #counts: Counts;
  readonly #hub: Hub;
  readonly #cluster: AppOptions["cluster"];
  /** The sessions of each user that has signed in. */
  readonly #users = new Map<string, Set<Session>>();

  constructor({ settings, prefixes, hub, clock, cluster, makeWebhooks }: AppOptions) {
    const inherit = (estate: Estate) =>
      this.webhooks?.inherit(estate, (event) => this.#isThere(event)) ?? false;
    const senders = new Senders(cluster, `pusher ${settings.id} webhooks`, inherit);
    const webhooks = this.webhooks = makeWebhooks(senders);
    this.settings = settings;
    this.#hub = hub;
    this.#cluster = cluster;
    const names = this.names = new Names(settings.prefix, prefixes);
    this.encoder = pusherEncoder((channel) => names.toWire(channel));
    this.#handle("join", (node, { presence }) => this.#joined(presence as Presence, node));
    this.#handle("leave", (node, { presence }) => this.#left(presence as Presence, node));
    this.#handle("occupied", (node, { channel }) => this.#occupiedAt(String(channel), node));
    this.#handle("vacated", (node, { channel }) => this.#vacatedAt(String(channel), node));
    this.#handle("all", (node, all) => {
      const replace = () => this.#replace(node, all as unknown as Everything);
      // What was so before is no news.
      if (webhooks === undefined) replace();
      else webhooks.silently(replace);
    });
    this.#counts = new Counts({
      clock,
      countHere: (channel) => hub.count(channel),
      tell: (channel, count) => this.#tell("count", { channel, count }),
      onChange: (channel, total) => this.#counted(channel, total),
    });
    this.#handle("count", (node, { channel, count }) => {
      this.#counts.heard(node, String(channel), Number(count));
    });
    this.#handle("frame", (_node, { channel, frame }) => {
      this.#send(String(channel), String(frame));
    });
    this.#handle("end", (_node, { userId }) => this.#end(String(userId)));
    cluster.onSync(() => {
      const channels = this.#occupied.at(HERE).map(({ channel }) => channel);
      const all = { members: this.members.at(HERE), channels, counts: this.#counts.here };
      this.#tell("all", all satisfies Everything);
    });
    cluster.onLeft((node) => this.#replace(node, NOTHING));
  }

  /** Reports whether `auth` is this app's key and its signature of `text`. */
  isSigned(auth: string, text: string): boolean {
    const { key, secret } = this.settings;
    return isSame(auth, `${key}:${signatureOf(secret, text)}`);
  }

  /** Sends a frame to all clients on one of Hark's channels but `except`, those of other nodes too. */
  relay(channel: string, frame: string, except: Session): void {
    this.#send(channel, frame, except);
    this.#tell("frame", { channel, frame });
  }

  /** A session has come to a presence channel. */
  join(presence: Presence, session: Session): void {
    if (this.#joined(presence, HERE, session) !== "nothing") this.#tell("join", { presence });
  }

  /** A session has left a presence channel. */
  leave(presence: Presence, session: Session): void {
    if (this.#left(presence, HERE, session) !== "nothing") this.#tell("leave", { presence });
  }

  /** A session has subscribed to a channel. */
  occupy(channel: string): void {
    if (this.#occupiedAt(channel, HERE) !== "nothing") this.#tell("occupied", { channel });
  }

  /** A session has unsubscribed from a channel. */
  vacate(channel: string): void {
    if (this.#vacatedAt(channel, HERE) !== "nothing") this.#tell("vacated", { channel });
  }

  /** Somebody has come to a channel, of Hark's name, or left it. */
  count(name: string): void {
    const channel = this.names.toWire(name) ?? name;
    if (this.settings.subscriptionCounts && !kindOf(channel).isPresence) this.#counts.update(name);
  }

  /** Sends the webhooks that wait, or hands them on, and sends no more. */
  async flush(): Promise<void> {
    this.#counts.close();
    await this.webhooks?.flush();
  }

  /** A session has signed in as a user. */
  signIn(userId: string, session: Session): void {
    const sessions = this.#users.get(userId) ?? new Set();
    this.#users.set(userId, sessions.add(session));
  }

  /** A session that had signed in is over. */
  signOut(userId: string, session: Session): void {
    const sessions = this.#users.get(userId);
    if (sessions?.delete(session) && sessions.size === 0) this.#users.delete(userId);
  }

  /** Ends what a user has signed in with, on all nodes. */
  terminate(userId: string): void {
    this.#end(userId);
    this.#tell("end", { userId });
  }

  #end(userId: string): void {
    for (const session of [...this.#users.get(userId) ?? []]) session.end(DISCONNECTS.revoked);
  }

  #send(channel: string, frame: string, except?: Session): void {
    for (const session of this.#hub.subscribers(channel)) {
      if (session !== except && session.transport.encoder === this.encoder) session.write(frame);
    }
  }

  #joined(presence: Presence, node: string, session?: Session): Change {
    const { channel, member } = presence;
    const change = this.members.join(presence, node);
    const wire = this.names.toWire(channel);
    if (change === "all" && wire !== undefined) {
      this.#send(channel, encodeMemberAdded(wire, member), session);
      const event = { name: "member_added", channel: wire, user_id: member.userId };
      this.webhooks?.came(`${wire} ${member.userId}`, event);
    }
    return change;
  }

  #left({ channel, member: { userId } }: Presence, node: string, session?: Session): Change {
    const change = this.members.leave(channel, userId, node);
    const wire = this.names.toWire(channel);
    if (change === "all" && wire !== undefined) {
      this.#send(channel, encodeMemberRemoved(wire, userId), session);
      const event = { name: "member_removed", channel: wire, user_id: userId };
      this.webhooks?.went(`${wire} ${userId}`, event);
    }
    return change;
  }

  #occupiedAt(channel: string, node: string): Change {
    const name = this.names.toWire(channel);
    if (this.webhooks === undefined || name === undefined) return "nothing";
    const change = this.#occupied.join({ channel, member: ANYONE }, node);
    if (change === "all") this.webhooks.came(name, { name: "channel_occupied", channel: name });
    return change;
  }

  #vacatedAt(channel: string, node: string): Change {
    const name = this.names.toWire(channel);
    if (this.webhooks === undefined || name === undefined) return "nothing";
    const change = this.#occupied.leave(channel, ANYONE.userId, node);
    if (change === "all") this.webhooks.went(name, { name: "channel_vacated", channel: name });
    return change;
  }

  /** What another node has is this, whatever was known of it. */
  #replace(node: string, { members, channels, counts }: Everything): void {
    const kept = new Set(members.map(keyOf));
    for (const presence of this.members.at(node)) {
      if (!kept.has(keyOf(presence))) this.#left(presence, node);
    }
    for (const presence of members) this.#joined(presence, node);
    const occupied = new Set(channels);
    for (const { channel } of this.#occupied.at(node)) {
      if (!occupied.has(channel)) this.#vacatedAt(channel, node);
    }
    for (const channel of channels) this.#occupiedAt(channel, node);
    this.#counts.replace(node, counts);
  }

  #counted(name: string, count: number): void {
    const channel = this.names.toWire(name);
    if (channel === undefined) return;
    this.#send(name, encodeSubscriptionCount(channel, count));
    this.webhooks?.tell({ name: "subscription_count", channel, subscription_count: count });
  }

  /** Reports whether whoever is said to be gone is there. */
  #isThere({ channel, user_id: userId }: WebhookEvent): boolean {
    const name = this.names.toHark(channel);
    if (userId === undefined) return this.#occupied.count(name) > 0;
    return this.members.of(name).some((member) => member.userId === userId);
  }

  #tell(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#cluster.tell({ type: this.#typeOf(what), ...fields });
  }

  #handle(what: string, handler: (node: string, message: PeerMessage) => void): void {
    this.#cluster.handle(this.#typeOf(what), handler);
  }

  #typeOf(what: string): string {
    return `pusher ${this.settings.id} ${what}`;
  }
}
