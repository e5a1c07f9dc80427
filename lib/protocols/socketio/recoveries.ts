import { parsePosition, type Position } from "../../core/publication.ts";
import { randomId } from "../../core/random.ts";
import type { Handshake } from "./server.ts";

/** Where a client that comes back was before. */
export interface Recovery {
  readonly pid: string;
  readonly since: Position;
  /** What it was subscribed to; undefined if that is not known any more. */
  readonly channels: readonly string[] | undefined;
}

/** A session's own map of what it is subscribed to. */
type Subscriptions = ReadonlyMap<string, unknown>;

/**
 * What clients were subscribed to, for when they come back with the `pid` they were given (connection
 * state recovery). A pid is a secret and the position at which its session began, so that a client
 * can resume even before its first event.
 */
export class Recoveries {
  readonly #subscriptionsMax: number;
  readonly #connected = new Map<string, Subscriptions>();
  /** Of clients that have left, the longest ago first. */
  readonly #gone = new Map<string, readonly string[]>();
  #goneSubscriptions = 0;

  /** @param subscriptionsMax subscriptions remembered of all the clients that have left */
  constructor(subscriptionsMax: number) {
    this.#subscriptionsMax = subscriptionsMax;
  }

  /** A client is in; what its session subscribes to later is remembered too. */
  remember(pid: string, subscriptions: Subscriptions): void {
    this.#forget(pid);
    this.#connected.set(pid, subscriptions);
  }

  /** The session that has these subscriptions is over. */
  left(pid: string, subscriptions: Subscriptions): void {
    // The client may be back already, in another session.
    if (this.#connected.get(pid) !== subscriptions) return;
    this.#connected.delete(pid);
    this.#gone.set(pid, [...subscriptions.keys()]);
    this.#goneSubscriptions += subscriptions.size;
    for (const oldest of this.#gone.keys()) {
      if (this.#goneSubscriptions <= this.#subscriptionsMax) return;
      this.#forget(oldest);
    }
  }

  /** Undefined if the client is new, or what it gave is not ours. */
  read({ auth }: Pick<Handshake, "auth">): Recovery | undefined {
    const { pid, offset } = auth;
    if (typeof pid !== "string") return undefined;
    try {
      const since = parsePosition(typeof offset === "string" ? offset : pid.split("~")[1] ?? "");
      const connected = this.#connected.get(pid);
      return { pid, since, channels: connected ? [...connected.keys()] : this.#gone.get(pid) };
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  #forget(pid: string): void {
    this.#goneSubscriptions -= this.#gone.get(pid)?.length ?? 0;
    this.#gone.delete(pid);
  }
}

/** A pid for a session that begins at `position`. */
export function newPid(position: string): string {
  return `${randomId()}~${position}`;
}
