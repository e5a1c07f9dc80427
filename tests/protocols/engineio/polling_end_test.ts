import { assertEquals } from "@std/assert";
import { EngineHost, type PollingClient } from "../../support/engineio.ts";
import { RawConnection } from "../../support/raw.ts";
import type { Answer } from "../../support/reachable.ts";

const SID = '{"code":1,"message":"Session ID unknown"}';
const REQUEST = '{"code":3,"message":"Bad request"}';
const BINARY = { headers: { "content-type": "application/octet-stream" } };

function seen({ status, body }: Answer): [number, string] {
  return [status, body];
}

/** Asserts that the session of one client is over, and that of another is not. */
async function assertDead(client: PollingClient, other: PollingClient, why: string): Promise<void> {
  assertEquals(await client.session.closed(), why);
  assertEquals(seen(await client.poll()), [400, SID]);
  assertEquals(seen(await client.post("4late")), [400, SID]);
  other.session.send("untouched");
  assertEquals(seen(await other.poll()), [200, "4untouched"]);
}

const malformed: [query: string, body: string | Uint8Array<ArrayBuffer>, init?: RequestInit][] = [
  ["EIO=4", "abc"],
  ["EIO=4", ""],
  ["EIO=4", "4a\x1e"],
  ["EIO=4", "4a\x1e9"],
  ["EIO=4", "b$$$"],
  ["EIO=4", new Uint8Array([0x34, 0xff, 0xfe])],
  ["EIO=4", "4binary", BINARY],
  ["EIO=3", "abc"],
  ["EIO=3", ""],
  ["EIO=3", "9:4short"],
  ["EIO=3", "2:4a2"],
  ["EIO=3", "99999999999:4"],
  ["EIO=3", "4hello"],
  ["EIO=3", new Uint8Array([2, 1, 255, 52]), BINARY],
  ["EIO=3", new Uint8Array([0, 9, 255, 52]), BINARY],
  ["EIO=3&j=0", "x=4hello"],
  ["EIO=3&j=0", "d=%ff"],
];

Deno.test("a payload that cannot be parsed gets 400 and ends its session, and no other", async () => {
  await using host = new EngineHost();
  const other = await host.poll();
  for (const [query, body, init] of malformed) {
    const client = await host.poll(query);
    assertEquals(seen(await client.post(body, init)), [400, REQUEST], `${query} ${body}`);
    await assertDead(client, other, "protocol");
  }
  assertEquals(new Set(host.faults), new Set(["protocol"]));
});

Deno.test("nothing of a payload is taken if any of it is malformed", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  await client.post("4first\x1e4second\x1eabc");
  assertEquals(await client.session.messages.rest(), []);
});

Deno.test("a malformed payload ends its session with a close packet to the open poll", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const { answer } = await client.openPoll();
  assertEquals(seen(await client.post("abc")), [400, REQUEST]);
  assertEquals(seen(await answer), [200, "1"]);
});

Deno.test("a second poll ends the session: the first gets a close packet, it gets 400", async () => {
  await using host = new EngineHost();
  for (const [query, close] of [["EIO=4", "1"], ["EIO=3", "1:1"]] as const) {
    const other = await host.poll();
    const client = await host.poll(query);
    const { answer } = await client.openPoll();
    assertEquals(seen(await client.poll()), [400, REQUEST]);
    assertEquals(seen(await answer), [200, close]);
    await assertDead(client, other, "protocol");
  }
});

Deno.test("two posts at once end the session: an open poll gets a close packet, both get 400", async () => {
  await using host = new EngineHost();
  const other = await host.poll();
  const client = await host.poll();
  const { answer } = await client.openPoll();
  using first = await slowPost(host, client, "4half", 10);
  assertEquals(seen(await client.post("4other")), [400, REQUEST]);
  assertEquals(seen(await answer), [200, "1"]);
  await first.write("other");
  assertEquals(seen(await first.answer()), [400, REQUEST]);
  await assertDead(client, other, "protocol");
  assertEquals(await client.session.messages.rest(), []);
});

