import { parsePosition, type Position } from "../../core/publication.ts";
import { randomId } from "../../core/random.ts";
import type { Handshake } from "./server.ts";

/** Where a client that comes back was before. */
export interface Recovery {
  readonly pid: string;
  /** Its socket's id, which stays what it was. */
  readonly id: string;
  readonly since: Position;
  /** What it was subscribed to; undefined if that is not known any more. */
  readonly channels: readonly string[] | undefined;
}

/** A session's own map of what it is subscribed to. */
type Subscriptions = ReadonlyMap<string, unknown>;

/**
 * What clients were subscribed to, for when they come back with the `pid` they were given (connection
 * state recovery). A pid is a secret, the position at which its session began, so that a client
 * can resume even before its first event, and the socket's id.
 */
export class Recoveries {
  readonly #subscriptionsMax: number;
  readonly #connected = new Map<string, Subscriptions>();
  /** Of clients that have left, the longest ago first. */
  readonly #gone = new Map<string, readonly string[]>();
  #goneWeight = 0;

  /**
   * @param subscriptionsMax subscriptions remembered of all the clients that have left; one that had
   * none counts as one
   */
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
    const names = [...subscriptions.keys()];
    this.#gone.set(pid, names);
    this.#goneWeight += weightOf(names);
    for (const oldest of this.#gone.keys()) {
      if (this.#goneWeight <= this.#subscriptionsMax) return;
      this.#forget(oldest);
    }
  }

  /** Undefined if the client is new, or what it gave is not ours. */
  read({ auth }: Pick<Handshake, "auth">): Recovery | undefined {
    const { pid, offset } = auth;
    if (typeof pid !== "string") return undefined;
    const [, begin = "", id = ""] = pid.split("~");
    try {
      const since = parsePosition(typeof offset === "string" ? offset : begin);
      const connected = this.#connected.get(pid);
      const channels = connected ? [...connected.keys()] : this.#gone.get(pid);
      return { pid, id, since, channels };
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  #forget(pid: string): void {
    const names = this.#gone.get(pid);
    if (names === undefined) return;
    this.#goneWeight -= weightOf(names);
    this.#gone.delete(pid);
  }
}

/** An entry takes room even if nothing is in it. */
function weightOf(names: readonly string[]): number {
  return Math.max(1, names.length);
}

/** A pid for a session that begins at `position`, of the socket `id`. */
export function newPid(position: string, id: string): string {
  return `${randomId()}~${position}~${id}`;
}
