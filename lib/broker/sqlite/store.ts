import { isAbsolute } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Data, Publication, randomEpoch } from "../../core/publication.ts";
import {
  APPLICATION_ID,
  checkIdentity,
  createPrivately,
  DAMAGED,
  StoreError,
  storeError,
  VERSION,
} from "./store_file.ts";

export { StoreError } from "./store_file.ts";

/** How hard a commit is written: "full" syncs the disk each time, "normal" leaves it to the system. */
export type StoreSync = "normal" | "full";

/** What is let go of the log. */
export interface Removal {
  /** Of each publication. */
  readonly offsets: readonly number[];
  /** Of each of their channels: the highest offset that is gone, or 0 if the channel is. */
  readonly lostOffsets: readonly (readonly [channel: string, offset: number])[];
  /** The highest offset of any channel that is gone altogether. */
  readonly forgottenOffset: number;
}

/** What earlier runs left. */
export interface Kept {
  readonly epoch: string;
  /** The highest offset that is not to be given again. */
  readonly offset: number;
  /** The highest offset of any channel that is gone altogether. */
  readonly forgottenOffset: number;
  /** Oldest first. */
  readonly publications: readonly Publication[];
  /** Of each channel that has let something go: the highest offset that is gone. */
  readonly lostOffsets: readonly (readonly [channel: string, offset: number])[];
}

/** Offsets between these two were perhaps given, and the publications lost. */
interface Gap {
  readonly after: number;
  readonly until: number;
}

const SCHEMA = `
  CREATE TABLE log (
    epoch TEXT NOT NULL,
    start_offset INTEGER NOT NULL,
    forgotten_offset INTEGER NOT NULL,
    closed INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE gap (after INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;
  CREATE TABLE channel (
    name TEXT PRIMARY KEY,
    lost_offset INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE publication (
    offset INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    event TEXT NOT NULL,
    data ANY NOT NULL CHECK (typeof(data) IN ('text', 'blob')),
    time INTEGER NOT NULL
  ) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};
`;

// With sync "normal" a crash of the whole machine may lose the last commits, and with them the
// knowledge of which offsets were given. If they were given again, a client that had got the lost
// ones would take new publications for those and skip them. So the log goes on this much further,
// which is many times what can be committed between two checkpoints: those are always synced.
const SKIPPED_OFFSETS = 1_000_000;

const GAPS_MAX = 100;
const WAL_BYTES_KEPT = 8 * 1024 * 1024;

/** The log in an SQLite file, which belongs to this process alone as long as it is open. */
export class Store {
  readonly #db: DatabaseSync;
  readonly #gaps: readonly Gap[];
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #setLost: StatementSync;
  readonly #dropLost: StatementSync;
  readonly #setForgotten: StatementSync;

  /** Opens `file`, which is made if it is not there; throws a `StoreError` if it cannot be used. */
  static open(file: string, sync: StoreSync): { store: Store; kept: Kept } {
    let db: DatabaseSync | undefined;
    try {
      // A relative name gets its "./" so that ":memory:" and "file:…" are files too.
      const path = isAbsolute(file) ? file : `./${file}`;
      createPrivately(path);
      db = new DatabaseSync(path);
      prepareFile(db);
      const { gaps, ...position } = beginRun(db);
      const kept = { ...position, ...readKept(db, position.epoch) };
      db.exec(`PRAGMA synchronous = ${sync}`);
      return { store: new Store(db, gaps), kept };
    } catch (error) {
      db?.close();
      throw storeError(file, error);
    }
  }

  private constructor(db: DatabaseSync, gaps: readonly Gap[]) {
    this.#db = db;
    this.#gaps = gaps;
    this.#insert = db.prepare("INSERT INTO publication VALUES (?, ?, ?, ?, ?)");
    this.#delete = db.prepare("DELETE FROM publication WHERE offset = ?");
    this.#setLost = db.prepare("INSERT OR REPLACE INTO channel VALUES (?, ?)");
    this.#dropLost = db.prepare("DELETE FROM channel WHERE name = ?");
    this.#setForgotten = db.prepare("UPDATE log SET forgotten_offset = ?");
  }

  /** Whether publications that followed `offset` may have been lost in a crash of the machine. */
  isInGap(offset: number): boolean {
    return this.#gaps.some((gap) => gap.after < offset && offset < gap.until);
  }

  /** Commits publications; throws SQLite's error, with nothing changed, if it cannot. */
  add(publications: readonly Publication[]): void {
    inTransaction(this.#db, () => {
      for (const { offset, channel, event, data, time } of publications) {
        this.#insert.run(offset, channel, event, data, time);
      }
    });
  }

  /** Commits that something is gone; throws SQLite's error, with nothing changed, if it cannot. */
  remove({ offsets, lostOffsets, forgottenOffset }: Removal): void {
    inTransaction(this.#db, () => {
      for (const offset of offsets) this.#delete.run(offset);
      for (const [channel, offset] of lostOffsets) {
        if (offset > 0) this.#setLost.run(channel, offset);
        else this.#dropLost.run(channel);
      }
      this.#setForgotten.run(forgottenOffset);
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
}

interface PublicationRow {
  readonly offset: number;
  readonly channel: string;
  readonly event: string;
  readonly data: Data;
  readonly time: number;
}

interface ChannelRow {
  readonly name: string;
  readonly lost_offset: number;
}

interface LogRow {
  readonly epoch: string;
  readonly start_offset: number;
  readonly forgotten_offset: number;
  readonly closed: number;
  readonly last_offset: number | null;
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
    COMMIT;
    PRAGMA journal_mode = WAL;
    PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};
    PRAGMA synchronous = FULL;
  `);
}

/** Reads how far the log has come, and notes that it is in use before anything is published. */
function beginRun(
  db: DatabaseSync,
): Pick<Kept, "epoch" | "offset" | "forgottenOffset"> & { gaps: readonly Gap[] } {
  const log = db.prepare("SELECT *, (SELECT max(offset) FROM publication) last_offset FROM log")
    .get() as unknown as LogRow | undefined;
  if (log === undefined) throw new StoreError(DAMAGED);
  let forgottenOffset = log.forgotten_offset;
  let offset = Math.max(log.start_offset, forgottenOffset, log.last_offset ?? 0);
  let gaps = db.prepare("SELECT after, until FROM gap ORDER BY after").all() as unknown as Gap[];
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
  return { epoch: log.epoch, offset, forgottenOffset, gaps };
}

function readKept(db: DatabaseSync, epoch: string): Pick<Kept, "publications" | "lostOffsets"> {
  const rows = db.prepare("SELECT * FROM publication ORDER BY offset").iterate();
  const publications = Array.from(
    rows as Iterable<PublicationRow>,
    (row) => new Publication({ epoch, offset: row.offset }, row, row.time),
  );
  const channels = db.prepare("SELECT name, lost_offset FROM channel").all();
  const lostOffsets = Array.from(
    channels as unknown as ChannelRow[],
    (row) => [row.name, row.lost_offset] as const,
  );
  return { publications, lostOffsets };
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
