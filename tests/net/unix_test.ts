import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ListenError } from "../../lib/net/listener.ts";
import { TemporaryFolder } from "../support/certificates.ts";
import { deadline } from "../support/deadline.ts";
import { EventStream } from "../support/events.ts";
import { startServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";

/** A client that connects to a Unix socket, whatever the host of the URL. */
function reaching(path: string): Deno.HttpClient {
  return Deno.createHttpClient({ proxy: { transport: "unix", path } });
}

async function get(path: string, url: string): Promise<string> {
  using client = reaching(path);
  return await (await deadline(fetch(url, { client }))).text();
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

Deno.test("a Unix socket serves HTTP, WebSocket, server-sent events and polling", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/hark.sock`;
  await using server = await startServer({ listen: `unix:${path}`, connectionsPerAddressMax: 1 });
  using client = reaching(path);
  await using socket = await Client.open("ws://localhost/ws", { client });
  await socket.text();
  await using events = await EventStream.open("http://localhost/events", {}, client);
  const polling = "http://localhost/socket.io/?EIO=4&transport=polling";
  assertMatch(await get(path, polling), /^0\{"sid":/);
  const answer = await get(path, "http://localhost:81/broadcast/hello");
  assertEquals(answer, '{"message":"hello"}');
  assertEquals(await socket.json(), { message: "hello" });
  assertMatch(await events.blocks.find((block) => block.includes("hello")), /^id: /);
  const entries = [
    await server.log.find(({ message }) => message === "new connection"),
    await server.log.find(({ message }) => message === "new connection"),
  ];
  assertEquals(entries.map(({ address }) => address), ["unix", "unix"]);
});

Deno.test("a Unix socket is reached by curl, and removed with the server", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/hark.sock`;
  {
    await using _server = await startServer({ listen: `unix:${path}` });
    const curl = new Deno.Command("curl", {
      args: ["-sS", "-d", "done", "--unix-socket", path, "http://localhost/channels/ci"],
    });
    const { code, stdout } = await deadline(curl.output());
    assertEquals([code, JSON.parse(new TextDecoder().decode(stdout)).channel], [0, "ci"]);
    assert((await Deno.lstat(path)).isSocket);
  }
  assertEquals(await exists(path), false);
});

/** The status of the answer to a request with these lines, which publishes `x`. */
async function statusOf(path: string, lines: readonly string[]): Promise<number> {
  using connection = await Deno.connect({ transport: "unix", path });
  const head = ["GET /broadcast/x HTTP/1.1", ...lines, "Connection: close", "", ""].join("\r\n");
  await connection.write(new TextEncoder().encode(head));
  const answer = await deadline(new Response(connection.readable).text());
  return Number(answer.split(" ")[1]);
}

Deno.test("an open server on a Unix socket answers only to local names and those of --public-host", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/hark.sock`;
  await using _server = await startServer({
    listen: `unix:${path}`,
    publicHost: ["push.example.com"],
  });
  const hosts: [string[], number][] = [
    [["Host: localhost"], 200],
    [["Host: 127.0.0.1:3000"], 200],
    [["Host: push.example.com"], 200],
    [[], 200],
    [["Host: evil.test"], 421],
    [["Host: hark"], 421],
    [["Host: 192.168.1.7"], 421],
    [["Host: 0.0.0.0"], 421],
    [["Host: localhost/count?"], 400],
    [["Host: %2Ftmp"], 400],
    [["Host:"], 400],
  ];
  for (const [lines, expected] of hosts) {
    assertEquals(await statusOf(path, lines), expected, lines.join());
  }
  const metrics = await get(path, "http://localhost/metrics");
  assertMatch(metrics, /^hark_publications_total 4$/m);
});

Deno.test("a Unix socket with a key answers to every name", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/hark.sock`;
  await using _server = await startServer({ listen: `unix:${path}`, publishKey: ["secret"] });
  const lines = ["Host: push.example.com", "Authorization: Bearer secret"];
  assertEquals(await statusOf(path, lines), 200);
});

Deno.test("a proxy that uses a Unix socket may report the addresses of clients", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/hark.sock`;
  await using server = await startServer({ listen: `unix:${path}`, trustProxy: 1 });
  using client = reaching(path);
  for (const headers of [{ "x-forwarded-for": "192.0.2.1" }, {}]) {
    await using socket = await Client.open("ws://localhost/ws", { client, headers });
    await socket.text();
  }
  const entries = server.log.takeAll().filter(({ message }) => message === "new connection");
  assertEquals(entries.map(({ address }) => address), ["192.0.2.1", "unix"]);
});

Deno.test("a socket file that nobody listens on is replaced", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/hark.sock`;
  // Closing removes the file: to leave a stale one, move it first.
  using listener = Deno.listen({ transport: "unix", path: `${path}.old` });
  await Deno.rename(`${path}.old`, path);
  const refused = await assertRejects(() => startServer({ listen: `unix:${path}` }), ListenError);
  assertEquals(refused.message, `Cannot listen on unix:${path}: another process listens there`);
  (await deadline(listener.accept())).close();
  listener.close();
  assert(await exists(path));
  await using _server = await startServer({ listen: `unix:${path}` });
  assertEquals(await get(path, "http://localhost/count"), '{"count":0}');
});

Deno.test("a file that is not a socket is left alone", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/precious`;
  await Deno.writeTextFile(path, "data");
  for (
    const [at, why] of [
      [path, "there is a file of that name, which is no socket"],
      [folder.path, "there is a file of that name, which is no socket"],
      [`${folder.path}/missing/hark.sock`, "No such file or directory (os error 2)"],
    ]
  ) {
    const listen = `unix:${at}`;
    const { message } = await assertRejects(() => startServer({ listen }), ListenError);
    assertEquals(message, `Cannot listen on ${listen}: ${why}`);
  }
  assertEquals(await Deno.readTextFile(path), "data");
});
