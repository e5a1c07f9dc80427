import { assertEquals } from "@std/assert";
import { EngineHost } from "../../support/engineio.ts";
import { OPCODES, RawConnection } from "../../support/raw.ts";

const BYTES = new Uint8Array([4, 0, 1, 255]);

Deno.test("a text frame is a packet, and a message is one in both directions", async () => {
  await using host = new EngineHost();
  for (const query of ["EIO=4", "EIO=3"]) {
    const { client, session } = await host.open(query);
    for (const text of ["hello", "ü€😀", "", "\u2028\x1e\0"]) {
      client.send(`4${text}`);
      assertEquals(await session.messages.next(), text);
      session.send(text);
      assertEquals(await client.text(), `4${text}`);
    }
    await client.close();
  }
});

Deno.test("version 4: a binary frame is a message as it stands", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open("EIO=4");
  for (const bytes of [BYTES, new Uint8Array()]) {
    client.send(bytes);
    assertEquals(await session.messages.next(), bytes);
    session.engine.write(bytes);
    assertEquals(await client.frames.next(), bytes);
  }
  client.send("bBAAB/w==");
  assertEquals(await session.messages.next(), BYTES);
  await client.close();
});

Deno.test("version 3: a binary frame is the type and the message", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open("EIO=3");
  client.send(new Uint8Array([4, ...BYTES]));
  assertEquals(await session.messages.next(), BYTES);
  session.engine.write(BYTES);
  assertEquals(await client.frames.next(), new Uint8Array([4, ...BYTES]));
  await client.close();
});

Deno.test("a client that asked for b64 gets bytes as text", async () => {
  await using host = new EngineHost();
  for (const [query, expected] of [["EIO=4&b64=1", "bBAAB/w=="], ["EIO=3&b64=1", "b4BAAB/w=="]]) {
    const { client, session } = await host.open(query);
    session.engine.write(BYTES);
    assertEquals(await client.frames.next(), expected);
    client.send(expected!);
    assertEquals(await session.messages.next(), BYTES);
    await client.close();
  }
});

const malformed: [query: string, frame: string | Uint8Array<ArrayBuffer>][] = [
  ["EIO=4", "abc"],
  ["EIO=4", ""],
  ["EIO=4", "7"],
  ["EIO=4", "b$"],
  ["EIO=3", "abc"],
  ["EIO=3", "b5AQ=="],
  ["EIO=3", new Uint8Array()],
  ["EIO=3", new Uint8Array([2, 1])],
];

Deno.test("a frame that is no packet ends its session, and no other", async () => {
  await using host = new EngineHost();
  const other = await host.open();
  for (const [query, frame] of malformed) {
    const { client, session } = await host.open(query);
    client.send(frame);
    assertEquals(await client.closed(), { code: 4500, reason: "protocol error" });
    assertEquals(await session.closed(), "protocol");
  }
  assertEquals(host.faults, malformed.map(() => "protocol"));
  other.session.send("untouched");
  assertEquals(await other.client.text(), "4untouched");
  await other.client.close();
});

Deno.test("packets that have no business on an open session are ignored", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open();
  for (const frame of ["0", "5", "6", "6ignored", "4heard"]) client.send(frame);
  assertEquals(await session.messages.next(), "heard");
  await client.close();
});

Deno.test("a client's close packet ends the session and closes the WebSocket", async () => {
  await using host = new EngineHost();
  for (const query of ["EIO=4", "EIO=3"]) {
    const { client, session } = await host.open(query);
    client.send("1");
    client.send("4behind");
    assertEquals((await client.closed()).code, 1000);
    assertEquals(await session.closed(), "client closed");
    assertEquals(await session.messages.rest(), []);
  }
  assertEquals(host.faults, []);
});

Deno.test("the server closes a WebSocket with only a close frame, behind all that was sent", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open();
  session.send("last");
  session.engine.close({ name: "slow", code: 4001, reason: "slow: too much unsent" });
  session.send("too late");
  assertEquals(await client.closed(), { code: 4001, reason: "slow: too much unsent" });
  assertEquals(client.frames.takeAll(), ["4last"]);
  assertEquals(await session.closed(), "slow");
});

Deno.test("a frame over the limit of a polling body ends the session", async () => {
  await using host = new EngineHost({ pollingBytesMax: 1000 });
  const { client, session } = await host.open();
  client.send(`4${"x".repeat(999)}`);
  assertEquals(await session.messages.next(), "x".repeat(999));
  client.send(`4${"x".repeat(1000)}`);
  assertEquals((await client.closed()).code, 4502);
  assertEquals(await session.closed(), "limit");
  assertEquals(host.faults, ["limit"]);
});

Deno.test("a client that sends more frames a second than it may is cut", async () => {
  await using host = new EngineHost({ inboundPerSecondMax: 3 });
  const { client, session } = await host.open();
  for (const text of ["a", "b", "c", "d"]) client.send(`4${text}`);
  assertEquals((await client.closed()).code, 4502);
  assertEquals(await session.messages.rest(), ["a", "b", "c"]);
});

Deno.test("a client that does not read is cut, and its unsent bytes are freed", async () => {
  await using host = new EngineHost({ outboundBytesMax: 10_000 });
  using connection = await RawConnection.open(host.port);
  await connection.handshake("/?EIO=4&transport=websocket");
  const session = await host.sessions.next();
  const text = "x".repeat(100_000);
  // The kernel takes some of it, and then no more.
  for (let sent = 0; sent < 1000 && session.engine.bufferedBytes <= 10_000; sent++) {
    session.send(text);
    await host.clock.settle();
  }
  session.send("one too many");
  assertEquals(await session.closed(), "slow");
});

Deno.test("a handler that throws ends its session, and is reported", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open();
  session.engine.events = {
    onMessage: () => {
      throw new Error("broken");
    },
    onClose: (why) => session.messages.end(why),
  };
  client.send("4hello");
  assertEquals((await client.closed()).code, 1011);
  assertEquals(host.errors.splice(0).map(String), ["Error: broken"]);
});

Deno.test("a WebSocket that is lost ends its session", async () => {
  await using host = new EngineHost();
  const connection = await RawConnection.open(host.port);
  await connection.handshake("/?EIO=4&transport=websocket");
  const session = await host.sessions.next();
  await connection.send(OPCODES.text, "4hello");
  assertEquals(await session.messages.next(), "hello");
  connection[Symbol.dispose]();
  assertEquals(await session.closed(), "connection lost");
});
