import { isChannel } from "../../core/channel.ts";

/** What a channel's name says of it. */
export interface Kind {
  /** Subscriptions need a signature. */
  readonly isSigned: boolean;
  readonly isPresence: boolean;
  /** What is sent on it is secret to the server, too: clients send nothing to each other. */
  readonly isEncrypted: boolean;
  /** Whoever subscribes is sent the last publication. */
  readonly isCache: boolean;
}

/** What the channel of one user begins with. */
export const USER_CHANNEL = "#server-to-user-";

const NAME = /^(private-encrypted-|private-|presence-)?(cache-)?/;

/** The kind of a channel by the name that Pusher's clients know it by. */
export function kindOf(name: string): Kind {
  const [, prefix, cache] = NAME.exec(name)!;
  return {
    isSigned: prefix !== undefined,
    isPresence: prefix === "presence-",
    isEncrypted: prefix === "private-encrypted-",
    isCache: cache !== undefined,
  };
}

/** The channels of one app, between Pusher's names and Hark's. */
export class Names {
  readonly #prefix: string;
  readonly #others: readonly string[];

  /** `prefixes` are those of all apps; the first app has none. */
  constructor(prefix: string, prefixes: readonly string[]) {
    this.#prefix = prefix;
    this.#others = prefixes.filter((other) => other !== prefix && other !== "");
  }

  /** Hark's name of a channel. Throws a `TypeError` if there can be no such channel in this app. */
  toHark(name: string): string {
    const harkName = this.#prefix + name;
    const isUsers = !name.startsWith("#") || name.startsWith(USER_CHANNEL);
    if (isUsers && isChannel(harkName) && this.#isOwn(harkName)) return harkName;
    const shown = JSON.stringify(name.slice(0, 140));
    throw new TypeError(
      "Cannot use this as a channel: expected 1 to 200 of A-Z a-z 0-9 _ - = @ , . ; : with no # " +
        `but in ${USER_CHANNEL}ID, got ${shown}`,
    );
  }

  /** Reports whether one of Hark's channels is one of this app. */
  has(harkName: string): boolean {
    return harkName.startsWith(this.#prefix) && this.#isOwn(harkName);
  }

  /** The name by which clients know a channel of this app. */
  toWire(harkName: string): string {
    return harkName.slice(this.#prefix.length);
  }

  #isOwn(harkName: string): boolean {
    return this.#prefix !== "" || !this.#others.some((other) => harkName.startsWith(other));
  }
}
