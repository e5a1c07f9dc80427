import { assertEquals, assertMatch } from "@std/assert";
import { systemClock } from "../../../lib/core/clock.ts";
import { eventually } from "../../support/deadline.ts";
import { OPCODES, RawConnection } from "../../support/raw.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { Client, HarkClient } from "../../support/socket.ts";

const WELCOME = '{"message":"Welcome to my server"}';

/** Waits until the server has this number of clients. */
async function untilCount(server: TestServer, count: number): Promise<void> {
  await eventually(
    async () => (await server.fetch("/count")).body,
    (body) => body === `{"count":${count}}`,
  );
}

/** The reason in the log for the next client that leaves. */
async function disconnection(server: TestServer) {
  const { level, why } = await server.log.find(({ message }) => message === "client disconnected");
  return { level, why };
}

Deno.test("a client gets the welcome first, and then one frame for each message", async () => {
  await using server = await startServer();
  for (const path of ["/ws", "/"]) {
    await using client = await Client.open(server.socketUrl(path));
    await server.broadcast("hello");
    await server.broadcast("<b>ü€😀</b>");
    assertEquals(await client.frames.take(3), [
      WELCOME,
      '{"message":"hello"}',
      '{"message":"<b>ü€😀</b>"}',
    ]);
  }
});

Deno.test("the welcome can be changed, or left out", async () => {
  for (const welcome of ['He said "hi" 😀', ""]) {
    await using server = await startServer({ welcome });
    await using client = await Client.open(server.socketUrl());
    await server.broadcast("first");
    if (welcome !== "") assertEquals(await client.json(), { message: welcome });
    assertEquals(await client.json(), { message: "first" });
  }
});

Deno.test("50 clients get 200 fast broadcasts, each once and in the order of acceptance", async () => {
  await using server = await startServer({ publishPerSecondMax: 10_000 });
  const url = server.socketUrl();
  const clients = await Promise.all(Array.from({ length: 50 }, () => Client.open(url)));
  await untilCount(server, 50);
  const publishers = Array.from({ length: 10 }, async (_, publisher) => {
    for (let number = 0; number < 20; number++) await server.broadcast(`${publisher}-${number}`);
  });
  await Promise.all(publishers);
  await server.broadcast("end");

  const first = await clients[0]!.frames.take(202);
  const expected = Array.from({ length: 200 }, (_, at) => `${Math.floor(at / 20)}-${at % 20}`);
  const got = first.slice(1, -1).map((frame) => JSON.parse(String(frame)).message as string);
  assertEquals([first[0], first.at(-1)], [WELCOME, '{"message":"end"}']);
  assertEquals(got.toSorted(), expected.toSorted());
  // Each publisher waited for its answers: so its messages are in order.
  for (let publisher = 0; publisher < 10; publisher++) {
    const own = got.filter((message) => message.startsWith(`${publisher}-`));
    assertEquals(own, expected.slice(publisher * 20, publisher * 20 + 20));
  }
  for (const client of clients.slice(1)) assertEquals(await client.frames.take(202), first);
  for (const client of clients) await client.close();
  for (const client of clients) assertEquals(await client.frames.rest(), []);
});

Deno.test("a client that closes is answered, forgotten and logged", async () => {
  await using server = await startServer();
  const cases: [number | undefined, string][] = [
    [1000, "client closed"],
    [undefined, "client closed"],
    [3000, "client error"],
    [4999, "client error"],
  ];
  for (const [code, why] of cases) {
    const client = await Client.open(server.socketUrl());
    await untilCount(server, 1);
    client.socket.close(code);
    assertEquals((await client.closed()).code, code ?? 1005);
    await untilCount(server, 0);
    assertEquals(await disconnection(server), { level: "info", why });
  }
});

