import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "../../support/deadline.ts";
import { EventStream } from "../../support/events.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { RawConnection } from "../../support/raw.ts";
import { startChild } from "../../support/child.ts";
import type { Reachable } from "../../support/reachable.ts";
import { startServer } from "../../support/server.ts";
import { configure, Server } from "../../../lib/mod.ts";
import { Client, HarkClient } from "../../support/socket.ts";

/** The fields of a block, with its data parsed as JSON. */
function parse(block: string): Record<string, unknown> {
  const fields = block.split("\n").map((line) => {
    const [, name, value] = /^([a-z]+): (.*)$/s.exec(line)!;
    return [name, name === "data" ? JSON.parse(value!) : value];
  });
  return Object.fromEntries(fields);
}

Deno.test("/events begins with the retry time, the greeting and the position", async () => {
  await using server = await startServer();
  await using stream = await EventStream.open(`${server.url}/events`);
  assertEquals(stream.headers.get("content-type"), "text/event-stream");
  assertEquals(stream.headers.get("cache-control"), "no-store");
  assertEquals(stream.headers.get("x-accel-buffering"), "no");
  const [, retry] = /^retry: (\d+)$/.exec(await stream.blocks.next())!;
  assert(Number(retry) >= 1000 && Number(retry) <= 3000, retry);
  assertMatch(await stream.blocks.next(), /^: Welcome to my server\nid: [a-z0-9]+-0$/);
});

Deno.test("/events sends every message as an event with its id", async () => {
  await using server = await startServer();
  await using stream = await EventStream.open(`${server.url}/events?channel=news`);
  await stream.blocks.take(2);
  await server.broadcast("ü€😀\n\r\n\u2028");
  await server.broadcast("late", "?channel=news&event=headline");
  await server.broadcast("elsewhere", "?channel=sports");
  await server.broadcast("end");
  const blocks = (await stream.blocks.take(3)).map(parse);
  const epoch = String(blocks[0]!.id).split("-")[0];
  assertEquals(blocks, [
    { id: `${epoch}-1`, event: "message", data: { message: "ü€😀\n\r\n\u2028" } },
    { id: `${epoch}-2`, event: "headline", data: { message: "late" } },
    { id: `${epoch}-4`, event: "message", data: { message: "end" } },
  ]);
});

Deno.test("/events resumes after Last-Event-ID, which counts before since", async () => {
  await using server = await startServer();
  await server.broadcast("1");
  await using stream = await EventStream.open(`${server.url}/events`);
  const epoch = String(parse((await stream.blocks.take(2))[1]!.split("\n")[1]!).id).split("-")[0];
  for (const message of ["2", "3", "4"]) await server.broadcast(message);
  const cases: [string, Record<string, string>, string[]][] = [
    [`?since=${epoch}-2`, {}, ["3", "4"]],
    ["", { "last-event-id": `${epoch}-1` }, ["2", "3", "4"]],
    [`?since=${epoch}-1`, { "last-event-id": `${epoch}-3` }, ["4"]],
  ];
  for (const [query, headers, expected] of cases) {
    await using resumed = await EventStream.open(`${server.url}/events${query}`, headers);
    await resumed.blocks.take(2);
    const got = await resumed.blocks.take(expected.length);
    assertEquals(got.map((block) => (parse(block).data as { message: string }).message), expected);
    assertEquals(await resumed.blocks.next(), `id: ${epoch}-4`);
  }
});

Deno.test("a position is read under every name that clients have for it", async () => {
  await using server = await startServer();
  for (const message of ["1", "2", "3"]) await server.broadcast(message);
  const { body } = await server.fetch("/channels/broadcast?limit=1");
  const [{ id: first }] = JSON.parse(body).publications;
  const second = first.replace(/1$/, "2");
  const names = ["since", "lastEventId", "lastEventID", "last-event-id", "Last-Event-ID"];
  for (const name of names) {
    await using stream = await EventStream.open(`${server.url}/events?${name}=${second}`);
    await stream.blocks.take(2);
    assertEquals(parse(await stream.blocks.next()).data, { message: "3" }, name);
    const page = await server.fetch(`/channels/broadcast?${name}=${second}`);
    assertEquals(JSON.parse(page.body).publications.length, 1, name);
    await using socket = await HarkClient.open(server.socketUrl(`/ws?${name}=${second}`));
    assertEquals((await socket.event()).recovered, true, name);
  }
  const cases: [string, Record<string, string>, number][] = [
    [`?since=${first}&lastEventId=${second}`, {}, 1],
    [`?since=x&lastEventId=${second}`, {}, 1],
    [`?lastEventId=${first}`, { "last-event-id": second }, 1],
    [`?lastEventId=&since=${first}`, { "last-event-id": "" }, 2],
  ];
  for (const [query, headers, count] of cases) {
    await using stream = await EventStream.open(`${server.url}/events${query}`, headers);
    await stream.blocks.take(2);
    const got = (await stream.blocks.take(count)).map(parse);
    assertEquals(got.at(-1)!.data, { message: "3" }, query);
  }
});

