import type { Draft, Position, Publication } from "../core/publication.ts";

/** Which part of the log to read. */
export interface HistoryQuery {
  /** Channels or patterns. */
  readonly channels: readonly string[];
  /** Read what comes after it; undefined reads from the oldest kept. */
  readonly since: Position | undefined;
  /** Read up to this offset, inclusive; undefined reads to the end. */
  readonly until?: number;
  /** At most so many publications, 1 or more. */
  readonly limit: number;
}

/** A part of the log, oldest first. */
export interface HistoryPage {
  readonly publications: readonly Publication[];
  /** False if anything after `since` on these channels is gone, or if `since` is of another log. */
  readonly complete: boolean;
  /**
   * The highest offset on these channels that is gone; 0 if nothing is. What is gone of a pattern's
   * channels up to `since` need not be counted.
   */
  readonly lostOffset: number;
  /**
   * Where reading goes on: the page is all there is up to here. MUST NOT be before `since`, unless
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

/** How much the log holds. */
export interface BrokerStats {
  readonly channels: number;
  readonly publications: number;
  readonly bytes: number;
}

/** What orders, keeps and spreads publications. */
export interface Broker {
  /** A random id made when the log was made; the same as long as the log lives. */
  readonly epoch: string;
  /** The highest offset given so far; 0 at the beginning. */
  readonly offset: number;
  /**
   * Begins delivery. `deliver` MUST get every publication of every node, own ones included, in
   * offset order, exactly once, and only when it can be read by `history()`.
   */
  start(deliver: (publication: Publication) => void): Promise<void>;
  /**
   * Orders the drafts, one behind the other with nothing between them, all or none. MUST resolve
   * only once they are kept as durably as this broker promises, and reject with a `Refusal`
   * (`over-limit`, `unavailable`) if they are not. `caller` is who publishes: what history may hold is
   * shared out among callers, so that none takes it all; undefined is held to no share of channels.
   */
  publish(drafts: readonly Draft[], caller?: string): Promise<readonly Publication[]>;
  /** What is kept. MUST read a consistent state: never a publication without its predecessors. */
  history(query: HistoryQuery): Promise<HistoryPage>;
  /** Channels with something kept, in the order of their names, after `after`, at most `limit`. */
  channels(after: string, limit: number): Promise<readonly ChannelInfo[]>;
  stats(): BrokerStats;
  /** Lets everything go; what was published before is kept as durably as promised. */
  close(): Promise<void>;
}
