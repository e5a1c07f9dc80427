import type { Data } from "../../core/publication.ts";
import {
  type DraftFields,
  draftFieldsOf,
  type KeptKey,
  type Logged,
  readDraftFields,
} from "../journal.ts";

/** "Hark" in ASCII: marks a store among SQLite files. */
export const APPLICATION_ID = 0x4861726b;
/** The version of the tables. */
export const VERSION = 1;

/** Makes an empty file a store. */
export const SCHEMA = `
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

/**
 * What was added later is in tables of its own, as an older Hark must find the other tables as it
 * knows them. It ignores these, and leaves orphans in them when it deletes publications. `fields`
 * are JSON objects of optional fields: a reader ignores those that it does not know.
 */
export const ADDED_SCHEMA = `
  CREATE TABLE IF NOT EXISTS publication_fields (
    offset INTEGER PRIMARY KEY,
    fields TEXT NOT NULL CHECK (json_valid(fields))
  ) STRICT;
  CREATE TABLE IF NOT EXISTS idempotency_key (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    fields TEXT NOT NULL CHECK (json_valid(fields)),
    PRIMARY KEY (caller, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS record (
    key TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL
  ) STRICT;
  DELETE FROM publication_fields WHERE offset NOT IN (SELECT offset FROM publication);
`;

export interface PublicationRow {
  readonly offset: number;
  readonly channel: string;
  readonly event: string;
  readonly data: Data;
  readonly time: number;
  /** Null if it has none. */
  readonly fields: string | null;
}

export interface ChannelRow {
  readonly name: string;
  readonly lost_offset: number;
}

export interface LogRow {
  readonly epoch: string;
  readonly start_offset: number;
  readonly forgotten_offset: number;
  readonly closed: number;
  readonly last_offset: number | null;
}

export interface KeyRow {
  readonly caller: string;
  readonly key: string;
  readonly fields: string;
}

/** The optional fields of a publication; undefined if it has none. */
export function encodeFields({ caller, beganBy, publication }: Logged): string | undefined {
  const fields = JSON.stringify({ caller, beganBy, ...draftFieldsOf(publication) });
  return fields === "{}" ? undefined : fields;
}

/** Reads the optional fields of a publication; ignores those of the wrong type. */
export function decodeFields(
  text: string | null,
): { logged: Pick<Logged, "caller" | "beganBy">; draft: DraftFields } {
  if (text === null) return { logged: {}, draft: {} };
  const fields = decodeObject(text);
  const { caller, beganBy } = fields;
  const logged = {
    ...(typeof caller === "string" ? { caller } : {}),
    ...(typeof beganBy === "string" ? { beganBy } : {}),
  };
  return { logged, draft: readDraftFields(fields) };
}

/** The fields of a key. */
export function encodeKey({ request: { fingerprint }, receipt }: KeptKey): string {
  const { offset, count, time } = receipt;
  return JSON.stringify({ fingerprint, offset, count, time });
}

/** Reads a key of the log with this epoch; undefined if a field is missing or of the wrong type. */
export function decodeKey({ caller, key, fields }: KeyRow, epoch: string): KeptKey | undefined {
  const { fingerprint, offset, count, time } = decodeObject(fields);
  if (typeof fingerprint !== "string") return undefined;
  if (!isCount(offset) || !isCount(count) || !isCount(time)) return undefined;
  return { request: { caller, key, fingerprint }, receipt: { epoch, offset, count, time } };
}

function decodeObject(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
