import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { ConnectionLimits } from "../../lib/core/quota.ts";
import { DISCONNECTS, Refusal } from "../../lib/core/errors.ts";
import { createLog } from "../../lib/observe/log.ts";
import { HarkMetrics } from "../../lib/observe/hark_metrics.ts";
import { Gauge } from "../../lib/observe/metrics.ts";
import { Admission } from "../../lib/hub/admission.ts";
import { Connection, Connections } from "../../lib/hub/connections.ts";
import {
  acceptSocket,
  Handshakes,
  type SocketGuest,
  type SocketHandler,
} from "../../lib/protocols/websocket/socket.ts";
import { systemClock } from "../../lib/core/clock.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { Inbox } from "../support/inbox.ts";
import { TestNode } from "../support/node.ts";
import { HANDSHAKE, OPCODES, RawConnection, request } from "../support/raw.ts";
import { startServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";

/** Connections to a hub with a fake clock, with their log and metrics. */
function setUp(limits: Partial<ConnectionLimits> = {}, linesPerPeerMax = 1000) {
  const lines: string[] = [];
  const log = createLog({
    format: "text",
    level: "debug",
    linesPerPeerMax,
    write: (line) => lines.push(line.slice(line.indexOf("Z ") + 2)),
  });
  const metrics = new HarkMetrics({ version: "0", memory: () => ({ rss: 0, heap: 0 }) });
  const node = new TestNode({
    onOpen: (session) => connections.opened(session),
    onLeave: (session, why) => connections.left(session, why),
  });
  const bounds = { connectionsMax: 10, connectionsPerAddressMax: 10, trustProxy: 0, ...limits };
  const connections = new Connections(
    node.clock,
    new Admission(node.clock, bounds).admit,
    log,
    metrics,
  );
  return { connections, node, metrics, lines };
}

async function refusal(
  connections: Connections,
  address: string,
): Promise<[string, string, number | undefined]> {
  const admitting = connections.admit(address);
  const { type, message, retryAfterS } = await assertRejects(() => admitting, Refusal);
  return [type, message, retryAfterS];
}

Deno.test("Connections.admit() admits all clients at once when they return, and refuses a churn", async () => {
  const { connections, node } = setUp({ connectionsMax: 1000, connectionsPerAddressMax: 100 });
  const crowd = () => {
    return Promise.all(Array.from({ length: 100 }, () => connections.admit("192.0.2.1")));
  };
  for (const connection of await crowd()) connection.gone();
  for (const connection of await crowd()) connection.gone();
  assertEquals(await refusal(connections, "192.0.2.1"), [
    "connect-rate",
    "Cannot connect: your address connects too often",
    5,
  ]);
  assertEquals(connections.taken, 0);
  for (let count = 0; count < 1800; count++) (await connections.admit("127.0.0.1")).gone();
  assertEquals(await refusal(connections, "127.0.0.1"), [
    "connect-rate",
    "Cannot connect: too many clients connect at the same time",
    5,
  ]);
  node.clock.advance(1000);
  for (let count = 0; count < 10; count++) (await connections.admit("192.0.2.1")).gone();
  assertEquals((await refusal(connections, "192.0.2.1"))[0], "connect-rate");
});

Deno.test("Connections.admit() refuses one address more than it may have, and no other", async () => {
  const { connections } = setUp({ connectionsPerAddressMax: 2 });
  const first = await connections.admit("192.0.2.1");
  await connections.admit("192.0.2.1");
  assertEquals(await refusal(connections, "192.0.2.1"), [
    "over-limit",
    "Cannot connect: your address has all it may have",
    5,
  ]);
  await connections.admit("192.0.2.2");
  await connections.admit("2001:db8::1");
  first.gone();
  first.gone();
  await connections.admit("192.0.2.1");
  assertEquals((await refusal(connections, "192.0.2.1"))[0], "over-limit");
});

Deno.test("Connections.admit() exempts this machine from the bound of an address", async () => {
  const { connections } = setUp({ connectionsMax: 50, connectionsPerAddressMax: 1 });
  for (const address of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "unix"]) {
    for (let count = 0; count < 5; count++) await connections.admit(address);
  }
  for (const address of ["128.0.0.1", "1.127.0.1", "::11", "::ffff:192.0.2.1", "fe80::1"]) {
    await connections.admit(address);
    assertEquals((await refusal(connections, address))[0], "over-limit", address);
  }
});

