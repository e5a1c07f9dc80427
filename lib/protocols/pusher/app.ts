import type { PusherApp } from "../../config/pusher_app.ts";
import type { Encoder } from "../../core/encoder.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Session } from "../../hub/session.ts";
import { encodeSubscriptionCount, pusherEncoder } from "./codec.ts";
import { Members } from "./members.ts";
import { kindOf, Names } from "./names.ts";
import { isSame, signatureOf } from "./signatures.ts";

/** One app: what its connections share. */
export class App {
  readonly settings: PusherApp;
  readonly names: Names;
  readonly encoder: Encoder;
  readonly members: Members = new Members();
  readonly #hub: Hub;
  /** The sessions of each user that has signed in. */
  readonly #users = new Map<string, Set<Session>>();

  /** `prefixes` are those of all apps. */
  constructor(settings: PusherApp, prefixes: readonly string[], hub: Hub) {
    this.settings = settings;
    this.#hub = hub;
    const names = this.names = new Names(settings.prefix, prefixes);
    this.encoder = pusherEncoder((channel) => names.toWire(channel));
  }

  /** Reports whether `auth` is this app's key and its signature of `text`. */
  isSigned(auth: string, text: string): boolean {
    const { key, secret } = this.settings;
    return isSame(auth, `${key}:${signatureOf(secret, text)}`);
  }

  /** Writes a frame to every Pusher session on one of Hark's channels but `except`. */
  send(channel: string, frame: string, except?: Session): void {
    for (const session of this.#hub.subscribers(channel)) {
      if (session !== except && session.transport.encoder === this.encoder) session.write(frame);
    }
  }

  /** Tells a channel, of Pusher's name, how many are on it, if the app wants that. */
  sendCount(name: string, channel: string): void {
    if (!this.settings.subscriptionCounts || kindOf(channel).isPresence) return;
    this.send(name, encodeSubscriptionCount(channel, this.#hub.count(name)));
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

  /** The sessions that have signed in as a user. */
  sessionsOf(userId: string): Session[] {
    return [...this.#users.get(userId) ?? []];
  }
}