/** Posts the beginning of a body of `length` bytes, and waits until the server reads it. */
async function slowPost(
  host: EngineHost,
  client: PollingClient,
  beginning: string,
  length: number,
): Promise<RawConnection> {
  const connection = await RawConnection.open(host.port);
  const mark = `&t=${crypto.randomUUID()}`;
  await connection.request([
    `POST /?EIO=4&transport=polling&sid=${client.sid}${mark} HTTP/1.1`,
    "Host: localhost",
    `Content-Length: ${length}`,
  ], beginning);
  await host.arrived.find((url) => url.endsWith(mark));
  return connection;
}

Deno.test("a poll that the client aborts ends the session", async () => {
  await using host = new EngineHost();
  const other = await host.poll();
  const client = await host.poll();
  const controller = new AbortController();
  const { answer } = await client.openPoll({ signal: controller.signal });
  controller.abort();
  await answer.catch(() => {});
  await assertDead(client, other, "connection lost");
  await host.holds(1);
});

Deno.test("a body over the limit gets 413 and ends its session, whether or not it says its length", async () => {
  await using host = new EngineHost({ pollingBytesMax: 1000 });
  const other = await host.poll();
  const fits = `4${"x".repeat(999)}`;
  const bodies: (() => BodyInit)[] = [() => `${fits}x`, () => new Blob([`${fits}x`]).stream()];
  for (const body of bodies) {
    const client = await host.poll();
    assertEquals(seen(await client.post(fits)), [200, "ok"]);
    assertEquals(seen(await client.post(body())), [413, ""]);
    await assertDead(client, other, "limit");
  }
  assertEquals(host.faults, ["limit", "limit"]);
});

Deno.test("a body that is not whole after 30 seconds ends its session", async () => {
  await using host = new EngineHost({ pingIntervalMs: 60_000 });
  const other = await host.poll();
  const client = await host.poll();
  using connection = await slowPost(host, client, "4half", 10);
  host.clock.advance(29_999);
  assertEquals(client.session.messages.takeAll(), []);
  assertEquals(host.server.size, 2);
  host.clock.advance(1);
  assertEquals(seen(await connection.answer()), [400, REQUEST]);
  await assertDead(client, other, "protocol");
});

Deno.test("a body that breaks off ends its session", async () => {
  await using host = new EngineHost();
  const other = await host.poll();
  const client = await host.poll();
  (await slowPost(host, client, "4half", 10))[Symbol.dispose]();
  await assertDead(client, other, "protocol");
});

Deno.test("a client's close packet ends the session: an open poll gets a noop", async () => {
  await using host = new EngineHost();
  for (const [query, close, noop] of [["EIO=4", "1", "6"], ["EIO=3", "1:1", "1:6"]] as const) {
    const other = await host.poll();
    const client = await host.poll(query);
    const { answer } = await client.openPoll();
    assertEquals(seen(await client.post(close)), [200, "ok"]);
    assertEquals(seen(await answer), [200, noop]);
    await assertDead(client, other, "client closed");
  }
  assertEquals(host.faults, []);
});

Deno.test("packets behind a close packet are dropped", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  assertEquals(seen(await client.post("4before\x1e1\x1e4behind")), [200, "ok"]);
  assertEquals(await client.session.messages.rest(), ["before"]);
});

const SHUTDOWN = { name: "shutdown", code: 1001, reason: "going away" };
const FORBIDDEN = { name: "forbidden", code: 4501, reason: "forbidden" };