Deno.test("Connections.admit() exempts nobody behind a proxy, whoever it says they are", async () => {
  const { connections } = setUp({ connectionsPerAddressMax: 1, trustProxy: 1 });
  for (const address of ["127.0.0.1", "::1", "unix", "192.0.2.1"]) {
    await connections.admit(address);
    assertEquals((await refusal(connections, address))[0], "over-limit", address);
  }
});

Deno.test("Connections.admit() refuses everybody once all slots are taken", async () => {
  const { connections } = setUp({ connectionsMax: 2 });
  const first = await connections.admit("127.0.0.1");
  await connections.admit("192.0.2.1");
  for (const address of ["127.0.0.1", "192.0.2.1", "192.0.2.2"]) {
    assertEquals(await refusal(connections, address), [
      "over-limit",
      "Cannot connect: the server has all it may have",
      5,
    ]);
  }
  first.gone();
  await connections.admit("192.0.2.2");
});

Deno.test("Connections.admit() refuses everybody after stopAdmitting()", async () => {
  const { connections } = setUp();
  connections.stopAdmitting();
  assertEquals(await refusal(connections, "127.0.0.1"), [
    "unavailable",
    "The server is stopping: retry",
    5,
  ]);
});

Deno.test("Connections.gone() waits until every slot is given back, or the time is over", async () => {
  const { connections, node } = setUp();
  const admitted = [await connections.admit("a"), await connections.admit("b")];
  let isGone = false;
  connections.gone(1000, () => 0).then(() => isGone = true);
  admitted[0]!.gone();
  await node.clock.pass(900);
  assertEquals(isGone, false);
  admitted[1]!.gone();
  await node.clock.pass(20);
  assertEquals(isGone, true);

  await connections.admit("c");
  isGone = false;
  connections.gone(1000, () => 0).then(() => isGone = true);
  await node.clock.pass(980);
  assertEquals(isGone, false);
  await node.clock.pass(20);
  assertEquals(isGone, true);
});

Deno.test("Connections reports a session in log and metrics", async () => {
  const { connections, node, metrics, lines } = setUp();
  const open = () => node.open([]).session;
  const first = open();
  const second = open();
  const third = open();
  node.clock.advance(1234);
  first.lost("client closed");
  const [slow, cut] = [await connections.admit("192.0.2.1"), await connections.admit("192.0.2.1")];
  second.end(DISCONNECTS.slow);
  slow.closing();
  third.end(DISCONNECTS.limit);
  cut.closing();
  cut.closing();
  cut.gone();
  cut.gone();
  cut.closing();
  assertEquals(lines, [
    ...[first, second, third].map(({ id }) =>
      `info  new connection id=${id} transport=fake address=192.0.2.1`
    ),
    `info  client disconnected id=${first.id} why="client closed" seconds=1.2`,
    `warn  client disconnected id=${second.id} why=slow seconds=1.2`,
    `info  client disconnected id=${third.id} why=limit seconds=1.2`,
  ]);
  const rendered = metrics.render().split("\n");
  const expected = [
    'hark_sessions{transport="fake"} 0',
    "hark_connections_total 3",
    'hark_disconnects_total{reason="client_closed"} 1',
    'hark_disconnects_total{reason="limit"} 1',
    'hark_disconnects_total{reason="slow"} 1',
    "hark_closing_sessions 1",
  ];
  assertEquals(rendered.filter((line) => expected.includes(line)), expected);
});

Deno.test("Connections.refused() counts everything and warns of bounds and wrong credentials", () => {
  const { connections, metrics, lines } = setUp();
  connections.refused("unauthorized", "no key", "192.0.2.1");
  connections.refused("bad-request", "no name", "192.0.2.1");
  for (const type of ["too-large", "too-many-requests", "over-limit"] as const) {
    connections.refused(type, "too much", "192.0.2.1");
  }
  assertEquals(lines, [
    'warn  refused address=192.0.2.1 why="no key"',
    ...new Array(3).fill('warn  refused address=192.0.2.1 why="too much"'),
  ]);
  const rejected = metrics.render().split("\n").filter((line) => line.startsWith("hark_rejected_"));
  assertEquals(rejected, [
    'hark_rejected_total{reason="bad-request"} 1',
    'hark_rejected_total{reason="over-limit"} 1',
    'hark_rejected_total{reason="too-large"} 1',
    'hark_rejected_total{reason="too-many-requests"} 1',
    'hark_rejected_total{reason="unauthorized"} 1',
  ]);
});

