import type { Broker } from "../../broker/broker.ts";
import type { Clock } from "../../core/clock.ts";
import { because, DISCONNECTS } from "../../core/errors.ts";
import type { Grant } from "../../core/grant.ts";
import { dataBytes, formatPosition, type Position } from "../../core/publication.ts";
import { TokenBucket } from "../../core/rate_limiter.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Replayed } from "../../hub/replay.ts";
import type { Session } from "../../hub/session.ts";
import type { Transport } from "../../hub/transport.ts";
import type { App } from "./app.ts";
import {
  asSubscriptionError,
  authorize,
  readMember,
  readName,
  SubscriptionError,
} from "./authorization.ts";
import * as codec from "./codec.ts";
import { type Command, CommandError, type Member } from "./codec.ts";
import { kindOf } from "./names.ts";
import { newestOf } from "./newest.ts";

/** What all clients of an app share. */
export interface ClientContext {
  readonly app: App;
  readonly hub: Hub;
  readonly broker: Pick<Broker, "history">;
  readonly clock: Clock;
  /** Commands that wait at a time, such as those behind a replay that the client does not read. */
  readonly waitingMax: number;
}

/** Whoever has connected. */
export interface ClientPeer {
  readonly address: string;
  /** What anyone may do. */
  readonly grant: Grant;
}

/** After so many seconds of silence, either side asks whether the other is there. */
export const ACTIVITY_TIMEOUT_S = 120;
/** Events a second that one client may send to others. */
export const CLIENT_EVENTS_PER_SECOND_MAX = 10;
/** Bytes of the data of one event. */
export const DATA_BYTES_MAX = 10 * 1024;

type Subscribe = Command & { type: "subscribe" };
type ClientEvent = Command & { type: "client" };

/** A Pusher client that is connected: its subscriptions, and as whom it has signed in. */
export class PusherClient {
  readonly session: Session;
  readonly #context: ClientContext;
  readonly #grant: Grant;
  readonly #socketId = makeSocketId();
  /** Its own socket id, and those that it had before. */
  readonly #socketIds: Set<string> = new Set([this.#socketId]);
  /** By Pusher's names. */
  readonly #channels = new Set<string>();
  /** Who it is on presence channels, by Hark's names. */
  #members: Map<string, Member> | undefined;
  #clientEvents: TokenBucket | undefined;
  #user: Member | undefined;
  #waiting = 0;
  /** Resolves when the last command is carried out: they count in their order. */
  #done: Promise<void> = Promise.resolve();

  /** Opens a session, and says hello. */
  constructor(context: ClientContext, { address, grant }: ClientPeer, transport: Transport) {
    this.#context = context;
    this.#grant = grant;
    const userOn = (channel: string) => this.#members?.get(channel)?.userId;
    this.session = context.hub.open(transport, { address, socketIds: this.#socketIds, userOn }, []);
    this.session.write(codec.encodeEstablished(this.#socketId, ACTIVITY_TIMEOUT_S));
  }

  /** Takes one frame. If it is wrong, the client gets an error, and stays connected. */
  receive(message: string | Uint8Array): void {
    if (typeof message !== "string") {
      return this.session.end(because(DISCONNECTS.protocol, "expected a text frame"));
    }
    let command: Command;
    try {
      command = codec.decodeCommand(message);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return this.#tell(null, error.message);
    }
    if (command.type !== "pong") this.#queue(command);
  }

  /** Leaves everything behind what was asked for before; called once the session is over. */
  leave(): void {
    this.#done = this.#done.then(() => {
      for (const channel of [...this.#channels]) this.#left(channel);
      if (this.#user !== undefined) this.#context.app.signOut(this.#user.userId, this.session);
      this.#user = undefined;
    });
  }

  #queue(command: Command): void {
    const { waitingMax } = this.#context;
    if (this.#waiting >= waitingMax) {
      return this.#tell(null, `Cannot take more than ${waitingMax} messages at a time`);
    }
    this.#waiting++;
    this.#done = this.#done.then(async () => {
      if (!this.session.ended) await this.#carryOut(command);
    }).catch((error) => this.session.fail(error)).finally(() => this.#waiting--);
  }

  async #carryOut(command: Command): Promise<void> {
    switch (command.type) {
      case "subscribe":
        return await this.#subscribe(command);
      case "unsubscribe":
        return await this.#unsubscribe(command.channel);
      case "signin":
        return this.#signIn(command.auth, command.userData);
      case "client":
        return this.#sendToOthers(command);
      case "ping":
        return void this.session.write(codec.PONG);
    }
  }

  async #subscribe(command: Subscribe): Promise<void> {
    const { channel } = command;
    if (this.#channels.has(channel)) {
      return this.#tell(null, `Cannot subscribe to ${channel}: it is subscribed to already`);
    }
    try {
      const name = readName(this.#context.app, channel);
      const member = this.#authorize(command, name);
      const since = command.since ?? await this.#beforeNewest(command, name);
      command.socketIds.forEach((id) => this.#addSocketId(id));
      await this.#enter(command, name, member, since);
    } catch (error) {
      const { type, status, message } = asSubscriptionError(error);
      this.session.write(codec.encodeSubscriptionError(channel, type, message, status));
    }
  }

  #authorize(command: Subscribe, name: string): Member | undefined {
    const { app } = this.#context;
    return authorize(command, name, {
      app,
      grant: this.#grant,
      socketId: this.#socketId,
      user: this.#user,
    });
  }

  /** Takes a place on a presence channel before anything is waited for: many may come at once. */
  async #enter(
    command: Subscribe,
    name: string,
    member: Member | undefined,
    since: Position | undefined,
  ): Promise<void> {
    if (member !== undefined) this.#join(name, member);
    try {
      await this.session.subscribe([name], {
        since,
        onSubscribed: (replayed) => this.#subscribed(command, name, replayed),
      });
    } finally {
      if (!this.#channels.has(command.channel)) this.#part(name);
    }
  }

  #join(name: string, member: Member): void {
    const { app } = this.#context;
    if (app.members.isFull(name, member.userId)) {
      throw new SubscriptionError("LimitReached", 4004, "Cannot subscribe: the channel is full");
    }
    (this.#members ??= new Map()).set(name, member);
    app.join({ channel: name, member }, this.session);
  }

  #part(name: string): void {
    const member = this.#members?.get(name);
    if (member === undefined) return;
    this.#members?.delete(name);
    this.#context.app.leave({ channel: name, member }, this.session);
  }

  /** Where a cache channel is replayed from; undefined for any other, and if nothing is kept of it. */
  async #beforeNewest({ channel }: Subscribe, name: string): Promise<Position | undefined> {
    if (!kindOf(channel).isCache) return undefined;
    const newest = await newestOf(this.#context.broker, name);
    return newest && { epoch: newest.epoch, offset: newest.offset - 1 };
  }

  #addSocketId(id: string): void {
    if (this.#socketIds.size <= codec.SOCKET_IDS_MAX) this.#socketIds.add(id);
  }

  /** Answers in the same turn, before anything of the channel is written. */
  #subscribed(
    { channel, since }: Subscribe,
    name: string,
    replayed: Replayed | undefined,
  ): void {
    const { app, hub } = this.#context;
    const { session } = this;
    this.#channels.add(channel);
    const members = this.#members?.has(name) ? app.members.of(name) : undefined;
    session.write(codec.encodeSubscribed(channel, replayed?.position ?? hub.positionId, members));
    if (since !== undefined && replayed?.recovered === false) {
      session.write(codec.encodeGap(channel, formatPosition(since)));
    }
    if (replayed === undefined && kindOf(channel).isCache) {
      session.write(codec.encodeCacheMiss(channel));
      app.webhooks?.send({ name: "cache_miss", channel });
    }
    app.count(name);
    app.occupy(name);
  }

