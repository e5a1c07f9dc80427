/** What is known of a client that may come back. */
export interface RecoveryRecord {
  /** The secret that it shows. */
  readonly pid: string;
  /** Its socket's id, which stays what it was. */
  readonly id: string;
  /** Whoever it was, by its token. */
  readonly user: string | undefined;
  /** What it was subscribed to. */
  readonly channels: readonly string[];
  /** How often it has come back: of two records of one client the one with more is the newer. */
  readonly comebacks: number;
}

/** Where records are kept beside this process; what is kept there may be lost. */
export interface RecordCopies {
  /** False while nobody would take a copy. */
  readonly isNeeded: boolean;
  /**
   * Takes records that are new or have changed, and the pids of those that are not needed any more.
   * Resolves once they are kept or lost; MUST NOT reject.
   */
  update(records: readonly RecoveryRecord[], forgotten: readonly string[]): void | Promise<void>;
}

/** Reads a record that has travelled as JSON; undefined if it is none. */
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

/** Records by their pid, as many as there is room for: the oldest are evicted first. */
export class RecordTable {
  readonly #subscriptionsMax: number;
  readonly #onEvict: (pid: string) => void;
  readonly #records = new Map<string, RecoveryRecord>();
  #weight = 0;

  /** @param subscriptionsMax subscriptions of all of them; a record that has none counts as one */
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

/** What a record counts: an entry takes room even if nothing is in it. */
export function weightOf({ channels }: RecoveryRecord): number {
  return Math.max(1, channels.length);
}
