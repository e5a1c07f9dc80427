import type { Clock } from "../../core/clock.ts";
import { because, type Disconnect, DISCONNECTS } from "../../core/errors.ts";
import type { Grant } from "../../core/grant.ts";
import { dataBytes, formatPosition, type Position } from "../../core/publication.ts";
import { TokenBucket } from "../../core/rate_limiter.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Replayed } from "../../hub/replay.ts";
import type { Session } from "../../hub/session.ts";
import type { Message, Socket, SocketHandler } from "../websocket/socket.ts";
import type { App } from "./app.ts";
import {
  asSubscriptionError,
  authorize,
  readMember,
  readName,
  SubscriptionError,
} from "./authorization.ts";
import * as codec from "./codec.ts";
import {
  type ClientEvent,
  type Command,
  CommandError,
  type Member,
  type Subscribe,
} from "./codec.ts";
import { kindOf } from "./names.ts";
import { ACTIVITY_TIMEOUT_S, type Silence } from "./silence.ts";
import { PusherTransport } from "./transport.ts";

/** What all clients of an app share. */
export interface ClientContext {
  readonly app: App;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly silence: Silence;
  /** Commands that wait at a time, such as those behind a replay that the client does not read. */
  readonly waitingMax: number;
}

/** Events a second that one client may send to others. */
export const CLIENT_EVENTS_PER_SECOND_MAX = 10;

/** A connected Pusher client: its subscriptions, and the user that it has signed in as. */
export class PusherClient implements SocketHandler {
  readonly #context: ClientContext;
  /** What everyone may do. */
  readonly #grant: Grant;
  readonly #session: Session;
  readonly #socketId = makeSocketId();
  /** Its socket id, and those of its connections before. */
  readonly #socketIds: Set<string> = new Set([this.#socketId]);
  /** By Pusher's names; on presence channels with the member that it is. */
  readonly #channels = new Map<string, Member | undefined>();
  #clientEvents: TokenBucket | undefined;
  #user: Member | undefined;
  #waiting = 0;
  /** Resolves once the last command is carried out: one follows the other. */
  #done: Promise<void> = Promise.resolve();

  /** Opens a session, and sends the socket id. */
  constructor(socket: Socket, grant: Grant, context: ClientContext) {
    const { app, hub, silence } = this.#context = context;
    this.#grant = grant;
    const peer = {
      address: socket.connection.address,
      socketIds: this.#socketIds,
      userOn: (name: string) => this.#channels.get(app.names.toWire(name))?.userId,
    };
    this.#session = hub.open(new PusherTransport(socket, app.encoder, this), peer, []);
    this.#session.write(codec.encodeEstablished(this.#socketId, ACTIVITY_TIMEOUT_S));
    silence.heard(this.#session);
  }

  /** Takes one frame. A client that sends a wrong one gets an error, and stays connected. */
  receiveFrame(_socket: Socket, frame: Message): void {
    this.#context.silence.heard(this.#session);
    if (typeof frame !== "string") {
      return this.#session.end(because(DISCONNECTS.protocol, "expected a text frame"));
    }
    let command: Command;
    try {
      command = codec.decodeCommand(frame);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return this.#sendError(null, error.message);
    }
    if (command.type !== "pong") this.#queue(command);
  }

  socketFault(_socket: Socket, reason: Disconnect): void {
    this.#session.end(reason);
  }

  socketClosed(_socket: Socket, why: string): void {
    this.#session.lost(why);
    this.leave();
  }

  /** The session is over: leaves every channel once all earlier commands are carried out. Idempotent. */
  leave(): void {
    const { app, silence } = this.#context;
    silence.left(this.#session);
    this.#done = this.#done.then(() => {
      for (const channel of [...this.#channels.keys()]) this.#left(channel);
      if (this.#user !== undefined) app.signOut(this.#user.userId, this.#session);
      this.#user = undefined;
    });
  }

  #queue(command: Command): void {
    const { waitingMax } = this.#context;
    if (this.#waiting >= waitingMax) {
      return this.#sendError(null, `Cannot take more than ${waitingMax} messages at a time`);
    }
    this.#waiting++;
    this.#done = this.#done.then(async () => {
      if (!this.#session.ended) await this.#carryOut(command);
    }).catch((error) => this.#session.fail(error)).finally(() => this.#waiting--);
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
        return void this.#session.write(codec.PONG);
    }
  }

  async #subscribe(command: Subscribe): Promise<void> {
    const { channel } = command;
    if (this.#channels.has(channel)) {
      return this.#sendError(null, `Cannot subscribe to ${channel}: it is subscribed to already`);
    }
    const { app } = this.#context;
    const subscriber = { app, grant: this.#grant, socketId: this.#socketId, user: this.#user };
    try {
      const name = readName(app, channel);
      const member = authorize(command, name, subscriber);
      const since = command.since ?? await this.#beforeNewest(channel, name);
      for (const id of command.socketIds) {
        if (this.#socketIds.size <= codec.SOCKET_IDS_MAX) this.#socketIds.add(id);
      }
      await this.#enter(command, name, member, since);
    } catch (error) {
      const { type, status, message } = asSubscriptionError(error);
      this.#session.write(codec.encodeSubscriptionError(channel, type, message, status));
    }
  }

  /** Where the replay of a cache channel begins; undefined for other channels, and if nothing is kept. */
  async #beforeNewest(channel: string, name: string): Promise<Position | undefined> {
    if (!kindOf(channel).isCache) return undefined;
    const newest = await this.#context.app.newest(name);
    return newest && { epoch: newest.epoch, offset: newest.offset - 1 };
  }

  /** Joins a presence channel before it waits: many may come at once, and there are few places. */
  async #enter(
    command: Subscribe,
    name: string,
    member: Member | undefined,
    since: Position | undefined,
  ): Promise<void> {
    const { app } = this.#context;
    if (member !== undefined && app.members.isFull(name, member.userId)) {
      throw new SubscriptionError("LimitReached", 4004, "Cannot subscribe: the channel is full");
    }
    this.#channels.set(command.channel, member);
    if (member !== undefined) app.join({ channel: name, member }, this.#session);
    let isSubscribed = false;
    const onSubscribed = (replayed: Replayed | undefined) => {
      isSubscribed = true;
      this.#subscribed(command, name, replayed);
    };
    try {
      await this.#session.subscribe([name], { since, onSubscribed });
    } finally {
      if (!isSubscribed) this.#part(command.channel, name);
    }
  }

  /** Answers in the same turn, before any message of the channel is written. */
  #subscribed({ channel, since }: Subscribe, name: string, replayed: Replayed | undefined): void {
    const { app, hub } = this.#context;
    const session = this.#session;
    const members = this.#channels.get(channel) && app.members.of(name);
    session.write(codec.encodeSubscribed(channel, replayed?.position ?? hub.positionId, members));
    if (since !== undefined && replayed?.recovered === false) {
      session.write(codec.encodeGap(channel, formatPosition(since)));
    }
    if (replayed === undefined && kindOf(channel).isCache) {
      session.write(codec.encodeCacheMiss(channel));
      app.webhooks?.send({ name: "cache_miss", channel });
    }
    app.occupy(name);
  }

