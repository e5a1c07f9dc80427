import type { Clock } from "../../core/clock.ts";
import { parsePosition, type Position } from "../../core/publication.ts";
import { randomId } from "../../core/random.ts";
import type { JsonObject } from "../../core/json.ts";
import { type RecordCopies, RecordTable, type RecoveryRecord } from "./records.ts";

/** The state of a client that comes back. */
export interface Recovery {
  readonly since: Position;
  /** Undefined if it is forgotten, or is that of another user. */
  readonly record: RecoveryRecord | undefined;
}

/** A connected client, with the subscriptions of its session, which change. */
export interface ConnectedClient extends Pick<RecoveryRecord, "pid" | "id" | "user"> {
  readonly subscriptions: ReadonlyMap<string, unknown>;
}

type KnownClient = ConnectedClient & Pick<RecoveryRecord, "comebacks">;

/** The needs and bounds of `Recoveries`. */
export interface RecoveryOptions {
  readonly clock: Clock;
  /**
   * Subscriptions that are remembered of all clients that have left, and as many of the clients of other
   * nodes. A client without any counts as one.
   */
  readonly subscriptionsMax: number;
  readonly copies: readonly RecordCopies[];
}

/**
 * The subscriptions of clients, for connection state recovery: a client that comes back shows the `pid`
 * that it was given, to this process or to one that has a copy. A pid is a secret. It ends in the position
 * at which its session began: so a client can resume even before its first event.
 */
export class Recoveries {
  readonly #clock: Clock;
  readonly #copies: readonly RecordCopies[];
  readonly #connected = new Map<string, KnownClient>();
  /** Records of clients that have left. */
  readonly #gone: RecordTable;
  /** Records of clients that were last on another node. */
  readonly #remote: RecordTable;
  /** Pids of records that have changed or were evicted in this turn. */
  readonly #changed = new Set<string>();
  /** Resolves once the changes of this turn are copied; undefined if there are none. */
  #copied: Promise<void> | undefined;

  constructor({ clock, subscriptionsMax, copies }: RecoveryOptions) {
    this.#clock = clock;
    this.#copies = copies;
    this.#gone = new RecordTable(subscriptionsMax, (pid) => this.#copy(pid));
    this.#remote = new RecordTable(subscriptionsMax);
  }

  /** A client is connected. Its later subscriptions are remembered too: see `changed()`. */
  remember(client: ConnectedClient): void {
    const { pid } = client;
    const before = this.#find(pid);
    this.#gone.delete(pid);
    this.#remote.delete(pid);
    this.#connected.set(pid, { ...client, comebacks: (before?.comebacks ?? -1) + 1 });
    this.changed(pid);
  }

  /** The subscriptions of a connected client have changed. Resolves once that is copied, if it is. */
  changed(pid: string): Promise<void> | undefined {
    return this.#connected.has(pid) ? this.#copy(pid) : undefined;
  }

  /** The session that has these subscriptions is over. */
  left(pid: string, subscriptions: ConnectedClient["subscriptions"]): void {
    const client = this.#connected.get(pid);
    // The client may be back in another session.
    if (client?.subscriptions !== subscriptions) return;
    this.#connected.delete(pid);
    this.#gone.put(recordOf(client));
  }

  /** All records of this node: of clients that have left, and of connected ones. */
  *records(): Iterable<RecoveryRecord> {
    yield* this.#gone.values();
    for (const client of this.#connected.values()) yield recordOf(client);
  }

  /** Takes a record from before a restart. */
  restore(record: RecoveryRecord): void {
    this.#gone.put(record);
  }

  /** Takes a record of another node: its client is there, unless what is known here is newer. */
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

  /** Copies a record at the end of the turn. Resolves once it is copied; undefined if there are no copies. */
  #copy(pid: string): Promise<void> | undefined {
    if (!this.#copies.some(({ isNeeded }) => isNeeded)) return undefined;
    this.#changed.add(pid);
    return this.#copied ??= new Promise((resolve) => {
      this.#clock.afterTurn(() => resolve(this.#copyChanged()));
    });
  }

  async #copyChanged(): Promise<void> {
    const records: RecoveryRecord[] = [];
    const forgotten: string[] = [];
    for (const pid of this.#changed) {
      const record = this.#find(pid);
      if (record === undefined) forgotten.push(pid);
      else records.push(record);
    }
    this.#changed.clear();
    this.#copied = undefined;
    const needed = this.#copies.filter(({ isNeeded }) => isNeeded);
    await Promise.all(needed.map((copies) => copies.update(records, forgotten)));
  }
}

function recordOf({ subscriptions, ...client }: KnownClient): RecoveryRecord {
  return { ...client, channels: [...subscriptions.keys()] };
}

/** Makes a pid for a session that begins at `position`. */
export function newPid(position: string): string {
  return `${randomId()}~${position}`;
}
