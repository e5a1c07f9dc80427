import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StoreError } from "../../core/errors.ts";
import { APPLICATION_ID, VERSION } from "./schema.ts";

/** The advice for a damaged file. */
export const DAMAGED = "it is damaged; move it away to begin a new one, or put back a copy";

// Beginnings of SQLite's messages, used for our own errors too.
const NO_DATABASE = "file is not a database";
const READ_ONLY = "attempt to write a readonly";
const OUT_OF_REACH = "unable to open";

// By the beginning of SQLite's message, because an error at opening has no code.
const ADVICE: readonly (readonly [message: string, advice: string])[] = [
  ["database is locked", "another process has it open; stop that one, or give each its own file"],
  [NO_DATABASE, "it is not an SQLite database; name another file"],
  ["database disk image is malformed", DAMAGED],
  ["malformed database schema", DAMAGED],
  ["unsupported file format", DAMAGED],
  ["no such ", DAMAGED],
  [READ_ONLY, "it is read-only; give this user the right to write it"],
  [OUT_OF_REACH, "its folder must exist, and this user must have the right to write there"],
  ["database or disk is full", "the disk is full; make room"],
  [
    "disk I/O error",
    "it cannot be read or written; check this user's right to write it, and the disk",
  ],
];

/** Explains an error at opening `file`, and what to do about it. */
export function storeError(file: string, error: unknown): StoreError {
  const { message } = error as Error;
  let advice = ADVICE.find(([words]) => message.startsWith(words))?.[1] ?? message;
  if (error instanceof Deno.errors.NotCapable) {
    advice = "Deno was not given the right; start it with --allow-read and --allow-write";
  }
  return new StoreError(`Cannot open the store ${file}: ${advice}`, { cause: error });
}

/** Throws a `StoreError` unless a database is a store of Hark, or is empty and can become one. */
export function checkIdentity(id: number, version: number, isEmpty: boolean): void {
  if (id === 0 && version === 0 && isEmpty) return;
  if (id !== APPLICATION_ID) {
    throw new StoreError("it is a database of another program; name another file");
  }
  if (version === VERSION) return;
  throw new StoreError(
    `expected a store of version ${VERSION}, got ${version}; use the Hark that made it`,
  );
}

/**
 * Makes an empty file that only this user can read or write, if there is none. SQLite would use the
 * umask. It gives the files beside it (`-wal`, `-shm`, `-journal`) the mode of this one
 * (https://www.sqlite.org/src/file/src/os_unix.c, findCreateFileMode). Throws if it cannot be made,
 * for example where `file` is a link to nothing.
 */
export function createPrivately(file: string): void {
  const { AlreadyExists, NotFound, PermissionDenied } = Deno.errors;
  // To open and close an existing file would drop the locks that SQLite has on it.
  if (!isMissing(file)) return;
  try {
    Deno.openSync(file, { write: true, createNew: true, mode: 0o600 }).close();
  } catch (error) {
    const isOutOfReach = [AlreadyExists, NotFound, PermissionDenied].some((type) =>
      error instanceof type
    );
    if (!isOutOfReach) throw error;
    throw new Error(OUT_OF_REACH);
  }
}

/** Reports whether there is no such file, or a link to nothing. */
function isMissing(file: string): boolean {
  try {
    Deno.statSync(file);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

/**
 * Rejects with a `StoreError` if `file` cannot be opened as a store, as far as that shows without
 * opening it: the file is neither made nor changed, and may be in use.
 */
export async function checkStoreFile(file: string): Promise<void> {
  try {
    const head = await readHead(file);
    if (head !== undefined) checkHead(head);
    if (!await isWritableFolder(dirname(file))) throw new Error(OUT_OF_REACH);
  } catch (error) {
    throw storeError(file, error);
  }
}

/** Reports whether there is such a folder, and this user may write in it. Writes nothing. */
export async function isWritableFolder(path: string): Promise<boolean> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return false;
  } catch (error) {
    const { NotFound, NotADirectory, PermissionDenied } = Deno.errors;
    if ([NotFound, NotADirectory, PermissionDenied].some((type) => error instanceof type)) {
      return false;
    }
    throw error;
  }
  // Deno cannot ask for this. SQLite checks it for the folder of its temporary files.
  const db = new DatabaseSync(":memory:");
  try {
    db.exec(`PRAGMA temp_store_directory = '${path.replaceAll("'", "''")}'`);
    db.exec("PRAGMA temp_store_directory = ''");
    return true;
  } catch {
    return false;
  } finally {
    db.close();
  }
}

/** How much of a database shows what it is, and whether it is empty. */
const HEAD_BYTES = 105;

/** Reads the beginning of a file; undefined if there is none. Throws if it cannot be written. */
async function readHead(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    // To open a pipe, for example, may wait for ever.
    if (!(await Deno.stat(file)).isFile) throw new Error(OUT_OF_REACH);
    using opened = await Deno.open(file, { read: true, write: true });
    const head = new Uint8Array(HEAD_BYTES);
    return head.subarray(0, await opened.read(head) ?? 0);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.PermissionDenied) throw new Error(READ_ONLY);
    throw error;
  }
}

/** Checks the first bytes of a database (https://www.sqlite.org/fileformat.html, 1.3 and 1.6). */
function checkHead(head: Uint8Array<ArrayBuffer>): void {
  if (head.length === 0) return;
  const magic = new TextDecoder().decode(head.subarray(0, 16));
  if (head.length < HEAD_BYTES || magic !== "SQLite format 3\0") throw new Error(NO_DATABASE);
  const view = new DataView(head.buffer);
  const isEmpty = view.getUint16(103) === 0;
  checkIdentity(view.getUint32(68), view.getUint32(60), isEmpty);
}