Deno.test("a client whose TCP connection is lost is forgotten", async () => {
  await using server = await startServer();
  for (let round = 0; round < 3; round++) {
    const connection = await RawConnection.open(server.port);
    await connection.handshake();
    await connection.text();
    await untilCount(server, 1);
    connection[Symbol.dispose]();
    await untilCount(server, 0);
    assertEquals(await disconnection(server), { level: "info", why: "connection lost" });
  }
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_disconnects_total{reason="connection_lost"}'), 3);
  assertEquals(metrics.get('hark_sessions{transport="websocket"}'), 0);
  assertEquals(metrics.get("hark_closing_sessions"), 0);
});

Deno.test("a connection that is lost in the middle of a broadcast harms nobody", async () => {
  await using server = await startServer();
  const url = server.socketUrl();
  const clients = await Promise.all(Array.from({ length: 10 }, () => Client.open(url)));
  const lost = await Promise.all(Array.from({ length: 10 }, async () => {
    const connection = await RawConnection.open(server.port);
    await connection.handshake();
    return connection;
  }));
  await untilCount(server, 20);
  for (let number = 0; number < 100; number++) {
    if (number % 10 === 5) lost.pop()![Symbol.dispose]();
    await server.broadcast(String(number));
  }
  const expected = Array.from({ length: 100 }, (_, number) => `{"message":"${number}"}`);
  for (const client of clients) {
    assertEquals(await client.frames.take(101), [WELCOME, ...expected]);
    await client.close();
  }
});

Deno.test("a silent client gets a ping after heartbeat-s, and is closed after twice that time", async () => {
  await using server = await startServer({ heartbeatS: 0.5 });
  using silent = await RawConnection.open(server.port);
  await silent.handshake();
  await using lively = await Client.open(server.socketUrl());
  assertEquals(await silent.text(), WELCOME);
  assertEquals((await silent.frame()).opcode, OPCODES.ping);
  assertEquals((await silent.closeFrame()).code, 1001);
  assertEquals(await disconnection(server), { level: "info", why: "idle" });
  assertEquals((await server.fetch("/count")).body, '{"count":1}');
  await server.broadcast("still here?");
  assertEquals(await lively.frames.take(2), [WELCOME, '{"message":"still here?"}']);
  assertEquals((await server.metrics()).get('hark_disconnects_total{reason="idle"}'), 1);
});

Deno.test("a frame of inbound-bytes-max is accepted, a larger one closes with 4502", async () => {
  await using server = await startServer({ inboundBytesMax: 2000 });
  const right = ["a".repeat(2000), "ü".repeat(1000), "€".repeat(666), new Uint8Array(2000)];
  const wrong = ["a".repeat(2001), "ü".repeat(1001), "€".repeat(667), new Uint8Array(2001)];
  for (const frame of [...right, ...wrong]) {
    await using client = await Client.open(server.socketUrl());
    await client.text();
    client.send(frame);
    if (right.includes(frame)) {
      await client.close();
      continue;
    }
    assertEquals(await client.closed(), {
      code: 4502,
      reason: "over a limit: a frame has at most 2000 bytes",
    });
    const { level, why, address } = await server.log.find(({ message }) =>
      message === "client cut"
    );
    assertEquals([level, why, address], [
      "warn",
      "over a limit: a frame has at most 2000 bytes",
      "127.0.0.1",
    ]);
  }
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_rejected_total{reason="limit"}'), 4);
  assertEquals(metrics.get('hark_disconnects_total{reason="limit"}'), 4);
});

Deno.test("a message in fragments counts as a whole", async () => {
  await using server = await startServer({ inboundBytesMax: 2000 });
  using connection = await RawConnection.open(server.port);
  await connection.handshake();
  await connection.send(OPCODES.text, "a".repeat(1500), false);
  await connection.send(OPCODES.ping, "in between");
  await connection.send(OPCODES.continuation, "a".repeat(1500));
  assertEquals((await connection.closeFrame()).code, 4502);
});

