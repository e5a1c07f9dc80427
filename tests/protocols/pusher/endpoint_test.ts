import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { DISCONNECTS } from "../../../lib/core/errors.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { APP, ask, PusherPeer, trigger } from "../../support/pusher.ts";
import { type ServerOptions, startServer } from "../../support/server.ts";
import { Client } from "../../support/socket.ts";

const start = (options: ServerOptions = {}) => startServer({ pusherApp: [APP], ...options });

/** The first frame and the close code of a client that connects to this path. */
async function refusal(server: { socketUrl(path: string): string }, path: string) {
  await using client = await Client.open(server.socketUrl(path));
  const frame = await client.json() as { event: string; data: { code: number } };
  return [frame.event, frame.data.code, (await client.closed()).code];
}

Deno.test("a Pusher client is greeted with its socket id, and with nothing else", async () => {
  await using server = await start();
  await using client = await Client.open(server.socketUrl("/app/app-key?protocol=7&version=8.4.0"));
  const text = await client.text();
  assertMatch(
    text,
    /^\{"event":"pusher:connection_established","data":"\{\\"socket_id\\":\\"\d+\.\d+\\",\\"activity_timeout\\":120\}"\}$/,
  );
  await trigger(server, "broadcast", "not for it");
  client.send('{"event":"pusher:ping","data":{}}');
  assertEquals(await client.text(), '{"event":"pusher:pong","data":"{}"}');
  await using other = await PusherPeer.open(server);
  assertNotEquals(JSON.parse(JSON.parse(text).data).socket_id, other.socketId);
  const line = await server.log.find(({ message }) => message === "new connection");
  assertEquals(line.transport, "pusher");
});

Deno.test("whoever is refused is told so by a frame and a close code", async () => {
  await using server = await start();
  const cases: [string, number][] = [
    ["/app/other?protocol=7", 4001],
    ["/app/app-key", 4008],
    ["/app/app-key?protocol=4", 4007],
    ["/app/app-key?protocol=8", 4007],
  ];
  for (const [path, code] of cases) {
    assertEquals(await refusal(server, path), ["pusher:error", code, code], path);
  }
  for (const protocol of ["5", "6"]) {
    await using client = await Client.open(server.socketUrl(`/app/app-key?protocol=${protocol}`));
    await client.text();
  }
  await using full = await start({ connectionsMax: 1 });
  await using _first = await PusherPeer.open(full);
  assertEquals(await refusal(full, "/app/app-key?protocol=7"), ["pusher:error", 4100, 4100]);
  assertEquals((await server.fetch("/app/app-key?protocol=7")).status, 426);
});

Deno.test("without an app there is no Pusher", async () => {
  await using server = await startServer();
  assertEquals((await server.fetch("/app/app-key?protocol=7")).status, 404);
  assertEquals((await ask(server, "/channels")).status, 404);
});

Deno.test("a server with an app is not open: nobody publishes without a signature", async () => {
  await using server = await start();
  const { status, body } = await server.fetch("/broadcast/hi");
  assertEquals(status, 401);
  assertEquals(
    JSON.parse(body).detail,
    "Cannot publish here: sign it with the secret of an app of Pusher, or start the server with " +
      "--publish-key KEY",
  );
});

Deno.test("a message reaches all clients on its channel, as text and with its id", async () => {
  await using server = await start({ publishKey: ["k"] });
  await using client = await PusherPeer.open(server);
  const { event, channel, data, id } = await client.subscribe("ci");
  assertEquals([event, channel, data], ["pusher_internal:subscription_succeeded", "ci", {}]);
  const epoch = id!.split("-")[0];
  assertEquals(id, `${epoch}-0`);
  const texts = ['{"a": 1}', "plain text", '"a string"', "42", "", "[1,", "é\u{1f600}\n"];
  for (const text of texts) await trigger(server, "ci", text);
  for (const [index, text] of texts.entries()) {
    assertEquals(JSON.parse(await client.client.text()), {
      event: "my-event",
      channel: "ci",
      data: text,
      id: `${epoch}-${index + 1}`,
    });
  }
  await server.publish("ci", { n: 1 }, "k");
  assertEquals(await client.frame(), {
    event: "message",
    channel: "ci",
    data: { n: 1 },
    id: `${epoch}-${texts.length + 1}`,
  });
  await server.publish("other", 1, "k");
  assertEquals(await client.settle(), []);
  client.send("pusher:unsubscribe", { channel: "ci" });
  await client.settle();
  await trigger(server, "ci", "1");
  assertEquals(await client.settle(), []);
});

