import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Refusal } from "../../../lib/core/errors.ts";
import { join, listen, SocketHost } from "../../support/socketio.ts";

Deno.test("protocol 5: a client joins by asking, and gets an id that is not the sid", async () => {
  await using host = new SocketHost();
  const client = await host.connect();
  const [, engineSid] = /"sid":"([^"]+)"/.exec(await client.text())!;
  host.clock.advance(20_000);
  assertEquals(client.frames.takeAll(), [], "nothing is joined unasked");
  const asked: [packet: string, answer: string, namespace: string][] = [
    ["40", "40", "/"],
    ["40/custom,", "40/custom,", "/custom"],
    ['40/other,{"token":"123"}', "40/other,", "/other"],
  ];
  const ids = new Set<string>();
  for (const [packet, expected, namespace] of asked) {
    client.send(packet);
    const [, prefix, id] = /^(.*){"sid":"([A-Za-z0-9_-]{20})"}$/.exec(await client.text())!;
    const socket = await host.sockets.next();
    assertEquals([prefix, id, namespace], [expected, socket.id, socket.namespace]);
    assertEquals([socket.connected, socket.ended, socket.protocol], [true, false, 5]);
    ids.add(socket.id);
  }
  assertEquals(ids.size, 3);
  assertEquals(ids.has(engineSid!), false);
  await client.close();
});

