import { isAbsolute } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Publication } from "../../core/publication.ts";
import { randomEpoch } from "../../core/random.ts";
import type { KeyedRequest } from "../idempotency.ts";
import { type Gap, GAPS_MAX, type Kept, type Logged, type Ordered } from "../journal.ts";
import type { Removal } from "./removal.ts";
import {
  ADDED_SCHEMA,
  type ChannelRow,
  decodeFields,
  decodeKey,
  encodeFields,
  encodeKey,
  type KeyRow,
  type LogRow,
  type PublicationRow,
  SCHEMA,
} from "./schema.ts";
import { checkIdentity, createPrivately, DAMAGED, StoreError, storeError } from "./store_file.ts";

export { StoreError } from "./store_file.ts";

/** How hard a commit is written: "full" syncs the disk each time, "normal" leaves it to the system. */
export type StoreSync = "normal" | "full";

/** A batch with its place in the log, and its key if it has one. */
export interface Appended extends Ordered {
  readonly once: KeyedRequest | undefined;
}

// With sync "normal" a crash of the whole machine may lose the last commits, and with them the
// knowledge of which offsets were given. If they were given again, a client that had got the lost
// ones would take new publications for those and skip them. So the log goes on this much further,
// which is many times what can be committed between two checkpoints: those are always synced.
const SKIPPED_OFFSETS = 1_000_000;

const WAL_BYTES_KEPT = 8 * 1024 * 1024;

/** The log in an SQLite file, which belongs to this process alone as long as it is open. */
export class Store {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #insertFields: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteFields: StatementSync;
  readonly #deleteKey: StatementSync;
  readonly #setLost: StatementSync;
  readonly #dropLost: StatementSync;
  readonly #setForgotten: StatementSync;
  readonly #putRecord: StatementSync;
  readonly #deleteRecord: StatementSync;
  /** Whether any publication may have optional fields. */
  #hasFields: boolean;

  /** Opens `file`, which is made if it is not there; throws a `StoreError` if it cannot be used. */
  static open(file: string, sync: StoreSync): { store: Store; kept: Kept } {
    let db: DatabaseSync | undefined;
    try {
      // A relative name gets its "./" so that ":memory:" and "file:…" are files too.
      const path = isAbsolute(file) ? file : `./${file}`;
      createPrivately(path);
      db = new DatabaseSync(path);
      prepareFile(db);
      beginRun(db);
      const store = new Store(db);
      const kept = store.read();
      db.exec(`PRAGMA synchronous = ${sync}`);
      return { store, kept };
    } catch (error) {
      db?.close();
      throw storeError(file, error);
    }
  }

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#insert = db.prepare("INSERT INTO publication VALUES (?, ?, ?, ?, ?)");
    this.#insertFields = db.prepare("INSERT INTO publication_fields VALUES (?, ?)");
    this.#insertKey = db.prepare("INSERT OR REPLACE INTO idempotency_key VALUES (?, ?, ?)");
    this.#delete = db.prepare("DELETE FROM publication WHERE offset = ?");
    this.#deleteFields = db.prepare("DELETE FROM publication_fields WHERE offset = ?");
    this.#deleteKey = db.prepare("DELETE FROM idempotency_key WHERE caller = ? AND key = ?");
    this.#setLost = db.prepare("INSERT OR REPLACE INTO channel VALUES (?, ?)");
    this.#dropLost = db.prepare("DELETE FROM channel WHERE name = ?");
    this.#setForgotten = db.prepare("UPDATE log SET forgotten_offset = max(forgotten_offset, ?)");
    this.#putRecord = db.prepare("INSERT OR REPLACE INTO record VALUES (?, ?)");
    this.#deleteRecord = db.prepare("DELETE FROM record WHERE key = ?");
    this.#hasFields = readNumber(db, "SELECT count(*) FROM publication_fields") > 0;
  }

  /** Reads all that is kept. */
  read(): Kept {
    const { epoch, start_offset, forgotten_offset: forgottenOffset, last_offset } = readLog(
      this.#db,
    );
    const offset = Math.max(start_offset, forgottenOffset, last_offset ?? 0);
    return { position: { epoch, offset }, forgottenOffset, ...readKept(this.#db, epoch) };
  }

  /** Commits batches; throws SQLite's error, with nothing changed, if it cannot. */
  add(batches: readonly Appended[]): void {
    inTransaction(this.#db, () => {
      for (const { entries, receipt, once } of batches) {
        for (const entry of entries) this.#add(entry);
        if (once === undefined) continue;
        this.#insertKey.run(once.caller, once.key, encodeKey({ request: once, receipt }));
      }
    });
  }

  /** Commits that something is gone; throws SQLite's error, with nothing changed, if it cannot. */
  remove({ offsets, lostOffsets, forgottenOffset, keys }: Removal): void {
    inTransaction(this.#db, () => {
      for (const offset of offsets) this.#delete.run(offset);
      if (this.#hasFields) { for (const offset of offsets) this.#deleteFields.run(offset); }
      for (const [channel, offset] of lostOffsets) {
        if (offset > 0) this.#setLost.run(channel, offset);
        else this.#dropLost.run(channel);
      }
      for (const { caller, key } of keys) this.#deleteKey.run(caller, key);
      this.#setForgotten.run(forgottenOffset);
    });
  }

  /** All records, the one that was put the longest ago first. */
  readRecords(): string[] {
    const rows = this.#db.prepare("SELECT text FROM record ORDER BY rowid").all();
    return rows.map(({ text }) => String(text));
  }

  /**
   * Commits changes of records: texts by key, undefined to delete one. If `isAnew` nothing that was there
   * before stays. Throws SQLite's error, with nothing changed, if it cannot.
   */
  changeRecords(changes: ReadonlyMap<string, string | undefined>, isAnew: boolean): void {
    inTransaction(this.#db, () => {
      if (isAnew) this.#db.exec("DELETE FROM record");
      for (const [key, text] of changes) {
        if (text === undefined) this.#deleteRecord.run(key);
        else this.#putRecord.run(key, text);
      }
    });
  }

  /** Closes the file, so that the next run knows that nothing is missing from it. */
  close(): void {
    try {
      this.#db.exec("UPDATE log SET closed = 1");
    } finally {
      this.#db.close();
    }
  }

  #add(entry: Logged): void {
    const { offset, channel, event, data, time } = entry.publication;
    this.#insert.run(offset, channel, event, data, time);
    const fields = encodeFields(entry);
    if (fields === undefined) return;
    this.#insertFields.run(offset, fields);
    this.#hasFields = true;
  }
}

