import { assertEquals, assertNotEquals } from "@std/assert";
import { Polling } from "../../support/polling.ts";
import { startServer } from "../../support/server.ts";
import { connect, join, open, parse, publish, untilCount } from "../../support/socketio_client.ts";

Deno.test("a client that comes back gets what it missed, once and in order, under its old pid", async () => {
  await using server = await startServer();
  const first = await connect(server);
  await first.text();
  await server.broadcast("seen");
  const [, , offset] = parse(await first.text());
  await first.close();
  for (const message of ["one", "two"]) await server.broadcast(message);

  await using second = await connect(server, { pid: first.pid, offset });
  assertEquals(second.pid, first.pid);
  assertEquals(second.sid, first.sid);
  await server.broadcast("three");
  const packets = await second.frames.take(3);
  assertEquals(packets.map((packet) => parse(String(packet))[1]), [
    { message: "one" },
    { message: "two" },
    { message: "three" },
  ]);
});

Deno.test("a client can be recovered from the first moment, before it got any event", async () => {
  await using server = await startServer({ welcome: "" });
  await server.broadcast("before its time");
  const first = await connect(server);
  await first.close();
  await server.broadcast("missed");
  await using second = await connect(server, { pid: first.pid });
  assertEquals(second.pid, first.pid);
  assertEquals(parse(await second.text())[1], { message: "missed" });
});

Deno.test("later subscriptions of a client are remembered, on / and on a namespace", async () => {
  await using server = await startServer({ welcome: "" });
  for (const namespace of ["", "/news,"]) {
    const first = await open(server);
    const { pid } = await join(first, namespace);
    first.send(`42${namespace}0["subscribe",["later","gone"]]`);
    first.send(`42${namespace}1["unsubscribe","gone"]`);
    assertEquals((await first.frames.take(2)).map((packet) => String(packet).slice(-13)), [
      '[{"ok":true}]',
      '[{"ok":true}]',
    ]);
    await first.close();
    for (const channel of ["gone", "later"]) await publish(server, channel, `on ${channel}`);
    await using second = await open(server);
    assertEquals((await join(second, namespace, { pid })).pid, pid);
    assertEquals(parse(await second.text())[1], { message: "on later" });
    await publish(server, "later", "live");
    assertEquals(parse(await second.text())[1], { message: "live" });
  }
});

Deno.test("if something was lost, the client is new, and gets a gap", async () => {
  await using server = await startServer({ historyCount: 2 });
  const first = await connect(server);
  await first.text();
  await first.close();
  for (const message of ["lost", "kept", "last"]) await server.broadcast(message);
  await using second = await connect(server, { pid: first.pid });
  assertNotEquals(second.pid, first.pid);
  const [, since] = first.pid.split("~");
  const packets = (await second.frames.take(4)).map((packet) => parse(String(packet)));
  assertEquals(packets.map(([name, data]) => [name, data]), [
    ["message", { message: "Welcome to my server" }],
    ["gap", { since, oldest: packets[0]![2] }],
    ["message", { message: "kept" }],
    ["message", { message: "last" }],
  ]);
});

Deno.test("a pid of another server is as good as none, but what is new to it is sent", async () => {
  await using server = await startServer();
  await server.broadcast("here");
  const pid = `${"A".repeat(22)}~aaaaaaaa-5`;
  await using client = await connect(server, { pid, offset: "aaaaaaaa-9" });
  assertNotEquals(client.pid, pid);
  const names = (await client.frames.take(3)).map((packet) => parse(String(packet)).slice(0, 2));
  assertEquals(names.map(([name]) => name), ["message", "gap", "message"]);
  assertEquals(names[2]![1], { message: "here" });
});

Deno.test("a pid that this server never gave out recovers nobody's subscriptions", async () => {
  await using server = await startServer({ welcome: "" });
  const first = await connect(server);
  first.send('420["subscribe","secret"]');
  await first.text();
  await publish(server, "secret", "not yours");
  await server.broadcast("everybody's");
  const forged = `${"A".repeat(22)}~${first.pid.split("~")[1]}`;
  await using second = await connect(server, { pid: forged });
  assertNotEquals(second.pid, forged);
  assertEquals(parse(await second.text())[1], { message: "everybody's" });
  await first.close();
});

Deno.test("a malformed pid or offset is ignored", async () => {
  await using server = await startServer();
  const first = await connect(server);
  const auths = [
    { pid: 7 },
    { pid: "" },
    { pid: "no position" },
    { pid: "~" },
    { pid: { toString: 1 } },
    { pid: first.pid, offset: "not an offset" },
    { pid: first.pid, offset: "<script>" },
    { offset: "aaaaaaaa-1" },
  ];
  for (const auth of auths) {
    await using client = await connect(server, auth);
    assertNotEquals(client.pid, first.pid);
    assertEquals(parse(await client.text())[1], { message: "Welcome to my server" });
  }
  await first.close();
});

Deno.test("how many clients are remembered is bounded", async () => {
  await using server = await startServer({ welcome: "", channelsMax: 2 });
  const pids: string[] = [];
  for (let count = 0; count < 3; count++) {
    const client = await connect(server);
    pids.push(client.pid);
    await client.close();
    await untilCount(server, 0);
  }
  const kept: boolean[] = [];
  for (const pid of pids.toReversed()) {
    const client = await connect(server, { pid });
    kept.push(client.pid === pid);
    await client.close();
    await untilCount(server, 0);
  }
  assertEquals(kept, [true, true, false]);
});

Deno.test("a client of protocol 4 can resume by its query, and is in with the first answer", async () => {
  await using server = await startServer();
  const since = await publish(server, "broadcast", "seen");
  await server.broadcast("missed");
  const polling = await Polling.open(server, `EIO=3&since=${since}`);
  assertEquals(polling.takeAll(), ["40"]);
  assertEquals(parse(await polling.packet()), ["message", { message: "missed" }]);
});

Deno.test("since in the query of the first connection is an id, or a time, whatever is gone", async () => {
  await using server = await startServer({ historyCount: 2, welcome: "" });
  for (const message of ["1", "2", "3"]) await server.broadcast(message);
  for (const since of ["all", "1h", "1970-01-01T00:00:00Z"]) {
    await using client = await connect(server, {}, `EIO=4&since=${since}`);
    const events = [parse(await client.text()), parse(await client.text())];
    assertEquals(events.map(([name, data]) => [name, data]), [
      ["message", { message: "2" }],
      ["message", { message: "3" }],
    ]);
  }
});
