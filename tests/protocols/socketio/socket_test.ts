import { assertEquals } from "@std/assert";
import { type Disconnect, DISCONNECTS } from "../../../lib/core/errors.ts";
import { Inbox } from "../../support/inbox.ts";
import type { Client } from "../../support/socket.ts";
import { acknowledge, connectPair, emit, listen } from "../../support/socketio.ts";

/** Bytes as a client sends and gets them in a protocol. */
function bytes(protocol: 4 | 5, ...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(protocol === 4 ? [4, ...values] : values);
}

const PLACEHOLDERS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';

for (const protocol of [4, 5] as const) {
  Deno.test(`protocol ${protocol}: an event reaches its handler with its arguments, in order`, async () => {
    await using pair = await connectPair(protocol);
    const { client, socket } = pair;
    const calls = new Inbox<unknown[]>();
    socket.onEvent(({ data }) => Promise.resolve(void calls.push([...data])));
    client.send('42["first",1,"2",{"3":[true,null]}]');
    client.send('42["second"]');
    client.send('42["first","ü€😀"]');
    assertEquals(await calls.take(3), [
      ["first", 1, "2", { "3": [true, null] }],
      ["second"],
      ["first", "ü€😀"],
    ]);
  });

  Deno.test(`protocol ${protocol}: the server sends events`, async () => {
    await using pair = await connectPair(protocol);
    const { client, socket } = pair;
    emit(socket, "message", 1, "2", { "3": [true] });
    emit(socket, "nothing");
    assertEquals(await client.frames.take(2), [
      '42["message",1,"2",{"3":[true]}]',
      '42["nothing"]',
    ]);
  });

  Deno.test(`protocol ${protocol}: an event is answered by its ack`, async () => {
    await using pair = await connectPair(protocol);
    const { client, socket } = pair;
    listen(socket, { ask: (args, id) => socket.acknowledge(id!, ...args) });
    client.send('42456["ask",1,"2",{"3":[false]}]');
    client.send('42457["ask"]');
    assertEquals(await client.frames.take(2), ['43456[1,"2",{"3":[false]}]', "43457[]"]);
  });

  Deno.test(`protocol ${protocol}: bytes travel in events and acks, both ways`, async () => {
    await using pair = await connectPair(protocol);
    const { client, socket } = pair;
    listen(socket, {
      echo: (args) => emit(socket, "back", ...args),
      ask: (args, id) => acknowledge(socket, id!, ...args),
    });
    client.send(`452-["echo",${PLACEHOLDERS}]`);
    client.send(bytes(protocol, 1, 2, 3));
    client.send(bytes(protocol));
    assertEquals(await client.frames.take(3), [
      `452-["back",${PLACEHOLDERS}]`,
      bytes(protocol, 1, 2, 3),
      bytes(protocol),
    ]);
    client.send('451-789["ask",{"deep":[{"_placeholder":true,"num":0}]},"x"]');
    client.send(bytes(protocol, 255));
    assertEquals(await client.frames.take(2), [
      '461-789[{"deep":[{"_placeholder":true,"num":0}]},"x"]',
      bytes(protocol, 255),
    ]);
  });

  Deno.test(`protocol ${protocol}: a client's ack is ignored, as it was asked for none`, async () => {
    await using pair = await connectPair(protocol);
    const { client, socket } = pair;
    listen(socket, { ping: (_, id) => socket.acknowledge(id!) });
    client.send(`461-1[{"_placeholder":true,"num":0}]`);
    client.send(bytes(protocol, 9));
    for (const packet of ['430["late"]', "4399[]", '421["ping"]']) client.send(packet);
    assertEquals(await client.text(), "431[]");
  });

  Deno.test(`protocol ${protocol}: a client leaves a namespace and stays on another`, async () => {
    await using pair = await connectPair(protocol);
    const { client, socket } = pair;
    listen(socket, { ping: (_, id) => socket.acknowledge(id!, "pong") });
    client.send("40/custom,");
    await client.text();
    client.send("41/custom,");
    client.send('420["ping"]');
    assertEquals(await client.text(), '430["pong"]');
  });

  Deno.test(`protocol ${protocol}: the server closes the connection, with a packet if it is for good`, async () => {
    const closes: [reason: Disconnect, packets: string[]][] = [
      [DISCONNECTS.forbidden, ["41"]],
      [DISCONNECTS.slow, []],
    ];
    for (const [reason, packets] of closes) {
      await using pair = await connectPair(protocol);
      const { client, socket } = pair;
      const whys: string[] = [];
      socket.onDisconnect((why) => whys.push(why));
      socket.close(reason);
      socket.close(reason);
      emit(socket, "too late");
      assertEquals((await client.closed()).code, reason.code);
      assertEquals(client.frames.takeAll(), packets);
      assertEquals([socket.connected, socket.ended, whys], [false, true, [reason.name]]);
    }
  });
}