Deno.test("a private channel needs the app's signature of this socket and channel", async () => {
  await using server = await start();
  await using client = await PusherPeer.open(server);
  await using other = await PusherPeer.open(server);
  const right = client.auth(":private-a");
  const wrong = [
    "",
    "app-key:",
    right.slice(0, -1),
    `${right}0`,
    right.toUpperCase(),
    right.replace("app-key", "other"),
    client.auth(":private-b"),
    other.auth(":private-a"),
    client.auth(":private-a:"),
  ];
  for (const auth of wrong) {
    const { event, channel, data } = await client.subscribe("private-a", { auth });
    assertEquals([event, channel], ["pusher:subscription_error", "private-a"]);
    assertEquals(data, {
      type: "AuthError",
      error: "Cannot subscribe to this channel: its auth is not KEY:SIGNATURE of this app",
      status: 401,
    });
  }
  for (const name of ["private-a", "private-cache-a", "private-encrypted-a", "presence-a"]) {
    const { event } = await client.subscribe(name, { auth: "" });
    assertEquals(event, "pusher:subscription_error", name);
  }
  assertEquals(
    (await client.subscribe("private-a")).event,
    "pusher_internal:subscription_succeeded",
  );
  // The example in Pusher's documentation.
  await using documented = await start({
    pusherApp: ["1:278d425bdf160c739803:7ad3773142a6692b25b8"],
  });
  const key = "278d425bdf160c739803";
  await using peer = await PusherPeer.open(documented, { key, secret: "7ad3773142a6692b25b8" });
  const { event } = await peer.subscribe("private-foobar");
  assertEquals(event, "pusher_internal:subscription_succeeded");
});

Deno.test("a client that sends a wrong message gets an error, and stays connected", async () => {
  await using server = await start();
  await using client = await PusherPeer.open(server);
  const frames = ["", "{", "[]", "null", '{"event":1}', '{"event":"x"}', '{"event":"client-a"}'];
  for (const frame of frames) {
    client.client.send(frame);
    const { event, data } = await client.frame();
    assertEquals([event, (data as { code: unknown }).code], ["pusher:error", null], frame);
  }
  for (const channel of ["", "a b", "*", "a.*", "#a", "a".repeat(201)]) {
    const { event, data } = await client.subscribe(channel);
    assertEquals(event, "pusher:subscription_error", channel);
    assertEquals((data as { status: number }).status, 400);
  }
  assertEquals((await client.subscribe("a=b,c;d@e.f")).channel, "a=b,c;d@e.f");
  const again = await client.subscribe("a=b,c;d@e.f");
  assertEquals(again.event, "pusher:error");
  await trigger(server, "a=b,c;d@e.f", "1");
  assertEquals((await client.settle()).map(({ event }) => event), ["my-event"]);
  client.client.send(Uint8Array.of(1));
  assertEquals((await client.client.closed()).code, 4007);
});

Deno.test("Hark's close codes are those that Pusher's clients read", async () => {
  const cases: [keyof typeof DISCONNECTS, number][] = [
    ["shutdown", 1001],
    ["failed", 1011],
    ["slow", 4100],
    ["expired", 4009],
    ["revoked", 4009],
    ["protocol", 4007],
    ["forbidden", 4009],
    ["limit", 4004],
  ];
  assertEquals(cases.length, Object.keys(DISCONNECTS).length);
  const { PusherTransport } = await import("../../../lib/protocols/pusher/transport.ts");
  for (const [name, code] of cases) {
    const closed: number[] = [];
    const socket = { close: ({ code }: { code: number }) => closed.push(code) };
    // deno-lint-ignore no-explicit-any -- as much of a socket as is needed
    const transport = new PusherTransport(socket as any, undefined as any, {
      leave: () => void closed.push(0),
    });
    transport.close(DISCONNECTS[name]);
    assertEquals(closed, [code, 0], name);
  }
});

Deno.test("a client may subscribe to all its channels at once, and is ended for more", async () => {
  await using server = await start({ inboundPerSecondMax: 10, channelsPerSessionMax: 50 });
  await using client = await PusherPeer.open(server);
  for (let index = 0; index < 50; index++) client.ask(`c${index}`);
  const frames = await client.events(50);
  assert(frames.every(([event]) => event === "pusher_internal:subscription_succeeded"));
  const { data } = await client.subscribe("one-more");
  assertEquals((data as { type: string }).type, "LimitReached");
  for (let index = 0; index < 60; index++) client.send("pusher:ping", {});
  assertEquals((await client.client.closed()).code, 4004);
});

Deno.test("a silent client is pinged, and ended if it does not answer", async () => {
  const clock = new FakeClock();
  await using server = await start({ clock });
  await using silent = await PusherPeer.open(server);
  await using alive = await PusherPeer.open(server);
  clock.advance(119_999);
  assertEquals(await alive.settle(), []);
  clock.advance(1);
  assertEquals((await silent.frame()).event, "pusher:ping");
  clock.advance(29_999);
  clock.advance(1);
  assertEquals((await silent.client.closed()).code, 4201);
  clock.advance(90_000);
  assertEquals((await alive.frame()).event, "pusher:ping");
  alive.send("pusher:pong", {});
  await alive.settle();
  clock.advance(40_000);
  assertEquals(await alive.settle(), []);
});

Deno.test("Pusher clients are ended last, with those that connect while the server stops", async () => {
  const server = await start({ drainS: 1 });
  const stayed = await PusherPeer.open(server);
  const others = await Promise.all(
    Array.from({ length: 20 }, () => Client.open(server.socketUrl("/ws"))),
  );
  const stopping = server.stop();
  await others[0]!.closed();
  const late = await Client.open(server.socketUrl("/app/app-key?protocol=7"));
  assertEquals(await late.json(), {
    event: "pusher:error",
    data: { code: 4100, message: "The server is stopping: retry" },
  });
  assertEquals(others.filter(({ socket }) => socket.readyState === WebSocket.OPEN), []);
  assertEquals((await late.closed()).code, 4100);
  assertEquals((await stayed.client.closed()).code, 1001);
  await stopping;
});
