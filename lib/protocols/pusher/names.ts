import { isChannel } from "../../core/channel.ts";

/** What a channel's name says of it. */
export interface Kind {
  /** Subscriptions need a signature. */
  readonly isSigned: boolean;
  readonly isPresence: boolean;
  /** The server cannot read what is sent on it. Clients may not send events to each other. */
  readonly isEncrypted: boolean;
  /** A client that subscribes gets the last publication. */
  readonly isCache: boolean;
}

/** The prefix of the channel of one user. */
export const USER_CHANNEL = "#server-to-user-";

const NAME = /^(private-encrypted-|private-|presence-)?(cache-)?/;

/** The kind of a channel, by Pusher's name of it. */
export function kindOf(name: string): Kind {
  const [, prefix, cache] = NAME.exec(name)!;
  return {
    isSigned: prefix !== undefined,
    isPresence: prefix === "presence-",
    isEncrypted: prefix === "private-encrypted-",
    isCache: cache !== undefined,
  };
}

/** Pusher's and Hark's names of the channels of one app. */
export class Names {
  readonly #prefix: string;
  readonly #others: readonly string[];

  /** `prefixes` are those of all apps; that of the first app is empty. */
  constructor(prefix: string, prefixes: readonly string[]) {
    this.#prefix = prefix;
    this.#others = prefixes.filter((other) => other !== prefix && other !== "");
  }

  /** Hark's name of a channel. Throws a `TypeError` if this app can have no channel of that name. */
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

  /** Reports whether a channel belongs to this app. */
  has(harkName: string): boolean {
    return harkName.startsWith(this.#prefix) && this.#isOwn(harkName);
  }

  /** Pusher's name of a channel of this app. */
  toWire(harkName: string): string {
    return harkName.slice(this.#prefix.length);
  }

  #isOwn(harkName: string): boolean {
    return this.#prefix !== "" || !this.#others.some((other) => harkName.startsWith(other));
  }
}
