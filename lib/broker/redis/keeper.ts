import { ExponentialBackoff, jittered } from "../../core/backoff.ts";
import { type Clock, type Timer, within } from "../../core/clock.ts";
import { ConnectionLost } from "./connection.ts";
import { isPassing } from "./errors.ts";
import type { RedisLink } from "./link.ts";
import { ReplyError } from "./resp.ts";

/** What `LinkKeeper` needs. */
export interface LinkKeeperOptions {
  readonly clock: Clock;
  /** Makes a new link; rejects if that is not possible now. */
  readonly connect: () => Promise<RedisLink>;
  /** Called when there is a link, and when it is lost. */
  readonly onChange: (isUp: boolean, why: string) => void;
  /** Called with an error after which no attempt can succeed: there will be no link any more. */
  readonly onGivenUp: (error: Error) => void;
}

/** Pauses between attempts to connect. */
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 2000;

/** Keeps a link to Redis: makes a new one, after pauses that grow, whenever one is lost. */
export class LinkKeeper {
  readonly #options: LinkKeeperOptions;
  #link: RedisLink | undefined;
  /** Resolves to the next link, or to undefined when there will be none. */
  #next = Promise.withResolvers<RedisLink | undefined>();
  readonly #backoff = new ExponentialBackoff(RECONNECT_MIN_MS, RECONNECT_MAX_MS);
  #pause: Timer | undefined;
  /** Grows whenever attempts that have begun do not count any more. */
  #round = 0;

  constructor(options: LinkKeeperOptions) {
    this.#options = options;
  }

  /** Undefined while Redis is away. */
  get link(): RedisLink | undefined {
    return this.#link;
  }

  /** The link that is there, or the next one; undefined once this is closed. */
  async current(): Promise<RedisLink | undefined> {
    return this.#link ?? await this.#next.promise;
  }

  /** The same. Throws a `ConnectionLost` if there is none within `timeoutMs`. */
  async wait(timeoutMs: number): Promise<RedisLink> {
    const link = await within(this.#options.clock, Math.max(0, timeoutMs), this.current());
    if (link !== undefined) return link;
    throw new ConnectionLost("Redis is away");
  }

  /** Makes a link in place of the one that is there. Rejects if that is not possible now. */
  async open(): Promise<RedisLink> {
    this.#begin();
    const round = this.#round;
    const link = await this.#options.connect();
    if (round === this.#round) return this.#use(link);
    link.close();
    throw new ConnectionLost("the server is stopping");
  }

  /** Closes a link that does not work, and makes another. Does nothing if that is done already. */
  drop(link: RedisLink, { message }: Error): void {
    if (this.#link !== link) return;
    this.#begin();
    this.#options.onChange(false, message);
    this.#backoff.reset();
    this.#reconnect(this.#round);
  }

  /**
   * Drops a link on which a command failed, unless Redis refused the command alone, as it does without
   * enough replicas or memory. Throws any error that is not of Redis.
   */
  failed(link: RedisLink, error: unknown): void {
    if (isPassing(error)) this.drop(link, error);
    else if (!(error instanceof ReplyError)) throw error;
  }

  /** Closes the link that is there, and makes no more. */
  close(): void {
    this.#begin();
    this.#next.resolve(undefined);
  }

  /** Ends what is there or under way. */
  #begin(): void {
    this.#round++;
    this.#pause?.cancel();
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }

  async #reconnect(round: number): Promise<void> {
    try {
      const link = await this.#options.connect();
      if (round !== this.#round) return link.close();
      this.#use(link);
      this.#options.onChange(true, "");
    } catch (error) {
      if (round !== this.#round) return;
      if (!isPassing(error)) return this.#options.onGivenUp(error as Error);
      const pauseMs = jittered(this.#backoff.next());
      this.#pause = this.#options.clock.after(pauseMs, () => this.#reconnect(round));
    }
  }

  #use(link: RedisLink): RedisLink {
    this.#link = link;
    for (const { ended } of [link.commands, link.reader]) {
      ended.then((reason) => this.drop(link, reason));
    }
    this.#next.resolve(link);
    this.#next = Promise.withResolvers();
    return link;
  }
}
