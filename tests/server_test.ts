import { assert, assertEquals, assertMatch } from "@std/assert";
import { HANDSHAKE, OPCODES, RawConnection, request } from "./support/raw.ts";
import { eventually } from "./support/deadline.ts";
import { EventStream } from "./support/events.ts";
import { startServer } from "./support/server.ts";
import { Client, HarkClient } from "./support/socket.ts";

/** The types of the metrics, by name. */
const TYPES: Readonly<Record<string, string>> = {
  hark_sessions: "gauge",
  hark_connections_total: "counter",
  hark_disconnects_total: "counter",
  hark_publications_total: "counter",
  hark_deliveries_total: "counter",
  hark_delivered_bytes_total: "counter",
  hark_rejected_total: "counter",
  hark_closing_sessions: "gauge",
  hark_publish_seconds: "histogram",
  hark_fanout_seconds: "histogram",
  hark_process_memory_bytes: "gauge",
  hark_event_loop_delay_seconds: "gauge",
  hark_build_info: "gauge",
};

Deno.test("/metrics has every metric, with its type and help", async () => {
  await using server = await startServer();
  const { headers, body } = await server.fetch("/metrics");
  assertEquals(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const [name, type] of Object.entries(TYPES)) {
    assertMatch(body, new RegExp(`^# HELP ${name} .+\n# TYPE ${name} ${type}$`, "m"), name);
  }
  const line = /^(# (HELP|TYPE) hark_[a-z_]+ .+|hark_[a-z_]+(\{[a-z]+="[^"]*"\})? [-+.\deInf]+)$/;
  for (const text of body.trimEnd().split("\n")) assertMatch(text, line);
  assert(body.endsWith("\n"));
});

Deno.test("/metrics counts what happened", async () => {
  await using server = await startServer({
    version: "1.2.3",
    publishBytesMax: 100,
    inboundBytesMax: 1024,
    connectionsMax: 4,
  });
  const plain = await Client.open(server.socketUrl());
  const hark = await HarkClient.open(server.socketUrl("/ws?channel=secret-channel"));
  const stream = await EventStream.open(`${server.url}/events`);
  const rude = await RawConnection.open(server.port);
  await rude.handshake();
  await rude.text();

  await server.broadcast("hello");
  await server.broadcast("psst", "?channel=secret-channel");
  const refused = [
    ...["/broadcast/%FF", "/broadcast/x?channel=*", `/broadcast/${"x".repeat(100)}`],
    ...["/broadcast/%", "/ws?channel=", "/ws"],
  ];
  for (const path of refused) {
    const isSocket = path.startsWith("/ws");
    const lines = isSocket ? HANDSHAKE : ["Host: localhost"];
    const { status } = await request(server.port, [`GET ${path} HTTP/1.1`, ...lines]);
    assert(status >= 400, path);
  }
  await request(server.port, ["GET /count HTTP/1.1", "Host: evil.example"]);
  await hark.command({ type: "refresh", token: "t" });
  await rude.send(OPCODES.text, "x".repeat(1025));
  await rude.closeFrame();

  const metrics = await server.metrics();
  const expected: Record<string, number> = {
    'hark_sessions{transport="websocket"}': 2,
    'hark_sessions{transport="sse"}': 1,
    "hark_connections_total": 4,
    'hark_disconnects_total{reason="limit"}': 1,
    "hark_publications_total": 2,
    "hark_deliveries_total": 5,
    'hark_rejected_total{reason="bad-request"}': 4,
    'hark_rejected_total{reason="limit"}': 1,
    'hark_rejected_total{reason="misdirected"}': 1,
    'hark_rejected_total{reason="over-limit"}': 1,
    'hark_rejected_total{reason="too-large"}': 1,
    'hark_rejected_total{reason="unsupported"}': 1,
    "hark_closing_sessions": 1,
    "hark_publish_seconds_count": 2,
    'hark_publish_seconds_bucket{le="+Inf"}': 2,
    "hark_fanout_seconds_count": 2,
    'hark_build_info{version="1.2.3"}': 1,
  };
  const got = Object.keys(expected).map((name) => [name, metrics.get(name)]);
  assertEquals(Object.fromEntries(got), expected);
  for (const name of ["hark_delivered_bytes_total", 'hark_process_memory_bytes{kind="rss"}']) {
    assert(metrics.get(name)! > 100, name);
  }

  await plain.close();
  await hark.client.close();
  await stream[Symbol.asyncDispose]();
  rude[Symbol.dispose]();
  const later = await eventually(
    () => server.metrics(),
    (metrics) =>
      metrics.get("hark_closing_sessions") === 0 &&
      metrics.get('hark_sessions{transport="sse"}') === 0 &&
      metrics.get('hark_sessions{transport="websocket"}') === 0,
  );
  assertEquals(later.get('hark_disconnects_total{reason="client_closed"}'), 3);
});

Deno.test("hark_delivered_bytes_total counts the bytes of every client's frames", async () => {
  await using server = await startServer({ welcome: "" });
  const clients = await Promise.all([1, 2, 3].map(() => Client.open(server.socketUrl())));
  await eventually(
    async () => (await server.fetch("/count")).body,
    (body) => body === '{"count":3}',
  );
  await server.broadcast("ü€😀");
  const bytes = new TextEncoder().encode('{"message":"ü€😀"}').length;
  assertEquals((await server.metrics()).get("hark_delivered_bytes_total"), 3 * bytes);
  for (const client of clients) await client.close();
});

Deno.test("no label of a metric holds a channel, an id or an address", async () => {
  await using server = await startServer();
  const query = "?channel=secret-channel&channel=secret.*";
  await using hark = await HarkClient.open(server.socketUrl(`/ws${query}`));
  const { client: id } = await hark.event();
  await using _stream = await EventStream.open(`${server.url}/events${query}`);
  await server.broadcast("x", "?channel=secret-channel&event=secret-event");
  for (const path of ["/secret-path", "/broadcast/x?channel=secret channel", "/ws?since=secret"]) {
    await server.fetch(path, { method: "POST" });
  }
  await hark.command({ type: "secret-command" });
  const { body } = await server.fetch("/metrics");
  for (const secret of ["secret", String(id), "127.0.0.1", "localhost", String(server.port)]) {
    assert(!body.includes(secret), secret);
  }
  const labels = new Set(Array.from(body.matchAll(/\{([a-z]+)=/g), ([, name]) => name));
  assertEquals(labels, new Set(["transport", "bound", "reason", "le", "kind", "version"]));
});
