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
  /** Read what comes after it, or since then; undefined reads from the oldest kept. */
  readonly since: Since | undefined;
  /** Read up to this offset, inclusive; undefined reads to the end. */
  readonly until?: number;
  /** At most so many publications, 1 or more. */
  readonly limit: number;
  /** Read backwards from the end, in place of forwards. */
  readonly newestFirst?: boolean;
}

/** A part of the log. */
export interface HistoryPage {
  /** Oldest first, unless the query says otherwise. */
  readonly publications: readonly Publication[];
  /**
   * False if anything after `since` on these channels is gone, or if `since` is of another log. True
   * where `since` is a time: then what is kept is what is asked for.
   */
  readonly complete: boolean;
  /**
   * The highest offset on these channels that is gone; 0 if nothing is. What is gone of a pattern's
   * channels up to `since` need not be counted.
   */
  readonly lostOffset: number;
  /** The page begins after this offset; 0 if `since` is of another log. */
  readonly beginOffset: number;
  /**
   * Where reading goes on, oldest first: the page is all there is up to here. MUST NOT be before `since`, unless
   * that is of another log: of another epoch, or beyond the end.
   */
  readonly position: Position;
  /** True if more than `limit` publications match. */
  readonly more: boolean;
}

/** What is kept of one channel. */
export interface ChannelInfo {
  readonly channel: string;
  readonly publications: number;
  /** The id of its last publication. */
  readonly last: string;
}

/** How much history holds. */
export interface HistoryStats {
  readonly channels: number;
  readonly publications: number;
  readonly bytes: number;
}

/** How much a broker holds. */
export interface BrokerStats extends HistoryStats {
  /** Idempotency keys that are remembered, those of requests under way included. */
  readonly idempotencyKeys: number;
}

/** What to publish in one step. */
export interface Batch {
  /** They get offsets one behind the other, with nothing between them. */
  readonly drafts: readonly Draft[];
  /**
   * Whoever publishes, for quotas: what history may hold is divided among callers, so that none takes
   * it all. Undefined has no quota of channels.
   */
  readonly caller?: string | undefined;
  /** Whoever's rate it counts towards, where another process has the log and counts for all. */
  readonly ratedBy?: string | undefined;
  /** Publishes once, however often the batch comes under its key. */
  readonly once?: KeyedRequest | undefined;
}

/** Where in the log a batch is: from this position on, `count` publications. */
export interface Receipt extends Position {
  readonly count: number;
  /** When they were ordered, in milliseconds since 1970. */
  readonly time: number;
}

/** Gets what a broker delivers: this process's sessions. */
export interface Sink {
  /**
   * Gets every publication of every node, own ones included, in the order of their offsets, exactly
   * once, and only when `history()` can read it.
   */
  deliver(publication: Publication): void;
  /**
   * The log begins at `position`, or goes on there after something was lost: whatever was delivered
   * before may be incomplete. Called before the first delivery, too.
   */
  reset(position: Position): void;
  /** Publishing works again, or does not, and why. Called when that changes; it works at first. */
  health(isUp: boolean, why: string): void;
}

/** Orders, keeps and spreads publications. The rest of the server sees nothing behind it. */
export interface Broker {
  /** How far this node has come; known once it has started. */
  readonly position: Position;
  /** False while the journal is away: what other nodes have got since may be missing here. */
  readonly isUp: boolean;
  /** Begins delivery. Resolves to where it begins; rejects if the log cannot be opened. */
  start(sink: Sink): Promise<Position>;
  /**
   * Publishes all of the batch or nothing. Resolves once it is kept as durably as the journal
   * promises, and delivered here. A batch whose key was published before gets the first one's receipt,
   * even if its publications are evicted. Any other calls `admit` first, which may throw.
   *
   * Throws a `Refusal`: `over-limit` for a quota, `conflict` if the key stands for another request,
   * `unavailable` if the batch cannot be kept. If it was kept and could not be delivered here in time
   * that is `unavailable` too: only a key makes it safe to publish it again.
   */
  publish(batch: Batch, admit?: () => void): Promise<Receipt>;
  /** What is kept. MUST read a consistent state: never a publication without its predecessors. */
  history(query: HistoryQuery): Promise<HistoryPage>;
  /**
   * Resolves to true once this node has come to `position`; to false if it has not within `timeoutMs`,
   * or never will, as the position is of another log. A client may come from a node that is ahead.
   */
  reached(position: Position, timeoutMs: number): Promise<boolean>;
  /** Channels with something kept, in the order of their names, after `after`, at most `limit`. */
  channels(after: string, limit: number): Promise<readonly ChannelInfo[]>;
  stats(): BrokerStats;
  /** Ends delivery and closes the journal; settles what was published before. Idempotent. */
  close(): Promise<void>;
}

/** The id of one publication of a batch. */
export function idAt({ epoch, offset }: Receipt, index: number): string {
  return formatPosition({ epoch, offset: offset + index });
}