  async #unsubscribe(channel: string): Promise<void> {
    if (!this.#channels.has(channel)) return;
    await this.session.unsubscribe([this.#context.app.names.toHark(channel)]);
    this.#left(channel);
  }

  /** The session is not on a channel any more. */
  #left(channel: string): void {
    const { app } = this.#context;
    const name = app.names.toHark(channel);
    if (!this.#channels.delete(channel)) return;
    app.count(name);
    app.vacate(name);
    this.#part(name);
  }

  #signIn(auth: string, userData: string): void {
    const { app } = this.#context;
    const isRight = app.isSigned(auth, `${this.#socketId}::user::${userData}`);
    const user = isRight ? readMember(userData, "id") : undefined;
    if (user === undefined) {
      this.#tell(
        4009,
        "Cannot sign in: expected user_data with an id, and auth of this app for it",
      );
      return this.session.end(DISCONNECTS.forbidden);
    }
    if (this.#user !== undefined && this.#user.userId !== user.userId) {
      return this.#tell(null, "Cannot sign in as another user: connect anew");
    }
    this.#user = user;
    app.signIn(user.userId, this.session);
    this.session.write(codec.encodeSignedIn(userData));
  }

  #sendToOthers(command: ClientEvent): void {
    const { app } = this.#context;
    const { channel, data = "" } = command;
    const { isSigned, isEncrypted } = kindOf(channel);
    const fault = !app.settings.clientEvents
      ? "the app does not allow it"
      : !isSigned || isEncrypted || !this.#channels.has(channel)
      ? "it takes a private or presence channel that you are on"
      : dataBytes(data) > DATA_BYTES_MAX
      ? `data has at most ${DATA_BYTES_MAX} bytes`
      : !this.#mayWhisper()
      ? `at most ${CLIENT_EVENTS_PER_SECOND_MAX} a second`
      : undefined;
    if (fault !== undefined) return this.#tell(4301, `Cannot send this to other clients: ${fault}`);
    const name = app.names.toHark(channel);
    const userId = this.#members?.get(name)?.userId;
    app.relay(name, codec.encodeClientEvent(command, userId), this.session);
    app.webhooks?.send({
      name: "client_event",
      channel,
      event: command.event,
      data,
      socket_id: this.#socketId,
      ...(userId === undefined ? {} : { user_id: userId }),
    });
  }

  #mayWhisper(): boolean {
    const now = this.#context.clock.monotonic();
    this.#clientEvents ??= new TokenBucket(CLIENT_EVENTS_PER_SECOND_MAX, now);
    return this.#clientEvents.take(now);
  }

  #tell(code: number | null, message: string): void {
    this.session.write(codec.encodeError(code, message));
  }
}

/** Unique, and not to be guessed: `auth` of another connection never counts here. */
function makeSocketId(): string {
  const [first, second] = crypto.getRandomValues(new BigUint64Array(2));
  return `${first}.${second}`;
}