Deno.test("an id of another server makes a gap, as an EventSource never returns after a 400", async () => {
  await using server = await startServer();
  await server.broadcast("1");
  const foreign = [
    "42",
    "urn:uuid:7e3c",
    "é\u00a0",
    `${"a".repeat(33)}-1`,
    "a-1 ",
    `a-${"1".repeat(16)}`,
  ];
  for (const id of foreign) {
    const query = `?lastEventId=${encodeURIComponent(id)}`;
    const ways: [string, Record<string, string>][] = [["", { "last-event-id": id }], [query, {}]];
    for (const [query, headers] of ways) {
      await using stream = await EventStream.open(`${server.url}/events${query}`, headers);
      const [, welcome, last] = await stream.blocks.take(3);
      const gap = parse(welcome!.split("\n").slice(1).join("\n"));
      assertEquals(gap.event, "gap", id);
      assertEquals(Object.keys(gap.data as object), ["since", "oldest"]);
      assertEquals(parse(last!).data, { message: "1" });
    }
    const page = await server.fetch(`/channels/broadcast${query}`);
    assertEquals([page.status, JSON.parse(page.body).complete], [200, false], id);
  }
});

Deno.test("/events reports a gap if history is gone", async () => {
  await using server = await startServer({ historyCount: 1 });
  for (const message of ["1", "2", "3"]) await server.broadcast(message);
  await using now = await EventStream.open(`${server.url}/events`);
  const [, welcome] = await now.blocks.take(2);
  const epoch = /id: ([a-z0-9]+)-3/.exec(welcome!)![1];
  for (const since of [`${epoch}-1`, "other-7"]) {
    await using stream = await EventStream.open(`${server.url}/events?since=${since}`);
    const [, gap, last] = await stream.blocks.take(3);
    const [comment, ...fields] = gap!.split("\n");
    assertEquals(comment, ": Welcome to my server");
    assertEquals(parse(fields.join("\n")).event, "gap");
    assertEquals(parse(last!).data, { message: "3" });
  }
});

Deno.test("all and times begin with what is kept, on every transport, and make no gap", async () => {
  await using server = await startServer({ historyCount: 2, welcome: "" });
  for (const message of ["1", "2", "3"]) await server.broadcast(message);
  const kept = [{ message: "2" }, { message: "3" }];
  const hour = encodeURIComponent(new Date(Date.now() - 3_600_000).toISOString());
  for (const since of ["all", "1h", hour, "2000-01-01T00:00:00+01:00"]) {
    await using stream = await EventStream.open(`${server.url}/events?since=${since}`);
    const blocks = await stream.blocks.take(5);
    assertEquals(blocks.slice(2, 4).map((block) => parse(block).data), kept, since);
    const epoch = /^id: (\w+)-3$/.exec(blocks[4]!)![1];
    assertEquals(blocks[1], `id: ${epoch}-1`, since);

    await using socket = await Client.open(server.socketUrl(`/ws?since=${since}`));
    assertEquals([await socket.json(), await socket.json()], kept, since);
    await using hark = await HarkClient.open(server.socketUrl(`/ws?since=${since}`));
    assertEquals((await hark.event()).recovered, true, since);
    assertEquals([(await hark.event()).data, (await hark.event()).data], kept, since);
    const reply = await hark.command({ type: "subscribe", channels: ["a"], since: "all" });
    assertEquals([reply.type, reply.recovered], ["ok", true], since);
    const page = JSON.parse((await server.fetch(`/channels/broadcast?since=${since}`)).body);
    assertEquals([page.publications.length, page.complete, page.next], [2, true, `${epoch}-3`]);
  }
  for (const since of ["0s", "2999-01-01T00:00:00Z"]) {
    await using stream = await EventStream.open(`${server.url}/events?since=${since}`);
    const [, begin, done] = await stream.blocks.take(3);
    assertMatch(done!, /^id: \w+-3$/, since);
    assertEquals(begin, done, since);
  }
});

Deno.test("/events refuses a wrong subscription before it opens anything", async () => {
  await using server = await startServer({ channelsPerSessionMax: 1 });
  const cases: [string, Record<string, string>, number][] = [
    ["?channel=", {}, 400],
    ["?channel=a%20b", {}, 400],
    ["?since=x", {}, 400],
    ["?last-event-id=&since=x", {}, 400],
    ["?channel=a&channel=b", {}, 503],
  ];
  for (const [query, headers, expected] of cases) {
    assertEquals((await server.fetch(`/events${query}`, { headers })).status, expected, query);
  }
  assertEquals((await server.fetch("/count")).body, '{"count":0}');
});

