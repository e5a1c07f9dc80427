import type { Broker } from "../../broker/broker.ts";
import type { PeerMessage } from "../../broker/peers.ts";
import type { PusherApp } from "../../config/pusher_app.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import type { Clock } from "../../core/clock.ts";
import type { Encoder } from "../../core/encoder.ts";
import { DISCONNECTS } from "../../core/errors.ts";
import type { Publication } from "../../core/publication.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Session } from "../../hub/session.ts";
import type { HarkMetrics } from "../../observe/hark_metrics.ts";
import type { Log } from "../../observe/log.ts";
import {
  encodeMemberAdded,
  encodeMemberRemoved,
  encodeSubscriptionCount,
  type Member,
  pusherEncoder,
} from "./codec.ts";
import { SubscriptionCounts } from "./subscription_counts.ts";
import { HERE, Members, type Presence } from "./members.ts";
import { kindOf, Names } from "./names.ts";
import { type Handover, WebhookSenders } from "./webhook_senders.ts";
import { isSame, signatureOf } from "./signatures.ts";
import type { WebhookEvent } from "./webhook_queue.ts";
import { Webhooks } from "./webhooks.ts";

/** What every app needs. */
export interface AppOptions {
  readonly apps: readonly PusherApp[];
  readonly hub: Hub;
  readonly broker: Pick<Broker, "history">;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn">;
  readonly metrics: Pick<HarkMetrics, "webhookEvents">;
}

/** Stands for all Pusher clients on an occupied channel. */
const ANYONE: Member = { userId: "", userInfo: "" };

/** All that a node knows of its own clients. */
interface Everything {
  readonly members: readonly Presence[];
  readonly channels: readonly string[];
  readonly counts: readonly (readonly [channel: string, count: number])[];
}

const NOTHING: Everything = { members: [], channels: [], counts: [] };

/** One app: what its clients share, on this node and with other nodes. All channels are named as in Hark. */
export class App {
  readonly settings: PusherApp;
  readonly names: Names;
  readonly encoder: Encoder;
  readonly webhooks: Webhooks | undefined;
  /** The users on its presence channels. */
  readonly members: Members = new Members({
    onCome: (presence, session) => this.#memberCame(presence, session),
    onGo: (presence, session) => this.#memberWent(presence, session),
  });
  /** The channels with a Pusher client; empty if there are no webhooks. */
  readonly #occupied = new Members({
    onCome: ({ channel }) => this.webhooks?.came(this.#event("channel_occupied", channel)),
    onGo: ({ channel }) => this.webhooks?.went(this.#event("channel_vacated", channel)),
  });
  readonly #counts: SubscriptionCounts;
  /** The sessions of each user that has signed in. */
  readonly #users = new Map<string, Set<Session>>();
  readonly #options: AppOptions;

