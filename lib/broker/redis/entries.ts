import { type Data, type Draft, type Position, Publication } from "../../core/publication.ts";
import {
  type DraftFields,
  draftFieldsOf,
  type Gap,
  type JournalBatch,
  type Logged,
  readDraftFields,
} from "../journal.ts";
import type { PeerMessage } from "../peers.ts";
import type { Reply } from "./resp.ts";

/** One entry of a stream. */
export interface StreamEntry {
  /** `<offset>-<number>`: the position in the stream. */
  readonly id: string;
  readonly offset: number;
  readonly fields: ReadonlyMap<string, string>;
}

/** Where entries that no node has written are reported. */
export interface ForeignOptions {
  /** Called with the first of them. */
  readonly warn?: ((why: string) => void) | undefined;
  /** Counts them. */
  readonly foreignEntries?: { inc(): void } | undefined;
}

/** Reports an entry of a stream that cannot be read, as another program has written it: it is skipped. */
export type SkipForeign = (key: string, entry: StreamEntry) => void;

/** Means that the caller has begun the channel itself. */
const SAME_CALLER = "=";

/** Bytes of a stored publication beside its data: names, caller, and the framing of Redis. */
const ENTRY_BYTES = 8 * 1024;
const ENTRIES_AT_ONCE = 1000;

/** Reports foreign entries: counts each, and warns of the first. */
export function foreignSkipper({ warn, foreignEntries }: ForeignOptions): SkipForeign {
  let hasWarned = false;
  return (key, { id }) => {
    foreignEntries?.inc();
    if (hasWarned) return;
    hasWarned = true;
    warn?.(
      `entry ${id} of ${key} cannot be read and is skipped: does another program write there?`,
    );
  };
}

/** How many entries to ask for at once: if all are as large as allowed, they fill three quarters of a reply. */
export function entriesAtOnce(publishBytesMax: number, replyBytesMax: number): number {
  // Bytes are stored as base64.
  const entryBytes = publishBytesMax * 4 / 3 + ENTRY_BYTES;
  return Math.max(1, Math.min(ENTRIES_AT_ONCE, Math.floor(0.75 * replyBytesMax / entryBytes)));
}

/** Reads the reply to XRANGE. Throws a `TypeError` on anything else. */
export function readEntries(reply: Reply): StreamEntry[] {
  if (!Array.isArray(reply)) throw unexpected(reply);
  return (reply as readonly RawEntry[]).map(readEntry);
}

/** Reads the reply to XREAD: entries by stream, none after a time-out. Throws a `TypeError` on anything else. */
export function readStreams(reply: Reply): Map<string, StreamEntry[]> {
  if (reply === null) return new Map();
  if (!Array.isArray(reply)) throw unexpected(reply);
  const streams = reply as readonly (readonly [key: string, entries: Reply])[];
  return new Map(streams.map(([key, entries]) => [key, readEntries(entries)]));
}

/** The publication in an entry; undefined if it holds none that can be read. */
export function readPublication(entry: StreamEntry, epoch: string): Logged | undefined {
  try {
    return parsePublication(entry, epoch);
  } catch (error) {
    // Of base64, or of JSON.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function parsePublication({ offset, fields }: StreamEntry, epoch: string): Logged | undefined {
  const channel = fields.get("c");
  const event = fields.get("e");
  const text = fields.get("d");
  const time = Number(fields.get("t"));
  if (channel === undefined || event === undefined || text === undefined || !time) return undefined;
  const data: Data = fields.has("b") ? Uint8Array.fromBase64(text) : text;
  const draft = { channel, event, data, ...readExtra(fields.get("x")) };
  return {
    publication: new Publication({ epoch, offset }, draft, time),
    caller: fields.get("k"),
    beganBy: fields.get("w"),
  };
}

/** The gap in an entry; undefined if it holds none. */
export function readGap({ offset, fields }: StreamEntry): Gap | undefined {
  return makeGap(fields.get("g"), offset, fields.get("s"));
}

/** Reads a gap as `formatGap()` writes it; undefined if it is none. */
export function readKeptGap(text: string): Gap | undefined {
  const [after, until, seen] = text.split(" ");
  return makeGap(after, Number(until), seen);
}

/** The messages of a node in an entry; undefined if it holds none that can be read. */
export function readMessages({ fields }: StreamEntry): readonly PeerMessage[] | undefined {
  let messages: unknown;
  try {
    messages = JSON.parse(fields.get("m") ?? "");
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return Array.isArray(messages) && messages.every(isMessage) ? messages : undefined;
}

function isMessage(value: unknown): value is PeerMessage {
  return typeof (value as Partial<PeerMessage> | null)?.type === "string";
}

/** Formats a gap for the list of all gaps. */
export function formatGap({ after, until, seen = 0 }: Gap): string {
  return `${after} ${until} ${seen}`;
}

/** The arguments of each draft for `SCRIPTS.append`. */
export function draftArguments({ drafts, beganBy }: JournalBatch): string[] {
  return drafts.flatMap((draft, index) => {
    const { channel, event, data } = draft;
    const isBytes = typeof data !== "string";
    return [
      channel,
      event,
      isBytes ? "1" : "",
      isBytes ? data.toBase64() : data,
      beganBy?.[index] ?? SAME_CALLER,
      writeExtra(draft),
    ];
  });
}

/** The optional fields of a draft as JSON; empty if it has none. */
function writeExtra(draft: Draft): string {
  const fields = JSON.stringify(draftFieldsOf(draft));
  return fields === "{}" ? "" : fields;
}

function readExtra(text: string | undefined): DraftFields {
  if (text === undefined) return {};
  const fields: unknown = JSON.parse(text);
  return readDraftFields(typeof fields === "object" && fields !== null ? { ...fields } : {});
}

/** The id of the entry at a position. */
export function streamId({ offset }: Pick<Position, "offset">): string {
  return `${offset}-1`;
}

/** An entry as Redis answers it: names and values of its fields take turns. */
type RawEntry = readonly [id: string, fields: readonly string[]];

function readEntry([id, list]: RawEntry): StreamEntry {
  const fields = new Map<string, string>();
  for (let index = 0; index < list.length; index += 2) fields.set(list[index]!, list[index + 1]!);
  return { id, offset: Number(id.slice(0, id.indexOf("-"))), fields };
}

function makeGap(
  after: string | undefined,
  until: number,
  seen: string | undefined,
): Gap | undefined {
  const isGap = after !== undefined && Number(after) < until;
  return isGap ? { after: Number(after), until, seen: Number(seen) || undefined } : undefined;
}

function unexpected(reply: Reply): TypeError {
  const shown = (JSON.stringify(reply) ?? "").slice(0, 120);
  return new TypeError(`Cannot read a stream: expected its entries, got ${shown}`);
}
