import { type Command, CommandError, decodeCommand, encodeError, encodeOk } from "./codec.ts";
import { checkChannel, checkSubscription } from "../../core/channel.ts";
import type { Clock } from "../../core/clock.ts";
import { DISCONNECTS, readInput, Refusal, type RefusalType } from "../../core/errors.ts";
import type { Grant } from "../../core/grant.ts";
import type { JsonObject } from "../../core/json.ts";
import { formatPosition } from "../../core/publication.ts";
import type { ClusterView } from "../../cluster/view.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Publisher } from "../../broker/publisher.ts";
import type { Access } from "../../http/access.ts";
import type { Connections } from "../../hub/connections.ts";
import { peerOf } from "../../hub/peer.ts";
import type { Session } from "../../hub/session.ts";
import { WaitingCommands } from "../../hub/waiting.ts";

/** What carrying out commands needs, the same for all clients. */
export interface CommandsOptions {
  readonly clock: Clock;
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly view: Pick<ClusterView, "present">;
  readonly access: Pick<Access, "readToken">;
  readonly connections: Pick<Connections, "refused">;
  /** Entries in one answer about presence. */
  readonly presenceMax: number;
  /** Commands of a client that may wait at a time. */
  readonly waitingMax: number;
}

/** Carries out the commands of one `hark.v1` client and replies to each. */
export class Commands {
  readonly #options: CommandsOptions;
  readonly #session: Session;
  readonly #waiting: WaitingCommands;
  #grant: Grant;
  /** Resolves when the last token has been read: tokens count in the order in which they come. */
  #renewed: Promise<unknown> = Promise.resolve();

  /** `grant` is what the client may do at first. */
  constructor(options: CommandsOptions, session: Session, grant: Grant) {
    this.#options = options;
    this.#session = session;
    this.#waiting = new WaitingCommands(options.waitingMax);
    this.#grant = grant;
  }

  /** Carries out one frame. A client gets an error for a wrong one, and stays connected. */
  receive(message: string | Uint8Array): void {
    const session = this.#session;
    if (typeof message !== "string") {
      session.end({ ...DISCONNECTS.protocol, reason: "protocol error: expected a text frame" });
      return;
    }
    let command: Command;
    try {
      command = decodeCommand(message, this.#options.clock.now());
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#refuse(error.ref, "bad-request", error.message);
      return;
    }
    this.#waiting.run(() => this.#carryOut(command)).then(
      (fields) => session.write(encodeOk(command.ref, fields)),
      (error) => {
        if (error instanceof Refusal) this.#refuse(command.ref, error.type, error.message);
        else session.fail(error);
      },
    );
  }

  #refuse(ref: Command["ref"], type: RefusalType, why: string): void {
    this.#options.connections.refused(type, why, this.#session.peer.address);
    this.#session.write(encodeError(ref, type, why));
  }

  #carryOut(command: Command): Promise<JsonObject> {
    switch (command.type) {
      case "subscribe":
        return this.#subscribe(command);
      case "unsubscribe":
        return this.#unsubscribe(command.channels);
      case "publish":
        return this.#publish(command);
      case "presence":
        return this.#presence(command.channel);
      case "refresh":
        return this.#refresh(command.token);
    }
  }

  async #subscribe(command: Command & { type: "subscribe" }): Promise<JsonObject> {
    const { channels, since } = command;
    readInput(() => channels.forEach(checkSubscription));
    const grant = this.#liveGrant();
    grant.checkReceive(channels);
    const presence = command.presence ? channels.filter((name) => grant.mayWatch(name)) : [];
    const replayed = await this.#session.subscribe(channels, { since, presence });
    return { position: this.#options.hub.positionId, ...replayed };
  }

  async #unsubscribe(channels: readonly string[]): Promise<JsonObject> {
    readInput(() => channels.forEach(checkSubscription));
    this.#options.hub.subscribers.checkCount(channels);
    await this.#session.unsubscribe(channels);
    return {};
  }

  async #publish({ draft }: Command & { type: "publish" }) {
    const grant = this.#liveGrant();
    grant.checkPublish(draft.channel);
    const receipt = await this.#options.publisher.publish([draft], grant);
    return { id: formatPosition(receipt), time: receipt.time };
  }

  async #presence(channel: string): Promise<JsonObject> {
    const { view, presenceMax } = this.#options;
    readInput(() => checkChannel(channel));
    const grant = this.#liveGrant();
    grant.checkReceive([channel]);
    const present = view.present(channel, grant.mayWatch(channel) ? presenceMax : 0);
    return { ...present instanceof Promise ? await present : present };
  }

  /** What the client may do now. Throws a `Refusal` if its token has expired. */
  #liveGrant(): Grant {
    this.#grant.checkExpiry(this.#options.clock.now());
    return this.#grant;
  }

  async #refresh(token: string): Promise<JsonObject> {
    const { hub } = this.#options;
    const session = this.#session;
    const renewed = this.#renewed.then(() => this.#renew(token));
    this.#renewed = renewed.catch(() => {}); // The error goes to whoever sent the token.
    await renewed;
    const retainPresence = () => {
      for (const name of session.subscriptions.keys()) {
        if (!this.#grant.mayWatch(name)) hub.presence.unwatch(name, session);
      }
    };
    retainPresence();
    const removed = await session.retain((subscription) => this.#grant.mayReceive(subscription));
    // Earlier subscriptions may have waited for a replay, and watch only now.
    retainPresence();
    return { expiresInMs: session.expiresInMs, removed: removed.length > 0 ? removed : undefined };
  }

  /** Replaces the grant of the old token by that of a new one. */
  async #renew(token: string): Promise<void> {
    const session = this.#session;
    const grant = await this.#options.access.readToken(token, session.peer.address);
    if (grant.user !== session.peer.user) {
      throw new Refusal(
        "forbidden",
        "Cannot refresh with the token of another user: connect again",
      );
    }
    this.#grant = grant;
    session.peer = peerOf(session.peer.address, grant);
  }
}