Deno.test("to a client of protocol 4, whatever is not ASCII is escaped in the JSON", async () => {
  await using pair = await connectPair(4);
  const { client, socket } = pair;
  listen(socket, { echo: ([text], id) => socket.acknowledge(id!, text) });
  emit(socket, "grüße", "ü€😀");
  client.send('420["echo","ü€😀"]');
  assertEquals(await client.frames.take(2), [
    '42["gr\\u00fc\\u00dfe","\\u00fc\\u20ac\\ud83d\\ude00"]',
    '430["\\u00fc\\u20ac\\ud83d\\ude00"]',
  ]);
});

Deno.test("to a client of protocol 5, text travels as it is", async () => {
  await using pair = await connectPair(5);
  emit(pair.socket, "grüße", "ü€😀");
  assertEquals(await pair.client.text(), '42["grüße","ü€😀"]');
});

Deno.test("events that nobody handles are ignored, whatever they are called", async () => {
  await using pair = await connectPair();
  const { client, socket } = pair;
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "", "unknown"]) {
    client.send(`42${JSON.stringify([name, { x: 1 }])}`);
    client.send(`427${JSON.stringify([name])}`);
  }
  listen(socket, { ask: (_, id) => socket.acknowledge(id!, "here") });
  client.send('421["ask"]');
  assertEquals(await client.text(), '431["here"]');
  assertEquals(pair.host.thrown, []);
});

Deno.test("an event called __proto__ can be handled like any other", async () => {
  await using pair = await connectPair();
  pair.socket.onEvent(async ({ id, data: [event, value] }) => {
    if (event === "__proto__") await pair.socket.acknowledge(id!, value);
  });
  pair.client.send('420["__proto__",{"__proto__":{"polluted":true}}]');
  assertEquals(await pair.client.text(), '430[{"__proto__":{"polluted":true}}]');
  assertEquals(({} as { polluted?: boolean }).polluted, undefined);
});

Deno.test("a handler that rejects is reported, and the client stays", async () => {
  await using pair = await connectPair();
  const { client, socket, host } = pair;
  listen(socket, {
    reject: () => {
      throw new Error("rejected");
    },
    ask: (_, id) => socket.acknowledge(id!, "here"),
  });
  client.send('42["reject"]');
  client.send('420["ask"]');
  assertEquals(await client.text(), '430["here"]');
  assertEquals(host.thrown.map(String), ["Error: rejected"]);
});

Deno.test("a socket reports once why it has ended", async () => {
  const ends: [end: (client: Client) => void | Promise<void>, why: string][] = [
    [(client) => client.send("41"), "client disconnect"],
    [(client) => client.send("1"), "client closed"],
    [(client) => client.close(), "client closed"],
    [(client) => client.send("4abc"), "protocol"],
  ];
  for (const [end, why] of ends) {
    await using pair = await connectPair();
    const whys = new Inbox<string>();
    pair.socket.onDisconnect((why) => whys.push(why));
    await end(pair.client);
    assertEquals(await whys.next(), why);
    await pair.client[Symbol.asyncDispose]();
    await pair.host.holds(0);
    assertEquals(whys.takeAll(), []);
    emit(pair.socket, "nobody is there");
    pair.socket.close(DISCONNECTS.forbidden);
  }
});