  async #unsubscribe(channel: string): Promise<void> {
    if (!this.#channels.has(channel)) return;
    await this.#session.unsubscribe([this.#context.app.names.toHark(channel)]);
    this.#left(channel);
  }

  /** The session is not on a channel any more. */
  #left(channel: string): void {
    const { app } = this.#context;
    const name = app.names.toHark(channel);
    app.vacate(name);
    this.#part(channel, name);
  }

  #part(channel: string, name: string): void {
    const member = this.#channels.get(channel);
    this.#channels.delete(channel);
    if (member !== undefined) this.#context.app.leave({ channel: name, member }, this.#session);
  }

  #signIn(auth: string, userData: string): void {
    const { app } = this.#context;
    const isRight = app.isSigned(auth, `${this.#socketId}::user::${userData}`);
    const user = isRight ? readMember(userData, "id") : undefined;
    if (user === undefined) {
      this.#sendError(
        4009,
        "Cannot sign in: expected user_data with an id, and auth of this app for it",
      );
      return this.#session.end(DISCONNECTS.forbidden);
    }
    if (this.#user !== undefined && this.#user.userId !== user.userId) {
      return this.#sendError(null, "Cannot sign in as another user: connect anew");
    }
    this.#user = user;
    app.signIn(user.userId, this.#session);
    this.#session.write(codec.encodeSignedIn(userData));
  }

  #sendToOthers(command: ClientEvent): void {
    const fault = this.#clientEventFault(command);
    if (fault !== undefined) {
      return this.#sendError(4301, `Cannot send this to other clients: ${fault}`);
    }
    const { app } = this.#context;
    const { channel, event, data = "" } = command;
    const userId = this.#channels.get(channel)?.userId;
    const frame = codec.encodeClientEvent(command, userId);
    app.relay(app.names.toHark(channel), frame, this.#session);
    app.webhooks?.send({
      name: "client_event",
      channel,
      event,
      data,
      socket_id: this.#socketId,
      ...(userId === undefined ? {} : { user_id: userId }),
    });
  }

  /** Why an event may not be sent to other clients; undefined if it may. */
  #clientEventFault({ channel, data = "" }: ClientEvent): string | undefined {
    const { isSigned, isEncrypted } = kindOf(channel);
    if (!this.#context.app.settings.clientEvents) return "the app does not allow it";
    if (!isSigned || isEncrypted || !this.#channels.has(channel)) {
      return "it takes a private or presence channel that you are on";
    }
    if (dataBytes(data) > codec.DATA_BYTES_MAX) {
      return `data has at most ${codec.DATA_BYTES_MAX} bytes`;
    }
    return this.#mayWhisper() ? undefined : `at most ${CLIENT_EVENTS_PER_SECOND_MAX} a second`;
  }

  #mayWhisper(): boolean {
    const now = this.#context.clock.monotonic();
    this.#clientEvents ??= new TokenBucket(CLIENT_EVENTS_PER_SECOND_MAX, now);
    return this.#clientEvents.take(now);
  }

  #sendError(code: number | null, message: string): void {
    this.#session.write(codec.encodeError(code, message));
  }
}

/** Unique, and nobody can guess it: the `auth` of one connection is of no use on another. */
function makeSocketId(): string {
  const [first, second] = crypto.getRandomValues(new BigUint64Array(2));
  return `${first}.${second}`;
}
