import { assertEquals } from "@std/assert";
import { eventually } from "../support/deadline.ts";
import { Proxy } from "../support/proxy.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { bytes, SocketIoClient, type Version, VERSIONS, type Way, WAYS } from "./clients.ts";
import { serveConformance } from "./conformance_server.ts";

const TEXTS = ["hello", "<b>ü€😀</b>", '\u2028\n\t"\\', "日本語".repeat(100)];

/** So that a client that is gone between two polls is missed soon. */
const IMPATIENT = { heartbeatS: 0.5, pingTimeoutMs: 2000 };

/** Waits until the server knows of so many clients. */
async function untilCount(server: TestServer, count: number): Promise<void> {
  await eventually(
    async () => (await server.fetch("/count")).body,
    (body) => body === `{"count":${count}}`,
  );
}

/** The data of the next `count` events `message`. */
async function messages(client: SocketIoClient, count: number): Promise<unknown[]> {
  return (await client.events("message").take(count)).map(([data]) => data);
}

/** Declares a test for each version over each transport. */
function forEach(name: string, run: (version: Version, way: Way) => Promise<void>): void {
  for (const version of VERSIONS) {
    for (const way of Object.keys(WAYS) as Way[]) {
      Deno.test(`socket.io-client ${version}, ${way}: ${name}`, () => run(version, way));
    }
  }
}

forEach(
  "is greeted, gets every broadcast once and in order, and counts until it crashes",
  async (version, way) => {
    await using server = await startServer({ ...IMPATIENT, publishPerSecondMax: 10_000 });
    await using client = await SocketIoClient.start(version, way, server.url, ["message"]);
    assertEquals(await messages(client, 1), [{ message: "Welcome to my server" }]);
    await untilCount(server, 1);

    // The fast ones come while a client that can is upgrading.
    const numbers = Array.from({ length: 200 }, (_, at) => String(at));
    const expected = [...numbers, ...TEXTS];
    for (const text of expected) await server.broadcast(text);
    assertEquals(await messages(client, expected.length), expected.map((message) => ({ message })));

    const subscribed = await client.ask("subscribe", ["ü"]) as [{ error: { code: string } }];
    assertEquals(subscribed[0].error.code, "bad-request");
    assertEquals(await client.ask("subscribe", ["news"]), [{ ok: true }]);
    const body = new Uint8Array([0, 1, 255]);
    const headers = { "content-type": "application/octet-stream" };
    await server.fetch("/channels/news", { method: "POST", body, headers });
    assertEquals(await messages(client, 1), [bytes(0, 1, 255)]);

    await client[Symbol.asyncDispose]();
    assertEquals(await client.events("message").rest(), []);
    await untilCount(server, 0);
  },
);

forEach("comes back by itself when the server is started again", async (version, way) => {
  const first = await startServer({ welcome: "first" });
  await using client = await SocketIoClient.start(version, way, first.url, ["message"]);
  assertEquals(await messages(client, 1), [{ message: "first" }]);
  if (way === "upgrade") assertEquals(await client.next("upgrade"), ["websocket"]);
  await first.stop();
  await client.next("disconnect");
  await using second = await startServer({ welcome: "second", port: first.port });
  assertEquals(await messages(client, 1), [{ message: "second" }]);
  await second.broadcast("hello again");
  assertEquals(await messages(client, 1), [{ message: "hello again" }]);
});

forEach("exchanges events, acks and bytes", async (version, way) => {
  const server = serveConformance(0, { pingTimeoutMs: 60_000 });
  const url = `http://127.0.0.1:${server.port}`;
  const events = ["auth", "message-back"];
  const client = await SocketIoClient.start(version, way, url, events);
  try {
    assertEquals(await client.next("auth"), [{}]);
    if (way === "upgrade") assertEquals(await client.next("upgrade"), ["websocket"]);
    const sent = [
      ["ascii", 1, null, { deep: [true] }],
      TEXTS,
      [],
      [bytes(1, 2, 3), { nested: [bytes(), "ü", bytes(255)] }],
    ];
    for (const args of sent) {
      await client.emit("message", ...args);
      assertEquals(await client.next("message-back"), args);
      assertEquals(await client.ask("message-with-ack", ...args), args);
    }
  } finally {
    await client[Symbol.asyncDispose]();
    await server.close();
  }
});
for (const way of Object.keys(WAYS) as Way[]) {
  Deno.test(`socket.io-client 4.8.4, ${way}: recovers what it missed, from the first moment on`, async () => {
    await using server = await startServer({ welcome: "", publishPerSecondMax: 10_000 });
    await using proxy = new Proxy(server.port);
    const url = `http://127.0.0.1:${proxy.port}`;
    await using client = await SocketIoClient.start("4.8.4", way, url, ["message", "gap"]);
    assertEquals(await client.next("connect"), [false]);
    const texts = Array.from({ length: 90 }, (_, at) => String(at));
    for (const at of [0, 30, 60]) {
      // Whoever is cut in the middle of an upgrade polls no more, and waits for its time-out.
      if (way === "upgrade") assertEquals(await client.next("upgrade"), ["websocket"]);
      // A cut between two polls is none: so cut until the client says that it was.
      await eventually(() => {
        proxy.cut();
        return client.events("disconnect").takeAll();
      }, ({ length }) => length > 0);
      for (const text of texts.slice(at, at + 15)) await server.broadcast(text);
      assertEquals(await client.next("connect"), [true]);
      for (const text of texts.slice(at + 15, at + 30)) await server.broadcast(text);
    }
    const received = await messages(client, texts.length);
    assertEquals(received, texts.map((message) => ({ message })));
    assertEquals(client.events("gap").takeAll(), []);
  });
}