/** Asserts that the answer is a stream that ends at once and makes an EventSource come back later. */
async function assertRetry(server: Reachable, query = "", why = /^: .+/): Promise<void> {
  const { status, headers, body } = await server.fetch(`/events${query}`);
  assertEquals([status, headers.get("content-type")], [200, "text/event-stream"]);
  assertMatch(body, why);
  const [, retry] = /^: .+\nretry: (\d+)\n\n$/.exec(body)!;
  assert(Number(retry) >= 1000 && Number(retry) <= 10_000, retry);
}

Deno.test("a temporary refusal is a stream that ends, because any other status is final", async () => {
  await using server = await startServer({ channelsMax: 3, trustProxy: 1 });
  const mine = { "x-forwarded-for": "192.0.2.1" };
  await using _stream = await EventStream.open(`${server.url}/events?channel=a`, mine);
  await assertRetry(
    server,
    "?channel=b&channel=c",
    /^: Cannot subscribe: the server has 3 channels/,
  );
  const { headers, body } = await server.fetch("/events?channel=b&channel=c", {
    headers: { ...mine, origin: "https://other.example" },
  });
  assertEquals(headers.get("access-control-allow-origin"), "*");
  assertMatch(body, /\nretry: \d+\n\n$/);
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_rejected_total{reason="over-limit"}'), 2);
});

Deno.test("/events sends heartbeats, so a silent stream stays open", async () => {
  const clock = new FakeClock();
  await using server = await startServer({ heartbeatS: 1, clock });
  await using stream = await EventStream.open(`${server.url}/events`);
  clock.turn();
  await stream.blocks.take(2);
  for (let beat = 0; beat < 3; beat++) {
    clock.advance(1000);
    assertEquals(await stream.blocks.next(), ":");
  }
});

Deno.test("a client that leaves /events is forgotten, is logged, and frees its slot", async () => {
  await using server = await startServer({ connectionsMax: 1 });
  for (let round = 0; round < 3; round++) {
    {
      await using stream = await EventStream.open(`${server.url}/events`);
      await stream.blocks.take(2);
      assertEquals((await server.fetch("/count")).body, '{"count":1}');
      await assertRetry(server);
    }
    await eventually(
      async () => (await server.fetch("/count")).body,
      (body) => body === '{"count":0}',
    );
    const line = await server.log.find(({ message }) => message === "client disconnected");
    assertEquals(line.why, "client closed");
  }
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_sessions{transport="sse"}'), 0);
  assertEquals(metrics.get("hark_closing_sessions"), 0);
});

Deno.test("a client that stops reading /events is cut, and frees its slot once it is gone", async () => {
  const options = ["--connections-max", "1", "--publish-per-second-max", "1000000"];
  await using server = await startChild(options);
  const slow = await RawConnection.open(server.port);
  await slow.request(["GET /events HTTP/1.1", "Host: localhost"]);
  await slow.head();
  const body = ".".repeat(65_000);
  await eventually(
    async () => {
      await server.fetch("/channels/broadcast", { method: "POST", body });
      return (await server.metrics()).get('hark_disconnects_total{reason="slow"}');
    },
    (count) => count === 1,
  );
  assertEquals((await server.fetch("/count")).body, '{"count":0}');
  assertEquals((await server.metrics()).get("hark_closing_sessions"), 1);
  await assertRetry(server);
  slow[Symbol.dispose]();
  await eventually(
    async () => (await server.metrics()).get("hark_closing_sessions"),
    (count) => count === 0,
  );
  using next = await RawConnection.open(server.port);
  await next.request(["GET /events HTTP/1.1", "Host: localhost"]);
  assertEquals((await next.head()).status, 200);
});

Deno.test("/events gives its slot back if another takes the last channel first", async () => {
  const config = configure({ port: 0, channelsMax: 2, logLevel: "error", drainS: 0 });
  const server = new Server({ config });
  await server.listen();
  const get = (path: string) => server.handle(new Request(`http://localhost${path}`), "127.0.0.1");
  // Each wants two channels, with broadcast, and both are checked before either is open.
  const streams = await Promise.all(["a", "b"].map((name) => get(`/events?channel=${name}`)));
  const metrics = await (await get("/metrics")).text();
  assertMatch(metrics, /^hark_rejected_total\{reason="over-limit"\} 1$/m);
  assertMatch(metrics, /^hark_in_use\{bound="connections_max"\} 1$/m);
  for (const { body } of streams) await body?.cancel();
  await server.stop();
});
