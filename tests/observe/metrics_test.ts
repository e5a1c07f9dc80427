import { assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { HarkMetrics } from "../../lib/observe/hark_metrics.ts";
import { counter, gauge, Histogram, Registry } from "../../lib/observe/metrics.ts";

const lines = (...list: string[]) => list.map((line) => `${line}\n`).join("");

Deno.test("Registry.render() of nothing is empty", () => {
  assertEquals(new (class extends Registry {})().render(), "");
});

Deno.test("Registry.render() writes metrics in the order of the fields", () => {
  const registry = new class extends Registry {
    readonly sessions = gauge("Sessions now.");
    readonly connections = counter("Connections.");
    readonly noMetric = 1;
  }();
  const { sessions, connections } = registry;
  connections.inc();
  connections.add(41);
  sessions.set(7);
  sessions.inc();
  sessions.dec();
  sessions.dec();
  assertEquals([connections.value, sessions.value], [42, 6]);
  assertEquals(
    registry.render(),
    lines(
      "# HELP hark_sessions Sessions now.",
      "# TYPE hark_sessions gauge",
      "hark_sessions 6",
      "# HELP hark_connections_total Connections.",
      "# TYPE hark_connections_total counter",
      "hark_connections_total 42",
    ),
  );
});

Deno.test("Registry.render() sorts a label's values", () => {
  const registry = new class extends Registry {
    readonly rejected = counter("Refused.", "reason");
    readonly sessions = gauge("Sessions now.", "transport");
    readonly empty = gauge("Nothing yet.", "kind");
  }();
  registry.rejected.with("rate").add(2);
  registry.rejected.with("auth").inc();
  registry.sessions.with("sse").set(3);
  assertEquals(
    registry.render(),
    lines(
      "# HELP hark_rejected_total Refused.",
      "# TYPE hark_rejected_total counter",
      'hark_rejected_total{reason="auth"} 1',
      'hark_rejected_total{reason="rate"} 2',
      "# HELP hark_sessions Sessions now.",
      "# TYPE hark_sessions gauge",
      'hark_sessions{transport="sse"} 3',
      "# HELP hark_empty Nothing yet.",
      "# TYPE hark_empty gauge",
    ),
  );
});

Deno.test("Registry.render() escapes help and label values", () => {
  const registry = new class extends Registry {
    readonly odd = gauge('A "quote", a \\ and a\nline.', "kind");
  }();
  registry.odd.with('"\\\n{}').set(1);
  assertEquals(
    registry.render(),
    lines(
      '# HELP hark_odd A "quote", a \\\\ and a\\nline.',
      "# TYPE hark_odd gauge",
      'hark_odd{kind="\\"\\\\\\n{}"} 1',
    ),
  );
});

Deno.test("render() writes every number as Prometheus reads it", () => {
  const numbers: [number, string][] = [
    [0, "0"],
    [-1, "-1"],
    [0.000_05, "0.00005"],
    [1e-7, "1e-7"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
    [1e21, "1e+21"],
    [NaN, "NaN"],
    [Infinity, "+Inf"],
    [-Infinity, "-Inf"],
  ];
  for (const [value, text] of numbers) {
    const metric = gauge("X.");
    metric.set(value);
    assertEquals(metric.render("hark_x"), [`hark_x ${text}`]);
  }
});

Deno.test("Histogram.observe() counts a value in each bucket that holds it", () => {
  const registry = new class extends Registry {
    readonly waitSeconds = new Histogram("Waiting.", [0.25, 1]);
  }();
  const rendered = (quarter: number, one: number, all: number, sum: string) =>
    lines(
      "# HELP hark_wait_seconds Waiting.",
      "# TYPE hark_wait_seconds histogram",
      `hark_wait_seconds_bucket{le="0.25"} ${quarter}`,
      `hark_wait_seconds_bucket{le="1"} ${one}`,
      `hark_wait_seconds_bucket{le="+Inf"} ${all}`,
      `hark_wait_seconds_sum ${sum}`,
      `hark_wait_seconds_count ${all}`,
    );
  assertEquals(registry.render(), rendered(0, 0, 0, "0"));
  for (const value of [0, 0.25, 0.5, 1, 1.5]) registry.waitSeconds.observe(value);
  assertEquals(registry.render(), rendered(2, 4, 5, "3.25"));
});

Deno.test("Labelled.with() gives the same metric for the same value", () => {
  const sessions = gauge("Sessions now.", "transport");
  assertStrictEquals(sessions.with("sse"), sessions.with("sse"));
  sessions.with("__proto__").inc();
  assertEquals([sessions.with("__proto__").value, sessions.with("sse").value], [1, 0]);
});

Deno.test("Labelled.with() takes 64 values, and all others as one", () => {
  const rejected = counter("Refused.", "reason");
  for (let value = 0; value < 1000; value++) rejected.with(`reason ${value}`).inc();
  assertEquals(rejected.with("other").value, 1000 - 64);
  assertEquals(rejected.with("reason 63").value, 1);
  assertStrictEquals(rejected.with("reason 64"), rejected.with("other"));
  assertEquals(rejected.render("rejected").length, 64 + 1);
});

Deno.test("Registry.describe() lists metrics under names that follow from the fields", () => {
  const registry = new class extends Registry {
    readonly connections = counter("Connections.");
    readonly rejected = counter("Refused.", "reason");
    readonly waitSeconds = new Histogram("Waiting.", [1]);
    readonly inUse = gauge("In use.", "bound");
  }();
  assertEquals(registry.describe(), [
    { name: "hark_connections_total", type: "counter", help: "Connections." },
    { name: "hark_rejected_total", type: "counter", help: "Refused." },
    { name: "hark_wait_seconds", type: "histogram", help: "Waiting." },
    { name: "hark_in_use", type: "gauge", help: "In use." },
  ]);
});

Deno.test("Registry.contentType names the version of the format", () => {
  assertEquals(createHarkMetrics().contentType, "text/plain; version=0.0.4; charset=utf-8");
});

const createHarkMetrics = () =>
  new HarkMetrics({ version: "1.2.3", memory: () => ({ rss: 200, heap: 100 }) });

Deno.test("HarkMetrics has every metric of the server", () => {
  const metrics = createHarkMetrics().describe().map(({ name, type }) => `${name} ${type}`);
  assertEquals(metrics, [
    "hark_sessions gauge",
    "hark_connections_total counter",
    "hark_disconnects_total counter",
    "hark_closing_sessions gauge",
    "hark_publications_total counter",
    "hark_deliveries_total counter",
    "hark_delivered_bytes_total counter",
    "hark_in_use gauge",
    "hark_engineio_sessions gauge",
    "hark_body_bytes gauge",
    "hark_webhook_events_total counter",
    "hark_rejected_total counter",
    "hark_publish_seconds histogram",
    "hark_fanout_seconds histogram",
    "hark_channels gauge",
    "hark_history_publications gauge",
    "hark_history_bytes gauge",
    "hark_append_seconds histogram",
    "hark_reconnects_total counter",
    "hark_reloads_total counter",
    "hark_gaps_total counter",
    "hark_foreign_entries_total counter",
    "hark_feed_lag gauge",
    "hark_feed_lag_seconds gauge",
    "hark_journal_up gauge",
    "hark_nodes gauge",
    "hark_forwarded_total counter",
    "hark_watched_channels gauge",
    "hark_event_loop_delay_seconds gauge",
    "hark_process_memory_bytes gauge",
    "hark_build_info gauge",
  ]);
});

Deno.test("HarkMetrics.render() shows each field under its own name", () => {
  const metrics = createHarkMetrics();
  metrics.sessions.with("websocket").set(1);
  metrics.connections.add(2);
  metrics.disconnects.with("going away").add(3);
  metrics.closingSessions.set(4);
  metrics.publications.add(6);
  metrics.deliveries.add(7);
  metrics.deliveredBytes.add(8);
  metrics.inUse.with("connections_max").set(16);
  metrics.engineioSessions.set(17);
  metrics.bodyBytes.set(18);
  metrics.webhookEvents.with("sent").add(25);
  metrics.rejected.with("rate").add(9);
  metrics.publishSeconds.observe(10);
  metrics.fanoutSeconds.observe(0.000_05);
  metrics.channels.set(12);
  metrics.historyPublications.set(13);
  metrics.historyBytes.set(14);
  metrics.reconnects.add(21);
  metrics.appendSeconds.observe(0.5);
  metrics.reloads.add(22);
  metrics.gaps.add(26);
  metrics.foreignEntries.add(27);
  metrics.feedLag.set(23);
  metrics.feedLagSeconds.set(0.024);
  metrics.journalUp.set(1);
  metrics.nodes.set(3);
  metrics.forwarded.add(5);
  metrics.watchedChannels.set(15);
  metrics.eventLoopDelaySeconds.set(0.016);
  const samples = metrics.render().split("\n")
    .filter((line) => !line.startsWith("#") && !/_bucket{le="[0-9.]+"}/.test(line));
  assertEquals(samples, [
    'hark_sessions{transport="websocket"} 1',
    "hark_connections_total 2",
    'hark_disconnects_total{reason="going away"} 3',
    "hark_closing_sessions 4",
    "hark_publications_total 6",
    "hark_deliveries_total 7",
    "hark_delivered_bytes_total 8",
    'hark_in_use{bound="connections_max"} 16',
    "hark_engineio_sessions 17",
    "hark_body_bytes 18",
    'hark_webhook_events_total{outcome="sent"} 25',
    'hark_rejected_total{reason="rate"} 9',
    'hark_publish_seconds_bucket{le="+Inf"} 1',
    "hark_publish_seconds_sum 10",
    "hark_publish_seconds_count 1",
    'hark_fanout_seconds_bucket{le="+Inf"} 1',
    "hark_fanout_seconds_sum 0.00005",
    "hark_fanout_seconds_count 1",
    "hark_channels 12",
    "hark_history_publications 13",
    "hark_history_bytes 14",
    'hark_append_seconds_bucket{le="+Inf"} 1',
    "hark_append_seconds_sum 0.5",
    "hark_append_seconds_count 1",
    "hark_reconnects_total 21",
    "hark_reloads_total 22",
    "hark_gaps_total 26",
    "hark_foreign_entries_total 27",
    "hark_feed_lag 23",
    "hark_feed_lag_seconds 0.024",
    "hark_journal_up 1",
    "hark_nodes 3",
    "hark_forwarded_total 5",
    "hark_watched_channels 15",
    "hark_event_loop_delay_seconds 0.016",
    'hark_process_memory_bytes{kind="heap"} 100',
    'hark_process_memory_bytes{kind="rss"} 200',
    'hark_build_info{version="1.2.3"} 1',
    "",
  ]);
});

Deno.test("HarkMetrics.render() measures memory whenever it is read", () => {
  let rss = 10;
  const metrics = new HarkMetrics({ version: "1", memory: () => ({ rss: rss++, heap: 5 }) });
  const read = () => metrics.render().split("\n").filter((line) => line.includes("memory_bytes{"));
  const expected = (rss: number) => [
    'hark_process_memory_bytes{kind="heap"} 5',
    `hark_process_memory_bytes{kind="rss"} ${rss}`,
  ];
  assertEquals([read(), read()], [expected(10), expected(11)]);
});

Deno.test("HarkMetrics measures times from 50 µs to 5 s", () => {
  const rendered = createHarkMetrics().render();
  for (const name of ["hark_publish_seconds", "hark_fanout_seconds"]) {
    const bounds = [...rendered.matchAll(new RegExp(`${name}_bucket{le="([^"]+)"}`, "g"))];
    assertEquals(bounds.map(([, bound]) => bound), [
      ...["0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025"],
      ...["0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf"],
    ]);
  }
});

Deno.test("HarkMetrics.render() is well formed throughout", () => {
  for (const line of createHarkMetrics().render().trimEnd().split("\n")) {
    assertMatch(
      line,
      /^(# HELP hark_\w+ .+|# TYPE hark_\w+ (counter|gauge|histogram)|hark_\w+({\w+="[^"]+"})? [\d.]+)$/,
    );
  }
});
