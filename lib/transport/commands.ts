import { type Command, CommandError, decodeCommand, encodeError, encodeOk } from "../codec/hark.ts";
import { checkChannel } from "../core/channel.ts";
import { DISCONNECTS, readInput, Refusal, type RefusalType } from "../core/errors.ts";
import type { Hub } from "../core/hub.ts";
import type { Publisher } from "../core/publisher.ts";
import type { Session } from "../core/session.ts";

/** What a client's commands need. */
export interface CommandsOptions {
  readonly hub: Hub;
  readonly session: Session;
  readonly publisher: Publisher;
  /** Entries in one answer about presence. */
  readonly presenceMax: number;
  /** Who the client publishes as; throws a `Refusal` if it may not. */
  readonly authorize: () => string;
  /** Called for each command that is turned down. */
  readonly onRefused: (type: RefusalType, why: string) => void;
}

type Fields = Readonly<Record<string, unknown>>;

/** Carries out the commands of one `hark.v1` client and replies to each. */
export class Commands {
  readonly #options: CommandsOptions;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** Takes one frame. What is wrong with it is told to the client, which stays connected. */
  receive(message: string | Uint8Array): void {
    const { session, hub } = this.#options;
    if (typeof message !== "string") {
      session.end({ ...DISCONNECTS.protocol, reason: "protocol error: expected a text frame" });
      return;
    }
    let command: Command;
    try {
      command = decodeCommand(message);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#refuse(error.ref, "bad-request", error.message);
      return;
    }
    this.#carryOut(command).then(
      (fields) => session.write(encodeOk(command.ref, fields)),
      (error) => {
        if (error instanceof Refusal) this.#refuse(command.ref, error.type, error.message);
        else hub.failed(session, error);
      },
    );
  }

  #refuse(ref: Command["ref"], type: RefusalType, why: string): void {
    const { session, onRefused } = this.#options;
    onRefused(type, why);
    session.write(encodeError(ref, type, why));
  }

  #carryOut(command: Command): Promise<Fields> {
    switch (command.type) {
      case "subscribe":
        return this.#subscribe(command);
      case "unsubscribe":
        return this.#options.session.unsubscribe(command.channels).then(() => ({}));
      case "publish":
        return this.#publish(command);
      case "presence":
        return this.#presence(command.channel);
      case "refresh":
        return Promise.reject(new Refusal("unsupported", "This server takes no tokens"));
    }
  }

  async #subscribe(command: Command & { type: "subscribe" }): Promise<Fields> {
    const { session, hub } = this.#options;
    readInput(() => hub.checkSubscriptions(command.channels, session.subscriptions));
    const replayed = await session.subscribe(command.channels, command);
    return { position: hub.positionId, ...replayed };
  }

  async #publish({ draft }: Command & { type: "publish" }) {
    const { publisher, authorize } = this.#options;
    const [publication] = await publisher.publish([draft], authorize());
    return { id: publication!.id, time: publication!.time };
  }

  // deno-lint-ignore require-await -- a throw in here becomes a refusal like that of the others
  async #presence(channel: string) {
    const { hub, presenceMax } = this.#options;
    readInput(() => checkChannel(channel));
    return hub.present(channel, presenceMax);
  }
}
