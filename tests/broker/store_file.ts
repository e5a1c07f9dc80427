import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../lib/core/clock.ts";
import type { LogBroker } from "../../lib/broker/log_broker.ts";
import { SqliteJournal } from "../../lib/broker/sqlite/journal.ts";
import { StoreError } from "../../lib/core/errors.ts";
import { brokerOn, Deliveries, type Limits, TurningClock } from "./helpers.ts";

/** The length of a page of SQLite's. */
export const PAGE_BYTES = 4096;

/** Where the stores of one test module are, until its tests are done. */
export const folder: string = Deno.makeTempDirSync({ prefix: "hark-" });
Deno.test.afterAll(() => Deno.removeSync(folder, { recursive: true }));
let files = 0;

/** The name of a store that is not there yet. */
export function newFile(): string {
  return `${folder}/${++files}.db`;
}

/** Starts a broker on a store, with a clock of its own unless one is given. */
export async function open(
  file: string,
  limits: Limits = {},
  clock: Clock = new TurningClock(),
): Promise<LogBroker> {
  const broker = brokerOn(new SqliteJournal(file, clock, "normal"), clock, limits);
  await broker.start(new Deliveries());
  return broker;
}

/** The store as a crash would leave it now; `walBytes` is how much of the log reached the disk. */
export function crashed(file: string, walBytes?: number): string {
  const copy = newFile();
  Deno.copyFileSync(file, copy);
  Deno.copyFileSync(`${file}-wal`, `${copy}-wal`);
  if (walBytes !== undefined) Deno.truncateSync(`${copy}-wal`, walBytes);
  return copy;
}

/** Works on the closed file behind the journal's back. */
export function inFile<T>(file: string, work: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(file);
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/** How many rows a table of the closed file has. */
export function countRows(file: string, table: string): number {
  return inFile(file, (db) => Number(db.prepare(`SELECT count(*) n FROM ${table}`).get()!["n"]));
}

/** The length of the write-ahead log of a store that is open. */
export function walBytes(file: string): number {
  return Deno.statSync(`${file}-wal`).size;
}

/** Why a store that is open cannot be opened again. */
export const LOCKED = "another process has it open; stop that one, or give each its own file";

/** Asserts that opening fails with a `StoreError` that says why. */
export async function assertCannotOpen(file: string, why: string): Promise<void> {
  const error = await assertRejects(() => open(file), StoreError);
  assertEquals(error.message, `Cannot open the store ${file}: ${why}`);
}