Deno.test("protocol 5: a namespace can be asked for without the comma, and with no auth", async () => {
  await using host = new SocketHost();
  const client = await host.join();
  client.send("40/custom");
  assertMatch(await client.text(), /^40\/custom,{"sid":"[^"]+"}$/);
  const auths = (await host.sockets.take(2)).map(({ request }) => request.auth);
  assertEquals(auths, [{}, {}]);
  await client.close();
});

Deno.test("protocol 5: a socket knows its auth, query, address and headers", async () => {
  await using host = new SocketHost();
  const client = await host.connect("EIO=4&room=%C3%BC");
  await client.text();
  await join(client, "", '{"token":"123","__proto__":{"admin":true}}');
  const { auth, query, address, headers } = (await host.sockets.next()).request;
  assertEquals(JSON.stringify(auth), '{"token":"123","__proto__":{"admin":true}}');
  assertEquals((auth as { admin?: boolean }).admin, undefined);
  assertEquals([query.get("room"), address], ["ü", "192.0.2.1"]);
  assertEquals(headers.get("host"), `127.0.0.1:${host.port}`);
  await client.close();
});

Deno.test("protocol 5: an unknown namespace is refused, and the connection lives", async () => {
  await using host = new SocketHost();
  const client = await host.connect();
  await client.text();
  for (const namespace of ["/random", "/__proto__", "/constructor", "/cust"]) {
    client.send(`40${namespace},`);
    assertEquals(await client.text(), `44${namespace},{"message":"Invalid namespace"}`);
  }
  await join(client);
  await client.close();
});

Deno.test("protocol 5: over polling, the answers to a join leave in one payload", async () => {
  await using host = new SocketHost();
  const { body } = await host.fetch("EIO=4&transport=polling");
  const query = `EIO=4&transport=polling&sid=${/"sid":"([^"]+)"/.exec(body)![1]}`;
  const post = { method: "POST", body: "40\x1e40/custom,\x1e40/random," };
  assertEquals((await host.fetch(query, post)).body, "ok");
  const [main, custom, ...rest] = (await host.fetch(query)).body.split("\x1e");
  assertMatch(main!, /^40{"sid":"[^"]+"}$/);
  assertMatch(custom!, /^40\/custom,{"sid":"[^"]+"}$/);
  assertEquals(rest, ['44/random,{"message":"Invalid namespace"}']);
});

Deno.test("protocol 5: a connection that has joined nothing in time is closed", async () => {
  // Nobody sees when a pong has arrived: there is time for it beyond the end of the test.
  await using host = new SocketHost({ pingTimeoutMs: 40_000 });
  const idle = await host.connect("EIO=4");
  const refused = await host.connect("EIO=4");
  const joined = await host.join();
  for (const client of [idle, refused]) await client.text();
  refused.send("40/random,");
  await refused.text();
  const { body } = await host.fetch("EIO=4&transport=polling");
  host.clock.advance(24_999);
  host.clock.advance(1);
  for (const client of [idle, refused, joined]) {
    assertEquals(await client.text(), "2");
    client.send("3");
  }
  joined.send("40/other,");
  await joined.text();
  host.clock.advance(19_999);
  const pong = { method: "POST", body: "3" };
  const query = `EIO=4&transport=polling&sid=${/"sid":"([^"]+)"/.exec(body)![1]}`;
  assertEquals((await host.fetch(query, pong)).body, "ok");
  host.clock.advance(1);
  const reason = "protocol error: joined no namespace in time";
  for (const client of [idle, refused]) {
    assertEquals(await client.closed(), { code: 4500, reason });
  }
  for (const packet of ["2", "1"]) assertEquals((await host.fetch(query)).body, packet);
  assertEquals(
    host.refusals,
    Array(3).fill(["over-limit", "joined no namespace in time", "192.0.2.1"]),
  );
  joined.send("41");
  joined.send("40");
  assertMatch(await joined.text(), /^40/);
  await joined.close();
});

Deno.test("protocol 5: a connection that has left every namespace has to join again in time", async () => {
  await using host = new SocketHost({ pingIntervalMs: 100_000 });
  const client = await host.join();
  await join(client, "/custom,");
  client.send("41");
  client.send("40");
  await client.text();
  for (const namespace of ["", "/custom,"]) client.send(`41${namespace}`);
  client.send("40/random,");
  await client.text();
  host.clock.advance(44_999);
  await join(client);
  client.send("41");
  client.send("40/random,");
  await client.text();
  host.clock.advance(45_000);
  assertEquals((await client.closed()).code, 4500);
});

Deno.test("protocol 4: every client joins / with the first answer", async () => {
  await using host = new SocketHost();
  const { body } = await host.fetch("EIO=3&transport=polling");
  const [, sid] = /^120:0{"sid":"([^"]+)".*}2:40$/.exec(body)!;
  const polling = await host.sockets.next();
  assertEquals([polling.id, polling.namespace, polling.protocol], [sid, "/", 4]);

  const client = await host.connect("EIO=3");
  const [, socketSid] = /^0{"sid":"([^"]+)"/.exec(await client.text())!;
  assertEquals(await client.text(), "40");
  assertEquals((await host.sockets.next()).id, socketSid);
  await client.close();
});

Deno.test("protocol 4: other namespaces are joined with a query of their own", async () => {
  await using host = new SocketHost();
  const client = await host.connect("EIO=3&room=outer");
  await client.frames.take(2);
  const main = await host.sockets.next();
  for (const packet of ["40/custom?room=inner&x=%C3%BC", "40/other"]) client.send(packet);
  assertEquals(await client.frames.take(2), ["40/custom,", "40/other,"]);
  const [custom, other] = await host.sockets.take(2);
  assertEquals([custom!.id, other!.id], [`/custom#${main.id}`, `/other#${main.id}`]);
  const queries = [main, custom!, other!].map(({ request }) => [...request.query]);
  assertEquals(queries[1], [["room", "inner"], ["x", "ü"]]);
  assertEquals(queries[2], queries[0]);
  await client.close();
});

Deno.test("protocol 4: a namespace is refused with a text, in ASCII", async () => {
  await using host = new SocketHost();
  host.guards.set("/closed", () => {
    throw new Refusal("forbidden", "geschlossen für €");
  });
  const client = await host.connect("EIO=3");
  await client.frames.take(2);
  for (const namespace of ["/random", "/closed"]) client.send(`40${namespace}`);
  assertEquals(await client.frames.take(2), [
    '44/random,"Invalid namespace"',
    '44/closed,"geschlossen f\\u00fcr \\u20ac"',
  ]);
  await client.close();
});

Deno.test("protocol 4: a second join, and packets for a namespace that was not joined, are ignored", async () => {
  await using host = new SocketHost();
  const client = await host.connect("EIO=3");
  await client.frames.take(2);
  const socket = await host.sockets.next();
  listen(socket, { ask: (_, id) => socket.acknowledge(id!, "here") });
  for (const packet of ["40", '42/custom,["x"]', "41/custom,", "43/custom,1[]", '420["ask"]']) {
    client.send(packet);
  }
  assertEquals(await client.text(), '430["here"]');
  await client.close();
});

const misplaced: [what: string, packets: string[]][] = [
  ["an event before joining", ['42["message"]']],
  ["an ack before joining", ["430[]"]],
  ["a disconnect before joining", ["41"]],
  ["an event for another namespace", ["40", '42/custom,["message"]']],
  ["an event for a namespace that was left", ["40", "40/custom,", "41/custom,", '42/custom,["x"]']],
  ["a second connect", ["40", "40"]],
  ["a refusal", ["40", '44{"message":"no"}']],
];

for (const [what, packets] of misplaced) {
  Deno.test(`protocol 5: ${what} closes the connection`, async () => {
    await using host = new SocketHost();
    const client = await host.connect();
    for (const packet of packets) client.send(packet);
    assertEquals((await client.closed()).code, 4500);
    assertEquals(host.faults, ["protocol"]);
  });
}

Deno.test("the namespaces of one client are bounded", async () => {
  await using host = new SocketHost({ namespacesMax: 2 });
  const client = await host.join();
  await join(client, "/custom,");
  client.send("40/other,");
  assertEquals(await client.text(), '44/other,{"message":"At most 2 namespaces"}');
  assertEquals(host.refusals, [["over-limit", "too many namespaces", "192.0.2.1"]]);
  client.send("41/custom,");
  await join(client, "/other,");
  await client.close();
});

Deno.test("ids are all different", async () => {
  await using host = new SocketHost();
  const client = await host.connect();
  await client.text();
  const first = await join(client);
  client.send("41");
  assertNotEquals(await join(client), first);
  await client.close();
});