Deno.test("inbound-per-second-max frames are accepted at once, one more closes with 4502", async () => {
  let now = 0;
  const clock = { ...systemClock, monotonic: () => now };
  await using server = await startServer({ inboundPerSecondMax: 5, clock });
  await using client = await HarkClient.open(server.socketUrl());
  const frame = { type: "presence", channel: "a" };
  for (const [passed, allowed] of [[0, 5], [1000, 5], [400, 2], [60_000, 5]] as const) {
    now += passed;
    for (let count = 0; count < allowed; count++) {
      assertEquals((await client.command(frame)).type, "ok");
    }
  }
  client.client.send(JSON.stringify(frame));
  assertEquals(await client.client.closed(), {
    code: 4502,
    reason: "over a limit: at most 5 frames a second",
  });
});

Deno.test("frames that break RFC 6455 end the connection and nothing else", async () => {
  await using server = await startServer();
  await using witness = await Client.open(server.socketUrl());
  await witness.text();
  const frames: Record<string, number[]> = {
    "a reserved opcode": [0x83, 0x80, 0, 0, 0, 0],
    "a reserved bit": [0xc1, 0x80, 0, 0, 0, 0],
    "a ping of 126 bytes": [0x89, 0xfe, 0, 126, 0, 0, 0, 0, ...new Array(126).fill(0)],
    "a ping in fragments": [0x09, 0x80, 0, 0, 0, 0],
    "a text that is not UTF-8": [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff],
    "a continuation of nothing": [0x80, 0x80, 0, 0, 0, 0],
    "a length of 2^63": [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    "a close of one byte": [0x88, 0x81, 0, 0, 0, 0, 3],
    "no WebSocket at all": [...new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")],
  };
  for (const [name, bytes] of Object.entries(frames)) {
    using connection = await RawConnection.open(server.port);
    await connection.handshake();
    assertEquals(await connection.text(), WELCOME);
    await connection.write(new Uint8Array(bytes));
    await connection.ended();
    await server.broadcast(name);
    assertEquals(await witness.json(), { message: name });
  }
  await untilCount(server, 1);
  const lines = server.log.takeAll();
  assertEquals(lines.filter(({ level }) => level === "error"), []);
});

Deno.test("pings are answered", async () => {
  await using server = await startServer();
  using connection = await RawConnection.open(server.port);
  await connection.handshake();
  await connection.text();
  await connection.send(OPCODES.ping, "are you there?");
  const { opcode, payload } = await connection.frame();
  assertEquals([opcode, new TextDecoder().decode(payload)], [OPCODES.pong, "are you there?"]);
});

Deno.test("what a plain client sends is ignored", async () => {
  await using server = await startServer();
  await using client = await Client.open(server.socketUrl());
  await using other = await Client.open(server.socketUrl());
  client.send('{"type":"publish","channel":"broadcast","data":1}');
  client.send(new Uint8Array([1, 2, 3]));
  await server.broadcast("end");
  for (const { frames } of [client, other]) {
    assertEquals(await frames.take(2), [WELCOME, '{"message":"end"}']);
  }
});

Deno.test("bytes travel as a binary frame", async () => {
  await using server = await startServer();
  await using client = await Client.open(server.socketUrl());
  await client.text();
  const body = new Uint8Array([0, 1, 254, 255]);
  const headers = { "content-type": "application/octet-stream" };
  const { status } = await server.fetch("/channels/broadcast", { method: "POST", headers, body });
  assertEquals(status, 200);
  assertEquals(await client.frames.next(), body);
});

Deno.test("a session's id is 128 random bits", async () => {
  await using server = await startServer();
  const ids = new Set<unknown>();
  for (let count = 0; count < 5; count++) {
    await using _client = await Client.open(server.socketUrl());
    const { id } = await server.log.find(({ message }) => message === "new connection");
    assertMatch(String(id), /^[A-Za-z0-9_-]{22}$/);
    ids.add(id);
  }
  assertEquals(ids.size, 5);
});
