import type { Clock } from "../../core/clock.ts";
import { parsePosition, type Position } from "../../core/publication.ts";
import { randomId } from "../../core/random.ts";
import type { JsonObject } from "./codec.ts";
import { type RecordCopies, RecordTable, type RecoveryRecord } from "./records.ts";

/** Where a client that comes back was before. */
export interface Recovery {
  readonly since: Position;
  /** Undefined if nothing is known of it any more, or it was somebody else. */
  readonly record: RecoveryRecord | undefined;
}

/** A client that is connected: its record, with a session's own map of what it is subscribed to. */
export interface Connected extends Omit<RecoveryRecord, "channels" | "comebacks"> {
  readonly subscriptions: ReadonlyMap<string, unknown>;
}

type Present = Connected & Pick<RecoveryRecord, "comebacks">;

/** What `Recoveries` needs, and the bounds it keeps. */
export interface RecoveryOptions {
  readonly clock: Pick<Clock, "afterTurn">;
  /**
   * Subscriptions remembered of all clients that have left, and as many of the clients of other nodes;
   * a client that had none counts as one.
   */
  readonly subscriptionsMax: number;
  readonly copies?: readonly RecordCopies[];
}

/**
 * What clients were subscribed to, for when they come back with the `pid` they were given (connection
 * state recovery), to this process, or to one that has a copy. A pid is a secret, and the position
 * at which its session began, so that a client can resume even before its first event.
 */
export class Recoveries {
  readonly #clock: RecoveryOptions["clock"];
  readonly #copies: readonly RecordCopies[];
  readonly #connected = new Map<string, Present>();
  /** Of clients that have left. */
  readonly #gone: RecordTable;
  /** Of clients that were last at another node. */
  readonly #remote: RecordTable;
  /** What the copies are told at the end of the turn. */
  readonly #changed = new Set<string>();
  readonly #forgotten = new Set<string>();
  /** Resolves once what is told at the end of the turn is copied; undefined if there is nothing to tell. */
  #flushed: Promise<void> | undefined;

  constructor(options: RecoveryOptions) {
    const { clock, subscriptionsMax, copies = [] } = options;
    this.#clock = clock;
    this.#copies = copies;
    this.#gone = new RecordTable(subscriptionsMax, (pid) => this.#spread(this.#forgotten, pid));
    this.#remote = new RecordTable(subscriptionsMax);
  }

  /** A client is in. What its session subscribes to later is remembered too: see `changed()`. */
  remember(client: Connected): void {
    const { pid } = client;
    const before = this.#find(pid);
    this.#gone.delete(pid);
    this.#remote.delete(pid);
    this.#connected.set(pid, { ...client, comebacks: (before?.comebacks ?? -1) + 1 });
    this.changed(pid);
  }

  /** The subscriptions of a client that is in have changed. Resolves once that is copied, if it is. */
  changed(pid: string): Promise<void> | undefined {
    return this.#connected.has(pid) ? this.#spread(this.#changed, pid) : undefined;
  }

  /** The session that has these subscriptions is over. */
  left(pid: string, subscriptions: Connected["subscriptions"]): void {
    const client = this.#connected.get(pid);
    // The client may be back already, in another session.
    if (client?.subscriptions !== subscriptions) return;
    this.#connected.delete(pid);
    this.#gone.put(recordOf(client));
  }

  /** The records of this node, of clients that have left and of those that are connected. */
  *records(): Iterable<RecoveryRecord> {
    yield* this.#gone.values();
    for (const client of this.#connected.values()) yield recordOf(client);
  }

  /** Takes a record of a client that was here before a restart. */
  restore(record: RecoveryRecord): void {
    this.#gone.put(record);
  }

  /** Takes a record of another node, where its client is now unless it has moved on meanwhile. */
  take(record: RecoveryRecord): void {
    const known = this.#find(record.pid);
    if (known !== undefined && known.comebacks > record.comebacks) return;
    this.#connected.delete(record.pid);
    this.#gone.delete(record.pid);
    this.#remote.put(record);
  }

  /** Reads what a client of this user gave as `auth`; undefined if it is new, or that is not ours. */
  read({ pid, offset }: JsonObject, user: string | undefined): Recovery | undefined {
    if (typeof pid !== "string") return undefined;
    const [, begin = ""] = pid.split("~");
    try {
      const since = parsePosition(typeof offset === "string" ? offset : begin);
      const record = this.#find(pid);
      return { since, record: record?.user === user ? record : undefined };
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  #find(pid: string): RecoveryRecord | undefined {
    const client = this.#connected.get(pid);
    return client ? recordOf(client) : this.#gone.get(pid) ?? this.#remote.get(pid);
  }

  #spread(pids: Set<string>, pid: string): Promise<void> | undefined {
    if (!this.#copies.some(({ isNeeded }) => isNeeded)) return undefined;
    pids.add(pid);
    return this.#flushed ??= new Promise((resolve) => {
      this.#clock.afterTurn(() => resolve(this.#flush()));
    });
  }

  async #flush(): Promise<void> {
    const records = Array.from(this.#changed, (pid) => this.#find(pid))
      .filter((record) => record !== undefined);
    const forgotten = [...this.#forgotten];
    this.#changed.clear();
    this.#forgotten.clear();
    this.#flushed = undefined;
    const needed = this.#copies.filter(({ isNeeded }) => isNeeded);
    await Promise.all(needed.map((copies) => copies.update(records, forgotten)));
  }
}

function recordOf({ subscriptions, ...client }: Present): RecoveryRecord {
  return { ...client, channels: [...subscriptions.keys()] };
}

/** A pid for a session that begins at `position`. */
export function newPid(position: string): string {
  return `${randomId()}~${position}`;
}
