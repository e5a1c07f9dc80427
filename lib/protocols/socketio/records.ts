/** All that is remembered of a client that may come back. */
export interface RecoveryRecord {
  /** The secret by which it is found. */
  readonly pid: string;
  /** The id of its socket, which it keeps. */
  readonly id: string;
  /** The user in its token. */
  readonly user: string | undefined;
  /** Its subscriptions. */
  readonly channels: readonly string[];
  /** How often it has come back. Of two records of one client, the newer has more. */
  readonly comebacks: number;
}

/** A place for copies of records outside of this process. It may lose them. */
export interface RecordCopies {
  /** False while copies would be of no use. */
  readonly isNeeded: boolean;
  /**
   * Takes new and changed records, and the pids of forgotten ones. Resolves once they are kept or lost.
   * MUST NOT reject.
   */
  update(records: readonly RecoveryRecord[], forgotten: readonly string[]): void | Promise<void>;
}

/** Reads a record from JSON; undefined if it is none. */
export function readRecord(value: unknown): RecoveryRecord | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { pid, id, user, channels, comebacks } = value as Record<string, unknown>;
  if (typeof pid !== "string" || typeof id !== "string") return undefined;
  if (typeof comebacks !== "number") return undefined;
  if (user !== undefined && typeof user !== "string") return undefined;
  if (!Array.isArray(channels) || !channels.every((name) => typeof name === "string")) {
    return undefined;
  }
  return { pid, id, user, channels, comebacks };
}

/** Records by their pid. The oldest are evicted where there is no room. */
export class RecordTable {
  readonly #subscriptionsMax: number;
  readonly #onEvict: (pid: string) => void;
  readonly #records = new Map<string, RecoveryRecord>();
  #weight = 0;

  /** @param subscriptionsMax subscriptions of all records; a record without any counts as one */
  constructor(subscriptionsMax: number, onEvict: (pid: string) => void = () => {}) {
    this.#subscriptionsMax = subscriptionsMax;
    this.#onEvict = onEvict;
  }

  get(pid: string): RecoveryRecord | undefined {
    return this.#records.get(pid);
  }

  values(): Iterable<RecoveryRecord> {
    return this.#records.values();
  }

  /** Adds a record as the newest, in place of another of its pid. */
  put(record: RecoveryRecord): void {
    this.delete(record.pid);
    this.#records.set(record.pid, record);
    this.#weight += weightOf(record);
    for (const oldest of this.#records.keys()) {
      if (this.#weight <= this.#subscriptionsMax) return;
      this.delete(oldest);
      this.#onEvict(oldest);
    }
  }

  delete(pid: string): void {
    const record = this.#records.get(pid);
    if (record === undefined) return;
    this.#weight -= weightOf(record);
    this.#records.delete(pid);
  }
}

/** How much of the bound a record takes: an entry takes room even if it is empty. */
export function weightOf({ channels }: RecoveryRecord): number {
  return Math.max(1, channels.length);
}
