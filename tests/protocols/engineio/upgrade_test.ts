import { assertEquals } from "@std/assert";
import { EngineHost, type PollingClient } from "../../support/engineio.ts";
import type { Client } from "../../support/socket.ts";

const REQUEST = '{"code":3,"message":"Bad request"}';

/** Makes sure that a session lives on, on polling. */
async function assertPolls(client: PollingClient): Promise<void> {
  client.session.send("still polling");
  assertEquals((await client.poll()).body, "4still polling");
  assertEquals((await client.post("4and posting")).body, "ok");
  assertEquals(await client.session.messages.next(), "and posting");
}

/** Makes sure that a session lives on, on a WebSocket. */
async function assertSpeaks(client: PollingClient, socket: Client): Promise<void> {
  client.session.send("from the server");
  assertEquals(await socket.text(), "4from the server");
  socket.send("4from the client");
  assertEquals(await client.session.messages.next(), "from the client");
}

Deno.test("an upgrade goes by probe, noop and upgrade packet, in both versions", async () => {
  await using host = new EngineHost();
  for (const [query, noop] of [["EIO=4", "6"], ["EIO=3", "1:6"]] as const) {
    const client = await host.poll(query);
    const { answer } = await client.openPoll();
    await using socket = await client.probe();
    host.clock.advance(100);
    assertEquals((await answer).body, noop);
    socket.send("5");
    await assertSpeaks(client, socket);
    for (const request of [client.poll(), client.post("4too late")]) {
      const { status, body } = await request;
      assertEquals([status, body], [400, REQUEST]);
    }
    await assertSpeaks(client, socket);
  }
  assertEquals(host.faults, []);
});

Deno.test("while a client upgrades, each poll that it makes is ended every 100 ms", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  await using socket = await client.connect();
  const before = await client.openPoll();
  host.clock.advance(1000);
  client.session.send("no probe yet");
  assertEquals((await before.answer).body, "4no probe yet");
  socket.send("2probe");
  assertEquals(await socket.text(), "3probe");
  for (let round = 0; round < 3; round++) {
    const { answer } = await client.openPoll();
    host.clock.advance(99);
    host.clock.advance(1);
    assertEquals((await answer).body, "6");
  }
  socket.send("5");
  await assertSpeaks(client, socket);
});

Deno.test("packets that wait for a poll are the first on the WebSocket, in order", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const bytes = new Uint8Array([1, 2, 3]);
  client.session.send("one");
  client.session.engine.write(bytes);
  const connecting = client.upgrade();
  client.session.send("two");
  await using socket = await connecting;
  socket.send("4mark");
  await client.session.messages.next();
  client.session.send("three");
  assertEquals(await socket.frames.take(4), ["4one", bytes, "4two", "4three"]);
  assertEquals(client.session.engine.bufferedBytes, 0);
});

Deno.test("a poll that is open when the client has changed over gets 400", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const { answer } = await client.openPoll();
  await using socket = await client.upgrade();
  assertEquals((await answer).status, 400);
  await assertSpeaks(client, socket);
});

Deno.test("a client may post until it has upgraded", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  await using socket = await client.probe();
  assertEquals((await client.post("4posted")).body, "ok");
  assertEquals(await client.session.messages.next(), "posted");
  socket.send("5");
  await assertSpeaks(client, socket);
});

const notProbes: [string, (string | Uint8Array<ArrayBuffer>)[]][] = [
  ["a message", ["4hello"]],
  ["an upgrade with no probe", ["5"]],
  ["another ping", ["2other"]],
  ["a bare ping", ["2"]],
  ["nothing that can be read", ["abc"]],
  ["nothing", [""]],
  ["bytes", [new Uint8Array([4, 1, 2])]],
  ["a close packet", ["1"]],
  ["a probe and a message", ["2probe", "4hello"]],
  ["two probes", ["2probe", "2probe"]],
];

for (const [what, frames] of notProbes) {
  Deno.test(`a WebSocket that sends ${what} instead of the probe is dropped, polling goes on`, async () => {
    await using host = new EngineHost();
    const client = await host.poll();
    await using socket = await client.connect();
    for (const frame of frames) socket.send(frame);
    assertEquals((await socket.closed()).code, 1000);
    await host.holds(1);
    await assertPolls(client);
    assertEquals(client.session.messages.takeAll(), []);
    await using second = await client.upgrade();
    await assertSpeaks(client, second);
  });
}

