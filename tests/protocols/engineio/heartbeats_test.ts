import { assertEquals } from "@std/assert";
import { EngineHost, type HostSession } from "../../support/engineio.ts";
import type { Client } from "../../support/socket.ts";

const SID = '{"code":1,"message":"Session ID unknown"}';
const REQUEST = '{"code":3,"message":"Bad request"}';

/** Sends frames, and waits until the server has them. */
async function say(client: Client, session: HostSession, ...frames: string[]): Promise<void> {
  for (const frame of [...frames, "4mark"]) client.send(frame);
  await session.messages.find((message) => message === "mark");
}

Deno.test("version 4: the server pings a WebSocket every interval, as long as it answers", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open();
  for (let round = 0; round < 3; round++) {
    host.clock.advance(24_999);
    assertEquals(client.frames.takeAll(), []);
    host.clock.advance(1);
    assertEquals(await client.text(), "2");
    host.clock.advance(19_999);
    await say(client, session, "3");
  }
  await client.close();
  assertEquals(await session.closed(), "client closed");
});

Deno.test("version 4: the server pings a client that polls, as long as it answers", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  for (let round = 0; round < 3; round++) {
    const { answer } = await client.openPoll();
    host.clock.advance(25_000);
    assertEquals((await answer).body, "2");
    host.clock.advance(19_999);
    assertEquals((await client.post("3")).body, "ok");
  }
});

Deno.test("version 4: a client that does not answer a ping in time is closed, whatever else it sends", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open();
  const polling = await host.poll();
  host.clock.advance(25_000);
  assertEquals(await client.text(), "2");
  assertEquals((await polling.poll()).body, "2");
  await say(client, session, "4still talking");
  await polling.post("4still talking");
  const { answer } = await polling.openPoll();
  host.clock.advance(19_999);
  await say(client, session);
  host.clock.advance(1);
  assertEquals(await client.closed(), { code: 1000, reason: "ping timeout" });
  assertEquals((await answer).body, REQUEST);
  assertEquals((await polling.poll()).body, SID);
  for (const each of [session, polling.session]) assertEquals(await each.closed(), "ping timeout");
  assertEquals(host.faults, []);
});

Deno.test("version 4: a client that pings is closed", async () => {
  await using host = new EngineHost();
  const other = await host.open();
  for (const ping of ["2", "2probe"]) {
    const { client, session } = await host.open();
    client.send(ping);
    assertEquals((await client.closed()).code, 4500);
    assertEquals(await session.closed(), "protocol");
    const polling = await host.poll();
    await polling.post(ping);
    assertEquals((await polling.poll()).body, SID);
    assertEquals(await polling.session.closed(), "protocol");
  }
  await say(other.client, other.session);
  await other.client.close();
});

Deno.test("version 3: the client pings, and gets its data back", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open("EIO=3");
  const polling = await host.poll("EIO=3");
  for (const data of ["", "probe", "€"]) {
    client.send(`2${data}`);
    assertEquals(await client.text(), `3${data}`);
    assertEquals((await polling.post(`${data.length + 1}:2${data}`)).body, "ok");
    assertEquals((await polling.poll()).body, `${data.length + 1}:3${data}`);
  }
  host.clock.advance(44_999);
  client.send("2");
  assertEquals(await client.text(), "3");
  await polling.post("1:2");
  host.clock.advance(44_999);
  await say(client, session);
  assertEquals((await polling.poll()).body, "1:3");
  await client.close();
});

Deno.test("version 3: a client that sends no ping is closed after interval and time-out, whatever else it sends", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open("EIO=3");
  const polling = await host.poll("EIO=3");
  const { answer } = await polling.openPoll();
  host.clock.advance(44_999);
  await say(client, session);
  await polling.post("2:4x");
  assertEquals(await polling.session.messages.next(), "x");
  host.clock.advance(1);
  assertEquals(await client.closed(), { code: 1000, reason: "ping timeout" });
  assertEquals((await answer).body, REQUEST);
  for (const each of [session, polling.session]) assertEquals(await each.closed(), "ping timeout");
});

Deno.test("version 3: a client that sends a pong is closed", async () => {
  await using host = new EngineHost();
  const { client, session } = await host.open("EIO=3");
  client.send("3");
  assertEquals((await client.closed()).code, 4500);
  assertEquals(await session.closed(), "protocol");
  const polling = await host.poll("EIO=3");
  await polling.post("1:3");
  assertEquals(await polling.session.closed(), "protocol");
  assertEquals(host.faults, ["protocol", "protocol"]);
});
