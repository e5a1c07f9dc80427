import type { Cluster } from "../../cluster/cluster.ts";
import type { StoredRecords } from "../../broker/journal.ts";
import type { Recoveries } from "./recoveries.ts";
import { readRecord, type RecordCopies, type RecoveryRecord, weightOf } from "./records.ts";

/** Subscriptions in one message, but for those of one client more. */
const SUBSCRIPTIONS_AT_ONCE = 2000;
/** The type of the messages. */
const RECOVERIES = "recoveries";

/** Copies of records at the other nodes, where a client may come next. */
export class PeerCopies implements RecordCopies {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Takes the records of other nodes, and sends those of this node to each new node. */
  start(recoveries: Recoveries): void {
    const cluster = this.#cluster;
    cluster.handle(RECOVERIES, (_, { records }) => {
      for (const record of readRecords(records)) recoveries.take(record);
    });
    cluster.onSync((node) => this.#tell([...recoveries.records()], node));
  }

  get isNeeded(): boolean {
    return !this.#cluster.isAlone;
  }

  /** Each node evicts by itself. */
  update(records: readonly RecoveryRecord[]): void {
    this.#tell(records);
  }

  #tell(records: readonly RecoveryRecord[], to?: string): void {
    for (const part of parts(records)) this.#cluster.tell({ type: RECOVERIES, to, records: part });
  }
}

/** Copies of records in the store, which outlives a restart. */
export class StoredCopies implements RecordCopies {
  readonly isNeeded = true;
  readonly #table: StoredRecords;

  constructor(table: StoredRecords) {
    this.#table = table;
  }

  /** Restores the records of an earlier run. */
  start(recoveries: Recoveries): void {
    for (const text of this.#table.read()) {
      for (const record of readRecords([JSON.parse(text)])) recoveries.restore(record);
    }
  }

  async update(records: readonly RecoveryRecord[], forgotten: readonly string[]): Promise<void> {
    const changes = new Map<string, string | undefined>();
    for (const pid of forgotten) changes.set(pid, undefined);
    for (const record of records) changes.set(record.pid, JSON.stringify(record));
    await this.#table.change(changes);
  }
}

function* parts(records: readonly RecoveryRecord[]): Iterable<RecoveryRecord[]> {
  let part: RecoveryRecord[] = [];
  let weight = 0;
  for (const record of records) {
    part.push(record);
    weight += weightOf(record);
    if (weight < SUBSCRIPTIONS_AT_ONCE) continue;
    yield part;
    part = [];
    weight = 0;
  }
  if (part.length > 0) yield part;
}

function readRecords(values: unknown): RecoveryRecord[] {
  if (!Array.isArray(values)) return [];
  return values.map(readRecord).filter((record) => record !== undefined);
}