  constructor(settings: PusherApp, options: AppOptions) {
    const { apps, clock, hub } = this.#options = options;
    const names = this.names = new Names(settings.prefix, apps.map(({ prefix }) => prefix));
    this.settings = settings;
    this.encoder = pusherEncoder((channel) => names.toWire(channel));
    this.webhooks = this.#makeWebhooks();
    this.#counts = new SubscriptionCounts({
      clock,
      countHere: (channel) => hub.subscribers.count(channel),
      tell: (channel, count) => this.#tell("count", { channel, count }),
      onChange: (channel, total) => this.#counted(channel, total),
    });
    this.#listen();
  }

  /** Reports whether `auth` is this app's key and its signature of `text`. */
  isSigned(auth: string, text: string): boolean {
    const { key, secret } = this.settings;
    return isSame(auth, `${key}:${signatureOf(secret, text)}`);
  }

  /** The last publication of a channel; undefined if nothing is kept of it. */
  async newest(channel: string): Promise<Publication | undefined> {
    const query = { channels: [channel], since: undefined, limit: 1, newestFirst: true };
    return (await this.#options.broker.history(query)).publications[0];
  }

  /** Sends a frame to all clients on a channel except one, on other nodes too. */
  relay(channel: string, frame: string, except: Session): void {
    this.#send(channel, frame, except);
    this.#tell("frame", { channel, frame });
  }

  /** A session joins a presence channel. */
  join(presence: Presence, session: Session): void {
    if (this.members.join(presence, HERE, session)) this.#tell("join", { presence });
  }

  /** A session leaves a presence channel. */
  leave(presence: Presence, session: Session): void {
    if (this.members.leave(presence, HERE, session)) this.#tell("leave", { presence });
  }

  /** A session has subscribed to a channel. */
  occupy(channel: string): void {
    this.#count(channel);
    const wanted = this.webhooks !== undefined;
    if (wanted && this.#occupied.join(anyoneOn(channel), HERE)) this.#tell("occupied", { channel });
  }

  /** A session has unsubscribed from a channel. */
  vacate(channel: string): void {
    this.#count(channel);
    if (this.#occupied.leave(anyoneOn(channel), HERE)) this.#tell("vacated", { channel });
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

  /** Ends all sessions that have signed in as a user, on all nodes. */
  terminate(userId: string): void {
    this.#end(userId);
    this.#tell("end", { userId });
  }

  /** Sends the webhooks that wait, or hands them on, and sends no more. */
  async flush(): Promise<void> {
    this.#counts.close();
    await this.webhooks?.flush();
  }

  #makeWebhooks(): Webhooks | undefined {
    const { id, key, secret, webhook: url } = this.settings;
    if (url === undefined) return undefined;
    const { cluster, clock, log, metrics } = this.#options;
    const takeOver = (handover: Handover) =>
      this.webhooks?.takeOver(handover, (event) => this.#isThere(event)) ?? false;
    return new Webhooks({
      url,
      key,
      secret,
      clock,
      log,
      senders: new WebhookSenders(cluster, `pusher ${id} webhooks`, takeOver),
      count: (outcome, events) => metrics.webhookEvents.with(outcome).add(events),
    });
  }

  #memberCame({ channel: name, member }: Presence, session?: Session): void {
    const channel = this.names.toWire(name);
    const { userId } = member;
    this.#send(name, encodeMemberAdded(channel, member), session);
    this.webhooks?.came({ name: "member_added", channel, user_id: userId });
  }

  #memberWent({ channel: name, member: { userId } }: Presence, session?: Session): void {
    const channel = this.names.toWire(name);
    this.#send(name, encodeMemberRemoved(channel, userId), session);
    this.webhooks?.went({ name: "member_removed", channel, user_id: userId });
  }

  #event(name: string, channel: string): WebhookEvent {
    return { name, channel: this.names.toWire(channel) };
  }

  /** Handles what other nodes report of their clients, and reports to them. */
  #listen(): void {
    const { cluster } = this.#options;
    const [members, occupied] = [this.members, this.#occupied];
    const handle = (what: string, handler: (node: string, message: PeerMessage) => void) =>
      cluster.handle(this.#typeOf(what), handler);
    // A node with other apps, or in another order, gives this app's channels other names.
    const handleOwn: typeof handle = (what, handler) =>
      handle(what, (node, message) => {
        const { channel } = (message.presence ?? message) as { channel?: unknown };
        if (this.names.has(String(channel))) handler(node, message);
      });
    handleOwn("join", (node, { presence }) => members.join(presence as Presence, node));
    handleOwn("leave", (node, { presence }) => members.leave(presence as Presence, node));
    handleOwn("occupied", (node, { channel }) => occupied.join(anyoneOn(channel), node));
    handleOwn("vacated", (node, { channel }) => occupied.leave(anyoneOn(channel), node));
    handleOwn("count", (node, { channel, count }) => {
      this.#counts.heard(node, String(channel), Number(count));
    });
    handleOwn("frame", (_node, { channel, frame }) => this.#send(String(channel), String(frame)));
    handle("end", (_node, { userId }) => this.#end(String(userId)));
    handle("all", (node, message) => {
      const replace = () => this.#replace(node, message as unknown as Everything);
      // These clients came earlier: their own node has reported them.
      if (this.webhooks === undefined) replace();
      else this.webhooks.silently(replace);
    });
    cluster.onSync(() => {
      const channels = occupied.at(HERE).map(({ channel }) => channel);
      const all: Everything = { members: members.at(HERE), channels, counts: this.#counts.here };
      this.#tell("all", { ...all });
    });
    cluster.onLeft((node) => this.#replace(node, NOTHING));
  }

  /** Replaces all that is known of another node, without channels that are not of this app. */
  #replace(node: string, { members, channels, counts }: Everything): void {
    const { names } = this;
    this.members.replace(node, members.filter(({ channel }) => names.has(channel)));
    this.#occupied.replace(node, channels.filter((name) => names.has(name)).map(anyoneOn));
    this.#counts.replace(node, counts.filter(([channel]) => names.has(channel)));
  }

  #send(channel: string, frame: string, except?: Session): void {
    for (const session of this.#options.hub.subscribers.of(channel)) {
      if (session !== except && session.transport.encoder === this.encoder) session.write(frame);
    }
  }

  /** The number of subscribers of a channel may have changed. */
  #count(channel: string): void {
    if (!this.settings.subscriptionCounts) return;
    if (!kindOf(this.names.toWire(channel)).isPresence) this.#counts.update(channel);
  }

  #counted(name: string, count: number): void {
    const channel = this.names.toWire(name);
    this.#send(name, encodeSubscriptionCount(channel, count));
    this.webhooks?.report({ name: "subscription_count", channel, subscription_count: count });
  }

  #end(userId: string): void {
    for (const session of [...this.#users.get(userId) ?? []]) session.end(DISCONNECTS.revoked);
  }

  /** Reports whether the user or channel of an event is there. */
  #isThere({ channel, user_id: userId }: WebhookEvent): boolean {
    const name = this.names.toHark(channel);
    if (userId === undefined) return this.#occupied.count(name) > 0;
    return this.members.has(name, String(userId));
  }

  #tell(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.cluster.tell({ type: this.#typeOf(what), ...fields });
  }

  #typeOf(what: string): string {
    return `pusher ${this.settings.id} ${what}`;
  }
}

function anyoneOn(channel: unknown): Presence {
  return { channel: String(channel), member: ANYONE };
}
