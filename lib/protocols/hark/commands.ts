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
import { peerOf } from "../../hub/peer.ts";
import type { Session } from "../../hub/session.ts";
import { WaitingCommands } from "../../hub/waiting.ts";

/** What carrying out commands needs. */
export interface CommandsOptions {
  readonly clock: Clock;
  readonly hub: Hub;
  readonly session: Session;
  readonly publisher: Publisher;
  readonly view: Pick<ClusterView, "present">;
  /** Entries in one answer about presence. */
  readonly presenceMax: number;
  /** Commands that may wait. */
  readonly waitingMax: number;
  /** What the client may do at first. */
  readonly grant: Grant;
  /** What the bearer of a token may do; throws a `Refusal` if it does not count. */
  readonly readToken: (token: string) => Promise<Grant>;
  /** Called for each command that is refused. */
  readonly onRefused: (type: RefusalType, why: string) => void;
}

/** Carries out the commands of one `hark.v1` client and replies to each. */
export class Commands {
  readonly #options: CommandsOptions;
  readonly #waiting: WaitingCommands;
  #grant: Grant;
  /** Resolves when the last token has been read: tokens count in the order in which they come. */
  #renewed: Promise<unknown> = Promise.resolve();

  constructor(options: CommandsOptions) {
    this.#options = options;
    this.#waiting = new WaitingCommands(options.waitingMax);
    this.#grant = options.grant;
  }

  /** Carries out one frame. A client gets an error for a wrong one, and stays connected. */
  receive(message: string | Uint8Array): void {
    const { session } = this.#options;
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
    const { session, onRefused } = this.#options;
    onRefused(type, why);
    session.write(encodeError(ref, type, why));
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
    const { session, hub } = this.#options;
    const { channels, since } = command;
    readInput(() => channels.forEach(checkSubscription));
    const grant = this.#liveGrant();
    grant.checkReceive(channels);
    const presence = command.presence ? channels.filter((name) => grant.mayWatch(name)) : [];
    const replayed = await session.subscribe(channels, { since, presence });
    return { position: hub.positionId, ...replayed };
  }

  async #unsubscribe(channels: readonly string[]): Promise<JsonObject> {
    const { session, hub } = this.#options;
    readInput(() => channels.forEach(checkSubscription));
    hub.subscribers.checkCount(channels);
    await session.unsubscribe(channels);
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
    const { hub, session } = this.#options;
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
    const { session, readToken } = this.#options;
    const grant = await readToken(token);
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
