import { ExponentialBackoff, jittered } from "../../core/backoff.ts";
import type { Clock, Timer } from "../../core/clock.ts";
import { ConnectionLost } from "./connection.ts";
import type { RedisLink } from "./link.ts";

/** What keeping a link needs. */
export interface LinkKeeperOptions {
  readonly clock: Clock;
  /** Makes a new link; rejects if that is not possible now. */
  readonly connect: () => Promise<RedisLink>;
  /** Reports whether another attempt to connect may succeed after this error. */
  readonly isPassing: (error: unknown) => boolean;
  /** Called when there is a link, and when it is lost. */
  readonly onChange: (isUp: boolean, why: string) => void;
  /** Called with an error that no other attempt can mend; there is no link after it. */
  readonly onGivenUp: (error: Error) => void;
}

/** Pauses between attempts to connect. */
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 2000;

/** Keeps a link to Redis: makes a new one, with pauses that grow, whenever one is lost. */
export class LinkKeeper {
  readonly #options: LinkKeeperOptions;
  #link: RedisLink | undefined;
  /** Resolves to the next link, or to undefined when there will be none. */
  #next = Promise.withResolvers<RedisLink | undefined>();
  readonly #backoff = new ExponentialBackoff(RECONNECT_MIN_MS, RECONNECT_MAX_MS);
  #pause: Timer | undefined;
  /** Grows whenever what was begun before does not count any more. */
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

  /** The same. Throws a `ConnectionLost` after `timeoutMs`. */
  async wait(timeoutMs: number): Promise<RedisLink> {
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = this.#options.clock.after(Math.max(0, timeoutMs), () => resolve(undefined));
    const link = await Promise.race([this.current(), late]);
    timer.cancel();
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

  /** Gives up a link that does not work, and makes another. Does nothing if that is done already. */
  drop(link: RedisLink, { message }: Error): void {
    if (this.#link !== link) return;
    this.#begin();
    this.#options.onChange(false, message);
    this.#backoff.reset();
    this.#reconnect(this.#round);
  }

  /** Makes no more links, and ends the one that is there. */
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
      if (!this.#options.isPassing(error)) return this.#options.onGivenUp(error as Error);
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