Deno.test("over connections-max, a connection is refused with 503 before the upgrade", async () => {
  await using server = await startServer({ connectionsMax: 2 });
  const first = await Client.open(server.socketUrl());
  await using _second = await Client.open(server.socketUrl());
  const refused = await request(server.port, ["GET /ws HTTP/1.1", ...HANDSHAKE]);
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
  assertEquals(JSON.parse(refused.body).detail, "Cannot connect: the server has all it may have");
  const later = await server.fetch("/events");
  assertMatch(later.body, /^: Cannot connect: the server has all it may have\nretry: \d+\n\n$/);
  const { level, address, why } = await server.log.find(({ message }) => message === "refused");
  assertEquals([level, address, why], [
    "warn",
    "127.0.0.1",
    "Cannot connect: the server has all it may have",
  ]);
  assertEquals((await server.fetch("/healthz")).status, 200);
  assertEquals((await server.metrics()).get('hark_rejected_total{reason="over-limit"}'), 2);
  await first.close();
  await eventually(
    () => request(server.port, ["GET /ws HTTP/1.1", ...HANDSHAKE]),
    ({ status }) => status === 101,
  );
});

Deno.test("a client that never answers close() is out at once, and holds its slot until it is gone", async () => {
  await using server = await startServer({ connectionsMax: 1, inboundPerSecondMax: 1 });
  const mute = await RawConnection.open(server.port);
  await mute.handshake();
  await mute.text();
  await mute.send(OPCODES.text, "one");
  await mute.send(OPCODES.text, "too many");
  assertEquals((await mute.closeFrame()).code, 4502);
  assertEquals((await server.fetch("/count")).body, '{"count":0}');
  const lines = ["GET /ws HTTP/1.1", ...HANDSHAKE];
  assertEquals((await request(server.port, lines)).status, 503);
  const metrics = await server.metrics();
  assertEquals(metrics.get("hark_closing_sessions"), 1);
  assertEquals(metrics.get('hark_sessions{transport="websocket"}'), 0);
  mute[Symbol.dispose]();
  await eventually(
    async () => (await server.metrics()).get("hark_closing_sessions"),
    (count) => count === 0,
  );
  assertEquals((await request(server.port, lines)).status, 101);
});

Deno.test("an exception in any handler of a socket is reported, closes with 1011 and ends nothing else", async () => {
  const reported = new Inbox<string>();
  const handlers = ["open", "message", "close"] as const;
  const options = {
    clock: systemClock,
    handshakes: new Handshakes(systemClock, 10_000, () => {}),
    idleTimeoutS: 0,
    inboundBytesMax: 1000,
    inboundPerSecondMax: 10,
  };
  const connection = () =>
    new Connection("192.0.2.1", () => {}, {
      closing: new Gauge(""),
      fault: (reason, _address, error) =>
        reported.push(`${reason.name}: ${(error as Error).message}`),
    });
  const failing = (at: string | null): SocketGuest => {
    const step = (name: string) => {
      if (name === at) throw new Error(`${name} failed`);
    };
    const handler: SocketHandler = {
      receiveFrame: () => step("message"),
      socketFault: () => {},
      socketClosed: () => step("close"),
    };
    const open = () => {
      step("open");
      return handler;
    };
    return { connection: connection(), open };
  };
  await using http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request) => {
      const at = new URL(request.url).searchParams.get("at");
      return acceptSocket(request, failing(at), options);
    },
  );
  for (const at of handlers) {
    const client = await Client.open(`ws://127.0.0.1:${http.addr.port}/?at=${at}`);
    client.send("hello");
    if (at === "close") client.socket.close();
    const { code, reason } = await client.closed();
    if (at !== "close") assertEquals([code, reason], [1011, "internal error"]);
    assertEquals(await reported.next(), `failed: ${at} failed`);
  }
  await deadline((await Client.open(`ws://127.0.0.1:${http.addr.port}/`)).close());
  assertEquals(reported.takeAll(), []);
});

Deno.test("handlers that fail for one client do not fill the log", () => {
  const { connections, lines } = setUp({}, 2);
  for (let times = 0; times < 100; times++) connections.failed(new Error("odd"), "192.0.2.1");
  assertEquals(lines.filter((line) => line.includes("handler failed")), [
    'error handler failed address=192.0.2.1 error="Error: odd"',
    'error handler failed address=192.0.2.1 error="Error: odd"',
  ]);
});
