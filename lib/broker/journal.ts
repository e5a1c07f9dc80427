import { Refusal } from "../core/errors.ts";
import { type Draft, type Position, Publication } from "../core/publication.ts";
import { parseTraceparent } from "../core/traceparent.ts";
import type { Batch, Receipt } from "./broker.ts";
import type { KeyedRequest } from "./idempotency.ts";
import type { Peers } from "./peers.ts";

/** A batch as a broker has it appended. */
export interface JournalBatch extends Batch {
  /** For each draft whoever began its channel, if that was not `caller`; "" for nobody in particular. */
  readonly beganBy?: readonly (string | undefined)[] | undefined;
}

/** A publication in the log, with what only brokers need to know of it. */
export interface Logged {
  readonly publication: Publication;
  /** Whoever published it; undefined for nobody in particular. */
  readonly caller?: string | undefined;
  /** Whoever began its channel, if that was not `caller`; "" for nobody in particular. */
  readonly beganBy?: string | undefined;
}

/**
 * A jump in the log: offsets above `after` and up to `until` may have been given, and what they were
 * given to is lost. The log goes on at `until`, with the next offset.
 */
export interface Gap {
  readonly after: number;
  readonly until: number;
  /** Offsets that clients have seen up to here are known to be lost; undefined if none are. */
  readonly seen?: number | undefined;
}

/** Gaps that are remembered; whoever has been away for longer may have missed something. */
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
  /** Where the log ends: the highest offset that is not to be given again. */
  readonly position: Position;
  /** The highest offset of any channel that is gone altogether. */
  readonly forgottenOffset: number;
  /** Oldest first. */
  readonly publications: readonly Logged[];
  /** Of each channel that has lost something: the highest offset that is gone. */
  readonly lostOffsets: readonly (readonly [channel: string, offset: number])[];
  /** Oldest first. */
  readonly gaps: readonly Gap[];
  /** Oldest first; none where the journal checks keys by itself, as others append to it too. */
  readonly keys: readonly KeptKey[];
}

/** What is known before a journal is opened. */
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
  /** Gets the entries after a position, in order; those that it has had do no harm. */
  onEntries(entries: readonly Entry[]): void;
  /** The journal is away for now, or back. It goes on by itself, and refuses what it cannot append. */
  onHealth(isUp: boolean, why: string): void;
  /** The feed is over and `why`; the broker opens the journal again. */
  onLost(why: string): void;
}

/**
 * Small texts by key, kept beside the log for whoever needs them after a restart. What cannot be written
 * is lost, and with it all that was written before, as that may be out of date.
 */
export interface StoredRecords {
  /** All of them, the one that was put the longest ago first. The journal MUST be open. */
  read(): readonly string[];
  /**
   * Puts texts, and deletes those that are undefined, all in one step. Once it resolves, they outlive the
   * process that keeps them, unless they could not be kept: MUST NOT reject.
   */
  change(changes: ReadonlyMap<string, string | undefined>): void | Promise<void>;
}

/** Where the log lives: memory, a file, a server, or another process of this machine. */
export interface Journal {
  /** The way to the other nodes that share the log; undefined if there can be none. */
  readonly peers?: Peers;
  /** Undefined if nothing outlives the process. */
  readonly records?: StoredRecords;
  /**
   * Opens the log, and reads what it keeps. Called again after its feed was lost. Rejects if the log
   * is out of reach.
   */
  open(): Promise<Kept>;
  /** Begins to feed what comes after `after`, in the same turn. Takes the place of an earlier feed. */
  follow(after: Position, feed: Feed): void;
  /**
   * Appends the batch in one step, with the key that it has: all of it or nothing. Resolves once it is
   * kept as durably as this journal promises, before or after it is fed: a broker waits for both.
   * Where others append too, a key that they took gives the first receipt, or the `Refusal` `conflict`.
   * Rejects with the `Refusal` `unavailable` if it cannot be kept.
   */
  append(batch: JournalBatch): Promise<Receipt>;
  /**
   * The broker has evicted a publication; `isLast` if its channel has no other. Undefined where the
   * journal evicts by itself.
   */
  evicted?(publication: Publication, isLast: boolean): void;
  /** The broker has forgotten a key. Undefined where the journal forgets keys by itself. */
  forgotten?(request: KeyedRequest): void;
  /** Settles what was appended before, and closes; also if it was never opened. Idempotent. */
  close(): Promise<void>;
}

/** A batch with the offsets and the time that it has in the log. */
export interface Ordered extends Pick<Batch, "once"> {
  readonly entries: readonly Logged[];
  readonly receipt: Receipt;
}

/** Gives a batch the offsets after `after`. */
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

const RETRY_AFTER_S = 1;

/** The refusal of a batch that cannot be kept now, and `why`. */
export function unavailable(why: string, cause?: unknown): Refusal {
  const refusal = new Refusal(
    "unavailable",
    `Cannot publish: ${why}; try again later`,
    RETRY_AFTER_S,
  );
  if (cause !== undefined) refusal.cause = cause;
  return refusal;
}

/** The optional fields of a draft; journals keep them beside the others. */
export type DraftFields = Pick<Draft, "isText" | "except" | "traceparent">;

/** The optional fields that a draft or publication has. */
export function draftFieldsOf({ isText, except, traceparent }: DraftFields): DraftFields {
  return {
    ...(isText === undefined ? {} : { isText }),
    ...(except === undefined ? {} : { except }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** Reads them from what a journal kept; one that is not as expected is ignored. */
export function readDraftFields(fields: Readonly<Record<string, unknown>>): DraftFields {
  const { isText, except, traceparent } = fields;
  return draftFieldsOf({
    isText: isText === true ? true : undefined,
    except: typeof except === "string" ? except : undefined,
    traceparent: typeof traceparent === "string" ? parseTraceparent(traceparent) : undefined,
  });
}
