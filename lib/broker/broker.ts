import {
  type Draft,
  formatPosition,
  type Position,
  type Publication,
} from "../core/publication.ts";
import type { Since } from "../core/since.ts";
import type { KeyedRequest } from "./idempotency.ts";

/** Which part of the log to read. */
export interface HistoryQuery {
  /** Channels or patterns. */
  readonly channels: readonly string[];
  /** Read what comes after this position or moment; undefined reads from the oldest that is kept. */
  readonly since: Since | undefined;
  /** Read up to this offset, inclusive; undefined reads to the end. */
  readonly until?: number;
  /** How many publications at most; 1 or more. */
  readonly limit: number;
  /** Read backwards from the end. */
  readonly newestFirst?: boolean;
}

/** A part of the log. */
export interface HistoryPage {
  /** Oldest first, unless the query says otherwise. */
  readonly publications: readonly Publication[];
  /**
   * False if anything after `since` on these channels is gone, or if `since` belongs to another
   * log. Always true without `since` or if it is a moment: that asks for what is kept.
   */
  readonly complete: boolean;
  /**
   * The highest offset on these channels that is gone; 0 if none is. Offsets up to `since` on the
   * channels of a pattern need not count.
   */
  readonly lostOffset: number;
  /** The page begins after this offset; 0 if `since` belongs to another log. */
  readonly beginOffset: number;
  /**
   * Where to read on, oldest first: the page has everything up to here. MUST NOT be before `since`,
   * unless that belongs to another log: it has another epoch, or is beyond the end.
   */
  readonly position: Position;
  /** True if more than `limit` publications match. */
  readonly more: boolean;
}

/** How much is kept of one channel. */
export interface ChannelInfo {
  readonly channel: string;
  readonly publications: number;
  /** The id of its last publication. */
  readonly last: string;
}

/** How much history keeps. */
export interface HistoryStats {
  readonly channels: number;
  readonly publications: number;
  readonly bytes: number;
}

/** How much a broker keeps. */
export interface BrokerStats extends HistoryStats {
  /** Idempotency keys, including those of requests under way. */
  readonly idempotencyKeys: number;
}

/** What to publish in one step. */
export interface Batch {
  /** They get consecutive offsets. */
  readonly drafts: readonly Draft[];
  /** The caller whose quotas of history it counts towards; undefined for no quota of channels. */
  readonly caller?: string | undefined;
  /** The caller whose rate it counts towards, where another process keeps the log and counts for all. */
  readonly ratedBy?: string | undefined;
  /** Publishes the batch once, however often it comes under this key. */
  readonly once?: KeyedRequest | undefined;
}

/** Where a batch is in the log: `count` publications, the first at this position. */
export interface Receipt extends Position {
  readonly count: number;
  /** When they were ordered, in milliseconds since 1970. */
  readonly time: number;
}

/** Gets what a broker delivers, for the sessions of this process. */
export interface Sink {
  /**
   * Gets each publication of every node, including this one, once, in the order of offsets, and after
   * `history()` has it.
   */
  deliver(publication: Publication): void;
  /**
   * The log begins at `position`, or goes on there after a loss: earlier deliveries may be
   * incomplete. Also called before the first delivery.
   */
  reset(position: Position): void;
  /** Called when publishing stops working, and why, or works again; it works at first. */
  health(isUp: boolean, why: string): void;
}

/** Orders, keeps and delivers publications. The rest of the server sees nothing behind it. */
export interface Broker {
  /** How far in the log this node is; known once it has started. */
  readonly position: Position;
  /** False while the journal is away: this node may miss what other nodes have. */
  readonly isUp: boolean;
  /** Begins delivery. Resolves to the position where it begins; rejects if the log cannot be opened. */
  start(sink: Sink): Promise<Position>;
  /**
   * Publishes all of the batch or nothing. Resolves once the journal keeps it as durably as it
   * promises, and it is delivered here. If its key was published before, returns that receipt, even
   * if the publications are evicted. Otherwise calls `admit` first, which may throw.
   *
   * Throws a `Refusal`: `over-limit` for a quota, `conflict` if the key stands for another request,
   * `unavailable` if the batch cannot be kept. It is also `unavailable` if the batch is kept but
   * not delivered here in time: only a key makes it safe to publish it again.
   */
  publish(batch: Batch, admit?: () => void): Promise<Receipt>;
  /** Reads what is kept. MUST be consistent: never a publication without its predecessors. */
  history(query: HistoryQuery): Promise<HistoryPage>;
  /**
   * Resolves to true once this node has reached `position`; to false if it has not within
   * `timeoutMs`, or if the position belongs to another log. A client may come from a node that is
   * ahead.
   */
  reached(position: Position, timeoutMs: number): Promise<boolean>;
  /** The first `limit` channels with something kept after the name `after`, in the order of names. */
  channels(after: string, limit: number): Promise<readonly ChannelInfo[]>;
  stats(): BrokerStats;
  /** Settles what was published before, ends delivery and closes the journal. Idempotent. */
  close(): Promise<void>;
}

/** The id of one publication of a batch. */
export function idAt({ epoch, offset }: Receipt, index: number): string {
  return formatPosition({ epoch, offset: offset + index });
}
