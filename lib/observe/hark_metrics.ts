import { mergeMetrics, type MergeRule } from "./merge.ts";
import { counter, gauge, Histogram, Registry } from "./metrics.ts";

/** 50 µs to 5 s. */
const SECONDS_BOUNDS = [
  ...[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5],
];

/**
 * Metrics that are no sum over processes: facts about the log, which each process has as a whole; the worst
 * number; and facts that the first process sees for all, because it keeps the log.
 */
const MERGE_RULES: Readonly<Record<string, MergeRule>> = {
  hark_build_info: "max",
  hark_channels: "max",
  hark_event_loop_delay_seconds: "max",
  hark_feed_lag: "max",
  hark_feed_lag_seconds: "max",
  hark_history_bytes: "max",
  hark_history_publications: "max",
  'hark_in_use{bound="idempotency_keys_max"}': "max",
  hark_journal_up: "min",
  hark_nodes: "max",
  hark_append_seconds: "first",
  hark_foreign_entries_total: "first",
  hark_gaps_total: "first",
  hark_reconnects_total: "first",
  hark_reloads_total: "first",
  hark_watched_channels: "max",
};

/** The bounded things that a part of the server holds, besides connections and sessions. */
export interface Use {
  /** Bytes of the bodies that are being read. */
  readonly bodyBytes: number;
  /** Sessions of Engine.IO. */
  readonly engineSessions?: number;
  /** Polling sessions of Engine.IO whose client has not come back yet. */
  readonly newcomers?: number;
}

/** Facts about the process. */
export interface ProcessFacts {
  readonly version: string;
  /** Returns the bytes of memory that the process has, and those that its JavaScript heap uses. */
  readonly memory: () => { readonly rss: number; readonly heap: number };
}

/** Every metric of the server. */
export class HarkMetrics extends Registry {
  readonly sessions = gauge("Clients connected now.", "transport");
  readonly connections = counter("Clients that have connected.");
  readonly disconnects = counter("Clients that have left or were disconnected.", "reason");
  readonly closingSessions = gauge("Sessions that are closing.");
  readonly publications = counter("Publications accepted.");
  readonly deliveries = counter("Publications handed to a client's transport.");
  readonly deliveredBytes = counter("Bytes handed to transports.");
  readonly inUse = gauge("How much of a bound is taken.", "bound");
  readonly engineioSessions = gauge("Engine.IO sessions that are not over.");
  readonly bodyBytes = gauge("Bytes of request bodies that are on their way.");
  readonly webhookEvents = counter(
    "Events of Pusher's webhooks that were sent, handed on to another node, or dropped.",
    "outcome",
  );
  readonly rejected = counter("Requests and commands refused.", "reason");
  readonly publishSeconds = new Histogram(
    "From a publication's arrival until it is ordered and kept.",
    SECONDS_BOUNDS,
  );
  readonly fanoutSeconds = new Histogram(
    "Handing one publication to all of its clients.",
    SECONDS_BOUNDS,
  );
  readonly channels = gauge("Channels with a client or a history.");
  readonly historyPublications = gauge("Publications kept.");
  readonly historyBytes = gauge("Bytes of publications kept.");
  readonly appendSeconds = new Histogram(
    "From handing a batch to where the log is kept until it is kept there.",
    SECONDS_BOUNDS,
  );
  readonly reconnects = counter("Times that the log was away and is back.");
  readonly reloads = counter(
    "Times that the log was loaded again, as this node had missed too much: each ended all sessions.",
  );
  readonly gaps = counter("Jumps of the log, where what somebody was sent may be lost.");
  readonly foreignEntries = counter("Entries in Redis that cannot be read, and were skipped.");
  readonly feedLag = gauge("Publications that another node is ahead.");
  readonly feedLagSeconds = gauge("How long a message to the other nodes takes to come back.");
  readonly journalUp = gauge("1 if publishing works, 0 if not.");
  readonly nodes = gauge("Nodes that share the log, this one included.");
  readonly forwarded = counter("Requests handed to the node that has the session.");
  readonly watchedChannels = gauge("Channels whose joins and leaves somebody watches.");
  readonly eventLoopDelaySeconds = gauge("How late a timer last was.");
  readonly processMemoryBytes = gauge("Memory in use.", "kind");
  readonly buildInfo = gauge("Always 1; the label is the version.", "version");

  readonly #memory: ProcessFacts["memory"];

  constructor({ version, memory }: ProcessFacts) {
    super();
    this.#memory = memory;
    this.buildInfo.with(version).set(1);
  }

  override render(): string {
    for (const [kind, bytes] of Object.entries(this.#memory())) {
      this.processMemoryBytes.with(kind).set(bytes);
    }
    return super.render();
  }

  /** All metrics as text, merged with those of other processes that follow the log of this one. */
  renderWith(others: readonly string[]): string {
    return mergeMetrics([this.render(), ...others], MERGE_RULES);
  }
}
