import { mergeMetrics, type MergeRule } from "./merge.ts";
import { Registry } from "./metrics.ts";

/** 50 µs to 5 s. */
const SECONDS_BOUNDS = [
  ...[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5],
];

/**
 * What is no sum over processes: what each of them has whole, the worst, and the weakest; and what the
 * first, which has the log, sees for all.
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

/** What the server measures of itself from outside this module. */
export interface ProcessFacts {
  readonly version: string;
  /** Bytes of memory now: the whole process's, and of that the JavaScript heap's in use. */
  readonly memory: () => { readonly rss: number; readonly heap: number };
}

/** Every metric of the server. */
export class HarkMetrics extends Registry {
  readonly sessions = this.gauge("sessions", "Clients connected now.", "transport");
  readonly connections = this.counter("connections_total", "Clients that have connected.");
  readonly disconnects = this.counter(
    "disconnects_total",
    "Clients that have left or were disconnected.",
    "reason",
  );
  readonly closingSessions = this.gauge(
    "closing_sessions",
    "Sessions that are closing.",
  );
  readonly publications = this.counter("publications_total", "Publications accepted.");
  readonly deliveries = this.counter(
    "deliveries_total",
    "Publications handed to a client's transport.",
  );
  readonly deliveredBytes = this.counter("delivered_bytes_total", "Bytes handed to transports.");
  readonly inUse = this.gauge("in_use", "How much of a bound is taken.", "bound");
  readonly engineSessions = this.gauge(
    "engineio_sessions",
    "Engine.IO sessions that are not over.",
  );
  readonly bodyBytes = this.gauge("body_bytes", "Bytes of request bodies that are on their way.");
  readonly webhookEvents = this.counter(
    "webhook_events_total",
    "Events of Pusher's webhooks that were sent, handed on to another node, or dropped.",
    "outcome",
  );
  readonly rejected = this.counter(
    "rejected_total",
    "Requests and commands refused.",
    "reason",
  );
  readonly publishSeconds = this.histogram(
    "publish_seconds",
    "From a publication's arrival until it is ordered and kept.",
    SECONDS_BOUNDS,
  );
  readonly fanoutSeconds = this.histogram(
    "fanout_seconds",
    "Handing one publication to all of its clients.",
    SECONDS_BOUNDS,
  );
  readonly channels = this.gauge("channels", "Channels with a client or a history.");
  readonly historyPublications = this.gauge("history_publications", "Publications kept.");
  readonly historyBytes = this.gauge("history_bytes", "Bytes of publications kept.");
  readonly appendSeconds = this.histogram(
    "append_seconds",
    "From handing a batch to where the log is kept until it is kept there.",
    SECONDS_BOUNDS,
  );
  readonly reconnects = this.counter(
    "reconnects_total",
    "Times that the log was away and is back.",
  );
  readonly reloads = this.counter(
    "reloads_total",
    "Times that the log was loaded again, as this node had missed too much: each ended all sessions.",
  );
  readonly gaps = this.counter(
    "gaps_total",
    "Jumps of the log, where what somebody was sent may be lost.",
  );
  readonly foreignEntries = this.counter(
    "foreign_entries_total",
    "Entries in Redis that cannot be read, and were skipped.",
  );
  readonly feedLag = this.gauge("feed_lag", "Publications that another node is ahead.");
  readonly feedLagSeconds = this.gauge(
    "feed_lag_seconds",
    "How long a message to the other nodes takes to come back.",
  );
  readonly journalUp = this.gauge("journal_up", "1 if publishing works, 0 if not.");
  readonly nodes = this.gauge("nodes", "Nodes that share the log, this one included.");
  readonly forwarded = this.counter(
    "forwarded_total",
    "Requests handed to the node that has the session.",
  );
  readonly watchedChannels = this.gauge(
    "watched_channels",
    "Channels whose joins and leaves somebody watches.",
  );
  readonly eventLoopDelaySeconds = this.gauge(
    "event_loop_delay_seconds",
    "How late a timer last was.",
  );

  constructor({ version, memory }: ProcessFacts) {
    super();
    this.measured("process_memory_bytes", "Memory in use.", "kind", () => ({ ...memory() }));
    this.gauge("build_info", "Always 1; the label is the version.", "version")
      .with(version).set(1);
  }

  /** All metrics as text, made one with what other processes that follow this one's log say of theirs. */
  renderWith(others: readonly string[]): string {
    return mergeMetrics([this.render(), ...others], MERGE_RULES);
  }
}