Deno.test("an upgrade that takes longer than 10 s is dropped, polling goes on", async () => {
  await using host = new EngineHost();
  for (const frames of [[], ["2probe"]]) {
    const client = await host.poll();
    await using socket = await client.connect();
    for (const frame of frames) socket.send(frame);
    for (const frame of frames) assertEquals(await socket.text(), frame.replace("2", "3"));
    host.clock.advance(9_999);
    await assertPolls(client);
    host.clock.advance(1);
    assertEquals(await socket.closed(), { code: 1000, reason: "" });
    await assertPolls(client);
    const { answer } = await client.openPoll();
    host.clock.advance(1000);
    client.session.send("no noop any more");
    assertEquals((await answer).body, "4no noop any more");
    client.session.engine.close({ name: "shutdown", code: 1001, reason: "" });
    await client.poll();
    await host.holds(0);
  }
  assertEquals(host.faults, ["upgrade-timeout", "upgrade-timeout"]);
});

Deno.test("a WebSocket that goes away before the upgrade leaves polling as it was", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  for (const frames of [[], ["2probe"]]) {
    const socket = await client.connect();
    for (const frame of frames) socket.send(frame);
    for (const _ of frames) await socket.text();
    await socket.close();
    await host.holds(1);
    await assertPolls(client);
  }
});

Deno.test("a second WebSocket for a sid is closed, before and after the upgrade", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  await using socket = await client.connect();
  await using second = await client.connect();
  assertEquals((await second.closed()).code, 1000);
  socket.send("2probe");
  assertEquals(await socket.text(), "3probe");
  await using third = await client.connect();
  assertEquals((await third.closed()).code, 1000);
  socket.send("5");
  await using fourth = await client.connect();
  fourth.send("2probe");
  assertEquals((await fourth.closed()).code, 1000);
  assertEquals(fourth.frames.takeAll(), []);
  await assertSpeaks(client, socket);
  await host.holds(1);
});

Deno.test("a WebSocket cannot take over a session that began on one", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open();
  await using thief = await host.connect(`EIO=4&sid=${session.engine.id}`);
  thief.send("2probe");
  assertEquals((await thief.closed()).code, 1000);
  assertEquals(thief.frames.takeAll(), []);
  session.send("mine");
  assertEquals(await client.text(), "4mine");
  await client.close();
});

Deno.test("a session that ends closes the WebSocket of its upgrade", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  await using socket = await client.probe();
  assertEquals((await client.post("1")).body, "ok");
  assertEquals(await client.session.closed(), "client closed");
  assertEquals((await socket.closed()).code, 1000);
});

Deno.test("a WebSocket for a session that ends in the handshake is closed", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const connecting = client.connect();
  await host.arrived.find((url) => url.includes("transport=websocket"));
  client.session.engine.close({ name: "shutdown", code: 1001, reason: "" });
  await using socket = await connecting;
  assertEquals((await socket.closed()).code, 1000);
  assertEquals((await client.poll()).status, 400);
});

const SHUTDOWN = { name: "shutdown", code: 1001, reason: "going away" };

Deno.test("a close waits for a probed upgrade, and for the queue", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const { answer } = await client.openPoll();
  await using socket = await client.probe();
  client.session.send("by polling");
  assertEquals((await answer).body, "4by polling");
  client.session.send("by WebSocket");
  client.session.engine.close(SHUTDOWN);
  assertEquals(await client.session.closed(), "shutdown");
  host.server.endAll();
  client.session.send("too late");
  socket.send("5");
  assertEquals(await socket.text(), "4by WebSocket");
  assertEquals(await socket.closed(), { code: 1001, reason: "going away" });
});

Deno.test("an upgrade that is never finished holds a close up for 10 s at most", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const { answer } = await client.openPoll();
  await using socket = await client.probe();
  client.session.engine.close(SHUTDOWN);
  assertEquals((await answer).body, "6");
  host.clock.advance(9_999);
  assertEquals(host.server.size, 1);
  host.clock.advance(1);
  assertEquals((await socket.closed()).code, 1000);
  assertEquals(host.server.size, 0);
});

Deno.test("a client that probes with a frame that is too large loses that WebSocket alone", async () => {
  await using host = new EngineHost({ pollingBytesMax: 1000 });
  const client = await host.poll();
  await using socket = await client.connect();
  socket.send(`2${"x".repeat(1000)}`);
  assertEquals((await socket.closed()).code, 1000);
  await assertPolls(client);
});