/** Takes the lock, and makes sure that the file is a sound store, or empty and made into one. */
function prepareFile(db: DatabaseSync): void {
  db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  const isEmpty = readNumber(db, "SELECT count(*) FROM sqlite_schema") === 0;
  const id = readNumber(db, "PRAGMA application_id");
  checkIdentity(id, readNumber(db, "PRAGMA user_version"), isEmpty);
  if (isEmpty) {
    db.exec(SCHEMA);
    db.prepare("INSERT INTO log VALUES (?, 0, 0, 1)").run(randomEpoch());
  } else {
    const [row] = db.prepare("PRAGMA quick_check(1)").all();
    if (row?.["quick_check"] !== "ok") throw new StoreError(DAMAGED);
  }
  db.exec(`
    ${ADDED_SCHEMA}
    COMMIT;
    PRAGMA journal_mode = WAL;
    PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};
    PRAGMA synchronous = FULL;
  `);
}

function readLog(db: DatabaseSync): LogRow {
  const log = db.prepare("SELECT *, (SELECT max(offset) FROM publication) last_offset FROM log")
    .get();
  if (log === undefined) throw new StoreError(DAMAGED);
  return log as unknown as LogRow;
}

function readGaps(db: DatabaseSync): Gap[] {
  return db.prepare("SELECT after, until FROM gap ORDER BY after").all() as unknown as Gap[];
}

/** Notes that the log is in use before anything is published, and a gap if it was not closed. */
function beginRun(db: DatabaseSync): void {
  const log = readLog(db);
  let forgottenOffset = log.forgotten_offset;
  let offset = Math.max(log.start_offset, forgottenOffset, log.last_offset ?? 0);
  let gaps = readGaps(db);
  if (log.closed === 0) {
    gaps.push({ after: offset, until: offset + SKIPPED_OFFSETS });
    offset += SKIPPED_OFFSETS;
    // Whoever has been away for so many crashes learns that something may be missing.
    forgottenOffset = Math.max(forgottenOffset, gaps.at(-GAPS_MAX - 1)?.until ?? 0);
  }
  gaps = gaps.filter((gap) => gap.until > forgottenOffset);
  inTransaction(db, () => {
    db.exec("DELETE FROM gap");
    const insert = db.prepare("INSERT INTO gap VALUES (?, ?)");
    for (const gap of gaps) insert.run(gap.after, gap.until);
    db.prepare("UPDATE log SET closed = 0, start_offset = ?, forgotten_offset = ?")
      .run(offset, forgottenOffset);
  });
}

function readKept(db: DatabaseSync, epoch: string): Omit<Kept, "position" | "forgottenOffset"> {
  const rows = db.prepare(
    "SELECT publication.*, fields FROM publication LEFT JOIN publication_fields USING (offset) " +
      "ORDER BY offset",
  ).iterate();
  const publications = Array.from(rows as Iterable<PublicationRow>, (row) => {
    const { logged, draft } = decodeFields(row.fields);
    const position = { epoch, offset: row.offset };
    return { publication: new Publication(position, { ...row, ...draft }, row.time), ...logged };
  });
  const channels = db.prepare("SELECT name, lost_offset FROM channel").all();
  const lostOffsets = Array.from(
    channels as unknown as ChannelRow[],
    (row) => [row.name, row.lost_offset] as const,
  );
  const keyRows = db.prepare("SELECT * FROM idempotency_key").iterate() as Iterable<KeyRow>;
  const keys = Array.from(keyRows, (row) => decodeKey(row, epoch))
    .filter((key) => key !== undefined)
    .sort((a, b) => a.receipt.offset - b.receipt.offset);
  return { publications, lostOffsets, gaps: readGaps(db), keys };
}

function inTransaction(db: DatabaseSync, task: () => void): void {
  try {
    db.exec("BEGIN");
    task();
    db.exec("COMMIT");
  } catch (error) {
    // SQLite has rolled back by itself after some errors, a full disk among them.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function readNumber(db: DatabaseSync, query: string): number {
  return Number(Object.values(db.prepare(query).get() ?? {})[0]);
}
