import { Refusal } from "../core/errors.ts";
import { type Draft, type Position, Publication } from "../core/publication.ts";
import { parseTraceparent } from "../core/traceparent.ts";
import type { Batch, Receipt } from "./broker.ts";
import type { KeyedRequest } from "./idempotency.ts";
import type { Peers } from "./peers.ts";

/** A batch that a broker gives to its journal. */
export interface JournalBatch extends Batch {
  /** For each draft the caller that began its channel, if that was another one; "" for no caller. */
  readonly beganBy?: readonly (string | undefined)[] | undefined;
}

/** A publication in the log, with what only brokers need. */
export interface Logged {
  readonly publication: Publication;
  /** The caller that published it; undefined for none. */
  readonly caller?: string | undefined;
  /** The caller that began its channel, if that was another one; "" for no caller. */
  readonly beganBy?: string | undefined;
}

/**
 * A jump in the log: publications with offsets above `after` and up to `until` may have existed,
 * and are lost. The next offset is the one after `until`.
 */
export interface Gap {
  readonly after: number;
  readonly until: number;
  /** Clients are known to have seen lost offsets up to here; undefined if they are not. */
  readonly seen?: number | undefined;
}

/** How many gaps are remembered. A position from before the oldest of these is incomplete. */
export const GAPS_MAX = 100;

/** One step of the log. */
export type Entry = Logged | Gap;

/** Reports whether an entry is a gap. */
export function isGap(entry: Entry): entry is Gap {
  return "until" in entry;
}

/** An idempotency key, and the receipt of what was published under it. */
export interface KeptKey {
  readonly request: KeyedRequest;
  readonly receipt: Receipt;
}

/** What a journal keeps. */
export interface Kept {
  /** Where the log ends: no offset up to here is given again. */
  readonly position: Position;
  /** The highest offset of all channels of which nothing is kept. */
  readonly forgottenOffset: number;
  /** Oldest first. */
  readonly publications: readonly Logged[];
  /** For each channel that has lost something, the highest offset that is gone. */
  readonly lostOffsets: readonly (readonly [channel: string, offset: number])[];
  /** Oldest first. */
  readonly gaps: readonly Gap[];
  /** Oldest first; none if the journal checks keys by itself, because other nodes append to it too. */
  readonly keys: readonly KeptKey[];
}

/** What a broker knows before its journal is open. */
export const NOTHING_KEPT: Kept = {
  position: { epoch: "", offset: 0 },
  forgottenOffset: 0,
  publications: [],
  lostOffsets: [],
  gaps: [],
  keys: [],
};

/** Gets what a journal feeds to its broker. */
export interface Feed {
  /** Gets the entries after a position, in order. Repeated ones do no harm. */
  onEntries(entries: readonly Entry[]): void;
  /** The journal is away, or back. It reconnects by itself, and refuses what it cannot append. */
  onHealth(isUp: boolean, why: string): void;
  /** The feed has ended. The broker opens the journal again. */
  onLost(why: string): void;
}

/**
 * Small texts by key, kept beside the log and read after a restart. A text that cannot be written
 * is lost, and with it all that were written before, as those may be out of date.
 */
export interface StoredRecords {
  /** All texts, the one that was put first is first. The journal MUST be open. */
  read(): readonly string[];
  /**
   * Puts texts, and deletes those that are undefined, in one step. Once it resolves they outlive
   * the process, unless they could not be written: MUST NOT reject.
   */
  change(changes: ReadonlyMap<string, string | undefined>): void | Promise<void>;
}

/** Where the log lives: memory, a file, a server, or another process of this machine. */
export interface Journal {
  /** The other nodes that share the log; undefined if there can be none. */
  readonly peers?: Peers;
  /** Undefined if nothing outlives the process. */
  readonly records?: StoredRecords;
  /**
   * Opens the log and reads what it keeps. Called again after the feed was lost. Rejects if the log
   * is out of reach.
   */
  open(): Promise<Kept>;
  /** Begins to feed the entries after `after`, in the same turn. Replaces an earlier feed. */
  follow(after: Position, feed: Feed): void;
  /**
   * Appends all of the batch with its key in one step, or nothing. Resolves once it is kept as
   * durably as this journal promises, before or after it is fed: a broker waits for both. If
   * another node has used the key, resolves to that receipt, or rejects with the `Refusal`
   * `conflict`. Rejects with the `Refusal` `unavailable` if the batch cannot be kept.
   */
  append(batch: JournalBatch): Promise<Receipt>;
  /**
   * The broker has evicted a publication; `isLast` if its channel has no other. Undefined where the
   * journal evicts by itself.
   */
  evicted?(publication: Publication, isLast: boolean): void;
  /** The broker has forgotten a key. Undefined where the journal forgets keys by itself. */
  forgotten?(request: KeyedRequest): void;
  /** Settles what was appended before, and closes, even if it was never opened. Idempotent. */
  close(): Promise<void>;
}

/** A batch with its offsets and its time. */
export interface Ordered extends Pick<Batch, "once"> {
  readonly entries: readonly Logged[];
  readonly receipt: Receipt;
}

/** Gives a batch the offsets after `after`, and a time in milliseconds since 1970. */
export function order(batch: JournalBatch, after: Position, time: number): Ordered {
  const { drafts, caller, beganBy, once } = batch;
  const { epoch } = after;
  let { offset } = after;
  const receipt = { epoch, offset: offset + 1, count: drafts.length, time };
  const entries = drafts.map((draft, index) => ({
    publication: new Publication({ epoch, offset: ++offset }, draft, time),
    caller,
    beganBy: beganBy?.[index],
  }));
  return { entries, receipt, once };
}

/** When to retry what cannot be kept now: the log is mostly back in a moment. */
export const RETRY_AFTER_S = 1;

/** The refusal of a batch that cannot be kept now. */
export function unavailable(why: string, cause?: unknown): Refusal {
  const refusal = new Refusal(
    "unavailable",
    `Cannot publish: ${why}; try again later`,
    RETRY_AFTER_S,
  );
  if (cause !== undefined) refusal.cause = cause;
  return refusal;
}

/** The optional fields of a draft. */
export type DraftFields = Pick<Draft, "isText" | "except" | "traceparent">;

/** The optional fields that a draft or a publication has. */
export function draftFieldsOf({ isText, except, traceparent }: DraftFields): DraftFields {
  return {
    ...(isText === undefined ? {} : { isText }),
    ...(except === undefined ? {} : { except }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** Reads optional fields from a journal; ignores those that are unknown or of the wrong type. */
export function readDraftFields(fields: Readonly<Record<string, unknown>>): DraftFields {
  const { isText, except, traceparent } = fields;
  return draftFieldsOf({
    isText: isText === true ? true : undefined,
    except: typeof except === "string" ? except : undefined,
    traceparent: typeof traceparent === "string" ? parseTraceparent(traceparent) : undefined,
  });
}
