import { isAbsolute } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Publication } from "../../core/publication.ts";
import { randomEpoch } from "../../core/random.ts";
import { type KeyedRequest, nameOf } from "../idempotency.ts";
import { type Gap, GAPS_MAX, type Kept, type Logged, type Ordered } from "../journal.ts";
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
import { StoreError } from "../../core/errors.ts";
import { checkIdentity, createPrivately, DAMAGED, storeError } from "./store_file.ts";

/** When a commit is on the disk: "full" syncs each one, "normal" leaves that to the system. */
export type StoreSync = "normal" | "full";

// With sync "normal" a crash of the machine may lose the last commits, and with them the last
// offsets. If these were given again, a client that has seen the lost publications would skip the
// new ones. So after a crash the log goes on this much further: many times what can be committed
// between two checkpoints, which are synced.
const SKIPPED_OFFSETS = 1_000_000;

const WAL_BYTES_KEPT = 8 * 1024 * 1024;

/** What to delete from the file in one step. */
export class Removal {
  /** The offsets of publications. */
  readonly offsets: number[] = [];
  /** For each of their channels, the highest offset that is gone, or 0 if the channel is gone. */
  readonly lostOffsets: Map<string, number> = new Map();
  readonly #keys = new Map<string, KeyedRequest>();
  /** The highest offset of all channels that are gone; 0 if none is. */
  forgottenOffset = 0;

  /** The number of rows. */
  get size(): number {
    return this.offsets.length + this.#keys.size;
  }

  /** Adds a publication; `isLast` if its channel has no other. */
  addPublication({ offset, channel }: Publication, isLast: boolean): void {
    this.offsets.push(offset);
    this.lostOffsets.set(channel, isLast ? 0 : offset);
    if (isLast) this.forgottenOffset = Math.max(this.forgottenOffset, offset);
  }

  get keys(): Iterable<KeyedRequest> {
    return this.#keys.values();
  }

  addKey(request: KeyedRequest): void {
    this.#keys.set(nameOf(request), request);
  }

  /** The key was used again. */
  keepKey(request: KeyedRequest): void {
    this.#keys.delete(nameOf(request));
  }
}

/** The log in an SQLite file. No other process can open it meanwhile. */
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
  /** Whether publications may have optional fields. */
  #hasFields: boolean;
  /** Whether some changes of records are lost. */
  #hasOldRecords = false;

  /** Opens `file`, which is made if there is none. Throws a `StoreError` if it cannot be used. */
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
    const log = readLog(this.#db);
    const { epoch, forgotten_offset: forgottenOffset } = log;
    const position = { epoch, offset: endOf(log) };
    return { position, forgottenOffset, ...readKept(this.#db, epoch) };
  }

  /** Commits batches. Throws SQLite's error, with nothing changed, if it cannot. */
  add(batches: readonly Ordered[]): void {
    inTransaction(this.#db, () => {
      for (const { entries, receipt, once } of batches) {
        for (const entry of entries) this.#add(entry);
        if (once === undefined) continue;
        this.#insertKey.run(once.caller, once.key, encodeKey({ request: once, receipt }));
      }
    });
  }

  /** Commits a removal. Throws SQLite's error, with nothing changed, if it cannot. */
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

  /** All records, the one that was put first is first. */
  readRecords(): string[] {
    const rows = this.#db.prepare("SELECT text FROM record ORDER BY rowid").all();
    return rows.map(({ text }) => String(text));
  }

  /**
   * Commits changes of records: texts by key, undefined to delete one. If they cannot be written,
   * they are lost, and the next changes that can be written replace all records.
   */
  changeRecords(changes: ReadonlyMap<string, string | undefined>): void {
    try {
      inTransaction(this.#db, () => {
        if (this.#hasOldRecords) this.#db.exec("DELETE FROM record");
        for (const [key, text] of changes) {
          if (text === undefined) this.#deleteRecord.run(key);
          else this.#putRecord.run(key, text);
        }
      });
      this.#hasOldRecords = false;
    } catch {
      // A publish reports that the file cannot be written.
      this.#hasOldRecords = true;
    }
  }

  /** Closes the file, and notes in it that nothing is missing. */
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

/** Locks the file, and makes an empty one a store. Throws if it is no store, or damaged. */
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

/** Where the log ends: no offset up to here is given again. */
function endOf({ start_offset, forgotten_offset, last_offset }: LogRow): number {
  return Math.max(start_offset, forgotten_offset, last_offset ?? 0);
}

function readGaps(db: DatabaseSync): Gap[] {
  return db.prepare("SELECT after, until FROM gap ORDER BY after").all() as unknown as Gap[];
}

/** Notes in the file that the log is in use, and a gap if the last run did not close it. */
function beginRun(db: DatabaseSync): void {
  const log = readLog(db);
  let forgottenOffset = log.forgotten_offset;
  let offset = endOf(log);
  let gaps = readGaps(db);
  if (log.closed === 0) {
    gaps.push({ after: offset, until: offset + SKIPPED_OFFSETS });
    offset += SKIPPED_OFFSETS;
    // A position from before so many crashes is incomplete.
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
  const lostOffsets = (channels as unknown as ChannelRow[])
    .map(({ name, lost_offset }) => [name, lost_offset] as const);
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
    // After some errors, such as a full disk, SQLite has rolled back by itself.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function readNumber(db: DatabaseSync, query: string): number {
  return Number(Object.values(db.prepare(query).get() ?? {})[0]);
}