Deno.test("a close that invites the client back sends the queue, then lets the poll fail", async () => {
  await using host = new EngineHost();
  for (const [query, last] of [["EIO=4", "4last"], ["EIO=3", "5:4last"]] as const) {
    for (const queued of [true, false]) {
      const client = await host.poll(query);
      const { answer } = await client.openPoll();
      if (queued) client.session.send("last");
      client.session.engine.close(SHUTDOWN);
      client.session.send("too late");
      assertEquals(seen(await answer), queued ? [200, last] : [400, REQUEST]);
      assertEquals(await client.session.closed(), "shutdown");
      assertEquals(seen(await client.poll()), [400, SID]);
    }
  }
});

Deno.test("any other close is a packet in an answer of its own, behind the queue", async () => {
  await using host = new EngineHost();
  for (const [query, ...expected] of [["EIO=4", "4last", "1"], ["EIO=3", "5:4last", "1:1"]]) {
    const client = await host.poll(query);
    const { answer } = await client.openPoll();
    client.session.send("last");
    client.session.engine.close(FORBIDDEN);
    client.session.send("too late");
    assertEquals([(await answer).body, (await client.poll()).body], expected);
    assertEquals(await client.session.closed(), "forbidden");
    assertEquals(seen(await client.poll()), [400, SID]);
  }
});

Deno.test("the next polls get the queue of a session that the server has closed, for 30 seconds at most", async () => {
  await using host = new EngineHost();
  const queries = ["EIO=4", "EIO=3&b64=1", "EIO=3&j=3"];
  const expected = ["4last\x1ebAQ==", "5:4last6:b4AQ==", '___eio[3]("5:4last6:b4AQ==");'];
  const clients = await Promise.all(queries.map((query) => host.poll(query)));
  const late = await host.poll();
  for (const { session } of [...clients, late]) {
    session.send("last");
    session.engine.write(new Uint8Array([1]));
    session.engine.close(SHUTDOWN);
    assertEquals(await session.closed(), "shutdown");
  }
  assertEquals(host.taken, 4);
  host.clock.advance(29_999);
  for (const [at, client] of clients.entries()) {
    assertEquals(seen(await client.post("4x")), [400, SID]);
    assertEquals(seen(await client.poll()), [200, expected[at]]);
    assertEquals(seen(await client.poll()), [400, SID]);
  }
  assertEquals(host.taken, 1);
  host.clock.advance(1);
  assertEquals(seen(await late.poll()), [400, SID]);
  assertEquals(host.taken, 0);
});

Deno.test("how many goodbyes are kept is bounded", async () => {
  await using host = new EngineHost({ newcomersMax: 2 });
  const clients: PollingClient[] = [];
  for (let count = 0; count < 3; count++) {
    const client = await host.poll();
    client.session.engine.close(FORBIDDEN);
    clients.push(client);
  }
  assertEquals(host.taken, 2);
  const answers = await Promise.all(clients.map((client) => client.poll()));
  assertEquals(answers.map(seen), [[200, "1"], [200, "1"], [400, SID]]);
});

Deno.test("a client that polls too slowly is cut, and its queue is dropped", async () => {
  await using host = new EngineHost({ outboundBytesMax: 1000 });
  const other = await host.poll();
  const client = await host.poll();
  client.session.send("x".repeat(600), "x".repeat(600));
  assertEquals(client.session.engine.bufferedBytes, 1202);
  client.session.send("one too many");
  assertEquals(await client.session.closed(), "slow");
  assertEquals(client.session.engine.bufferedBytes, 0);
  await assertDead(client, other, "slow");
});

Deno.test("a client that posts more packets a second than it may is cut", async () => {
  await using host = new EngineHost({ inboundPerSecondMax: 3 });
  const other = await host.poll();
  const client = await host.poll();
  assertEquals(seen(await client.post("4a\x1e4b\x1e4c")), [200, "ok"]);
  host.clock.advance(1000);
  assertEquals(seen(await client.post("4d\x1e4e\x1e4f\x1e4g\x1e4h")), [400, REQUEST]);
  await assertDead(client, other, "limit");
  assertEquals(await client.session.messages.rest(), ["a", "b", "c", "d", "e", "f"]);
  assertEquals(host.faults, ["limit"]);
});
