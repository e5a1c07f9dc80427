import { type Data, type Draft, Publication } from "../../core/publication.ts";
import {
  type DraftFields,
  draftFieldsOf,
  type Entry,
  type Gap,
  isGap,
  readDraftFields,
} from "../journal.ts";

/** A text as it is, or bytes in base64 as the only item of an array. */
export type WireData = string | readonly [base64: string];

/** A publication, or a gap. */
export type WireEntry =
  | readonly [
    offset: number,
    time: number,
    channel: string,
    event: string,
    data: WireData,
    caller?: string | null,
    beganBy?: string | null,
    fields?: DraftFields,
  ]
  | Gap;

/** A draft. */
export type WireDraft = readonly [
  channel: string,
  event: string,
  data: WireData,
  fields?: DraftFields,
];

/** Encodes an entry of the log. */
export function encodeEntry(entry: Entry): WireEntry {
  if (isGap(entry)) return entry;
  const { publication, caller, beganBy } = entry;
  const { offset, time, channel, event, data } = publication;
  const wire = [offset, time, channel, event, encodeData(data)] as const;
  const fields = fieldsOf(publication);
  if (fields !== undefined) return [...wire, caller ?? null, beganBy ?? null, fields];
  if (beganBy !== undefined) return [...wire, caller ?? null, beganBy];
  return caller === undefined ? wire : [...wire, caller];
}

/** Decodes an entry of the log with this epoch. Throws a `TypeError` if it is none. */
export function decodeEntry(wire: WireEntry, epoch: string): Entry {
  if (!Array.isArray(wire)) return readGap(wire as Gap);
  const [offset, time, channel, event, data, caller, beganBy, fields = {}] = wire;
  if (!isNumber(offset) || !isNumber(time) || !isText(channel) || !isText(event)) {
    throw new TypeError("Cannot read an entry: expected offset, time, channel and event");
  }
  const publication = new Publication({ epoch, offset }, {
    channel,
    event,
    data: decodeData(data),
    ...readDraftFields(fields),
  }, time);
  return { publication, caller: caller ?? undefined, beganBy: beganBy ?? undefined };
}

/** Encodes a draft. */
export function encodeDraft(draft: Draft): WireDraft {
  const { channel, event, data } = draft;
  const fields = fieldsOf(draft);
  const wire = [channel, event, encodeData(data)] as const;
  return fields === undefined ? wire : [...wire, fields];
}

/** Decodes a draft. Throws a `TypeError` if it is none. */
export function decodeDraft([channel, event, data, fields = {}]: WireDraft): Draft {
  if (!isText(channel) || !isText(event)) {
    throw new TypeError("Cannot read a draft: expected channel, event and data");
  }
  return { channel, event, data: decodeData(data), ...readDraftFields(fields) };
}

/** The optional fields of a draft; undefined if it has none. */
function fieldsOf(draft: DraftFields): DraftFields | undefined {
  const fields = draftFieldsOf(draft);
  return Object.keys(fields).length === 0 ? undefined : fields;
}

function readGap({ after, until, seen }: Gap): Gap {
  if (isNumber(after) && isNumber(until)) return { after, until, seen };
  throw new TypeError("Cannot read an entry: expected a publication or a gap");
}

function encodeData(data: Data): WireData {
  return typeof data === "string" ? data : [data.toBase64()];
}

function decodeData(data: unknown): Data {
  if (isText(data)) return data;
  if (Array.isArray(data) && isText(data[0])) return Uint8Array.fromBase64(data[0]);
  throw new TypeError("Cannot read data: expected a text, or bytes in base64");
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}
