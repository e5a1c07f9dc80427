import { assert, assertEquals, assertMatch } from "@std/assert";
import { makeCertificate, TemporaryFolder, trusting } from "../support/certificates.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { EventStream } from "../support/events.ts";
import { HANDSHAKE, RawConnection } from "../support/raw.ts";
import { type ServerOptions, startServer, type TestServer } from "../support/server.ts";
import { Client, HarkClient } from "../support/socket.ts";
import { SocketIoClient, type Way, WAYS } from "./clients.ts";
import { findNginx, Nginx } from "./nginx.ts";

const path = findNginx();
// deno-lint-ignore no-console -- a test that is left out must be seen
if (path === undefined) console.log("SKIPPED: no nginx here, so operate.md's recipe is not tested");

/** A server behind nginx, and what connects to it. */
interface Setup {
  readonly server: TestServer;
  readonly nginx: Nginx;
  /** `localhost:<port>` */
  readonly host: string;
  readonly client: Deno.HttpClient;
}

/** Declares a test of a server behind nginx. */
function behindNginx(
  name: string,
  run: (setup: Setup) => Promise<void>,
  options: ServerOptions = {},
  canRun = true,
): void {
  const ignore = path === undefined || !canRun;
  Deno.test(`behind nginx, ${name}`, { ignore }, async () => {
    await using folder = new TemporaryFolder();
    const certificate = await makeCertificate(folder.path, "localhost");
    await using server = await startServer({ trustProxy: 1, ...options });
    const target = server.port;
    await using nginx = await Nginx.start(path!, { folder: folder.path, certificate, target });
    using client = trusting(certificate);
    await run({ server, nginx, client, host: `localhost:${nginx.port}` });
  });
}

async function addressOfNext({ log }: TestServer): Promise<unknown> {
  return (await log.find(({ message }) => message === "new connection")).address;
}

behindNginx("no key and no token is in the access log", async ({ nginx, client, host }) => {
  for (const path of ["/broadcast/x?key=s3cret", "/events?token=s3cret&key=s3cret", "/last"]) {
    await (await deadline(fetch(`https://${host}${path}`, { client }))).body?.cancel();
  }
  const log = await eventually(
    () => Deno.readTextFile(nginx.accessLog),
    (text) => text.includes("/last") && text.includes("/events"),
  );
  assertMatch(log, /^127\.0\.0\.1 \[.+\] "GET \/broadcast\/x" 200 \d+$/m);
  assert(!log.includes("s3cret"), log);
});

behindNginx("WebSocket and server-sent events get each message at once", async (setup) => {
  const { server, client, host } = setup;
  await using plain = await Client.open(`wss://${host}/ws`, { client });
  await plain.text();
  await using events = await EventStream.open(`https://${host}/events`, {}, client);
  assertEquals(events.headers.get("content-type"), "text/event-stream");
  for (const message of ["first", "ü".repeat(10_000), "last"]) {
    const url = `https://${host}/channels/broadcast`;
    const published = await deadline(fetch(url, { method: "POST", body: message, client }));
    assertEquals((await published.json()).channel, "broadcast");
    assertEquals(await plain.json(), { message });
    await events.blocks.find((block) => block.includes(JSON.stringify({ message })));
  }
  assertEquals((await server.metrics()).get('hark_sessions{transport="sse"}'), 1);
});

behindNginx("a client's address is its own, whatever it claims", async ({ server, host }) => {
  const claims = ["X-Forwarded-For: 192.0.2.1, 192.0.2.2", "Forwarded: for=192.0.2.3", "X-A: b"];
  for (const claim of claims) {
    const process = new Deno.Command("curl", {
      args: ["-skN", "--interface", "127.0.0.2", "-H", claim, `https://${host}/events`],
      stdout: "null",
    }).spawn();
    assertEquals(await addressOfNext(server), "127.0.0.2", claim);
    process.kill();
    await process.status;
  }
});

behindNginx("the bounds of an address are a client's own", async ({ host, client }) => {
  const url = `wss://${host}/ws`;
  await using first = await Client.open(url, { client });
  await first.text();
  const refused = await fetch(`https://${host}/events`, { client });
  assertMatch(await refused.text(), /your address has all it may have/);
}, { connectionsPerAddressMax: 1 });

behindNginx("a page of the server's own came by https", async ({ host, client }) => {
  for (const [origin, status] of [[`https://${host}`, 200], [`http://${host}`, 403]] as const) {
    const init = { method: "POST", headers: { origin }, body: "x", client };
    const answer = await fetch(`https://${host}/channels/ci`, init);
    await answer.body?.cancel();
    assertEquals(answer.status, status, origin);
  }
});

behindNginx("only a WebSocket is an upgrade, with an empty body or with none", async (setup) => {
  const { server, nginx } = setup;
  const empty = "Content-Length: 0";
  const h2c = ["Host: localhost", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"];
  const smuggled = "GET /broadcast/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const socketio = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1";
  const cases: [string[], string, number][] = [
    [["GET /ws HTTP/1.1", ...HANDSHAKE], "", 101],
    [["GET /ws HTTP/1.1", ...HANDSHAKE, empty], "", 101],
    [[socketio, ...HANDSHAKE, empty], "", 101],
    [["GET /ws HTTP/1.1", ...HANDSHAKE, `Content-Length: ${smuggled.length}`], smuggled, 400],
    [["GET /count HTTP/1.1", ...h2c], "", 200],
    [["GET /count HTTP/1.1", ...h2c, empty], "", 200],
    [["POST /channels/ci HTTP/1.1", ...h2c, "Content-Length: 2"], "hi", 200],
    [
      ["POST /channels/ci HTTP/1.1", ...h2c, "Transfer-Encoding: chunked"],
      "2\r\nhi\r\n0\r\n\r\n",
      200,
    ],
  ];
  for (const [lines, body, expected] of cases) {
    using connection = await RawConnection.open(nginx.plainPort);
    await connection.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
    assertEquals((await connection.head()).status, expected, lines.join());
  }
  const { body } = await server.fetch("/channels?limit=10");
  assertEquals(JSON.parse(body).channels.map(({ channel }: { channel: string }) => channel), [
    "ci",
  ]);
});

behindNginx("an EventSource is told to return while Hark is away", async (setup) => {
  const { server, host, client } = setup;
  await server.stop();
  const later = await fetch(`https://${host}/events`, { client });
  assertEquals([later.status, later.headers.get("content-type")], [200, "text/event-stream"]);
  assertEquals(await later.text(), "retry: 3000\n\n");
  const other = await fetch(`https://${host}/count`, { client });
  assertEquals(other.status, 502);
  await other.body?.cancel();
});

const JAVA = await hasJava();
// deno-lint-ignore no-console -- a test that is left out must be seen
if (!JAVA) console.log("SKIPPED: no java here, so the JDK's own client is not tested");

async function hasJava(): Promise<boolean> {
  try {
    return (await new Deno.Command("javac", { args: ["-version"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What the JDK's client gets with this version of HTTP: one line each for GET, POST, WebSocket. */
async function askByJdk(version: "default" | "HTTP_1_1", port: number): Promise<string[]> {
  const script = new URL("JdkClient.java", import.meta.url).pathname;
  const args = [script, version, `http://127.0.0.1:${port}/`];
  const { stdout } = await new Deno.Command("java", { args, stderr: "inherit" }).output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

behindNginx(
  "the JDK's client gets in, and without it only by pinned HTTP/1.1",
  async (setup) => {
    const { server, nginx } = setup;
    const greeting = 'WebSocket {"message":"Welcome to my server"}';
    assertEquals(await askByJdk("default", nginx.plainPort), ["GET 200", "POST 200", greeting]);
    const direct = await askByJdk("default", server.port);
    assertEquals(direct, ["GET 400", "POST 400", "WebSocket refused"]);
    const pinned = await askByJdk("HTTP_1_1", server.port);
    assertEquals(pinned, ["GET 200", "POST 200", "WebSocket refused"]);
  },
  {},
  JAVA,
);

for (const way of Object.keys(WAYS) as Way[]) {
  for (const version of ["2.5.0", "4.8.4"] as const) {
    behindNginx(`socket.io-client ${version} travels by ${way}`, async ({ server, nginx }) => {
      const url = `http://127.0.0.1:${nginx.plainPort}`;
      await using client = await SocketIoClient.start(version, way, url, ["message"]);
      assertEquals((await client.next("message"))[0], { message: "Welcome to my server" });
      if (way === "upgrade") assertEquals(await client.next("upgrade"), ["websocket"]);
      for (const message of ["one", "two", "three"]) {
        await server.broadcast(message);
        assertEquals((await client.next("message"))[0], { message });
      }
    });
  }
}

behindNginx("heads that come in drops are cut, and the others served", async (setup) => {
  const { server, nginx, host, client } = setup;
  await using healthy = await HarkClient.open(`ws://127.0.0.1:${nginx.plainPort}/ws`);
  await healthy.event();
  const attackers = await Promise.all(Array.from({ length: 200 }, async () => {
    const connection = await RawConnection.open(nginx.plainPort);
    await connection.write("GET /events HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    return connection;
  }));
  let cut = 0;
  const dripping = attackers.map(async (connection) => {
    const ended = connection.ended().then(() => cut++);
    while (cut === 0) {
      await connection.write("a").catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await ended;
    connection[Symbol.dispose]();
  });
  for (let round = 0; cut < attackers.length; round++) {
    const answer = await deadline(fetch(`https://${host}/broadcast/${round}`, { client }));
    assertEquals(await answer.json(), { message: String(round) });
    const event = await healthy.events.find(({ type }) => type === "message");
    assertEquals(event.data, { message: String(round) });
  }
  await deadline(Promise.all(dripping));
  assertEquals((await server.metrics()).get("hark_connections_total"), 1);
  // As fast as it goes, which is no flood here.
}, { publishPerSecondMax: 1_000_000 });

behindNginx("a client that reads nothing is cut, and gives its slot back", async (setup) => {
  const { server, nginx } = setup;
  const stuck = await RawConnection.open(nginx.plainPort);
  await stuck.handshake("/ws");
  await addressOfNext(server);
  const publish = () =>
    server.fetch("/channels/broadcast", { method: "POST", body: "x".repeat(60_000) });
  const left = server.log.find(({ message }) => message === "client disconnected");
  let isLeft = false;
  left.then(() => isLeft = true);
  while (!isLeft) assertEquals((await publish()).status, 200);
  assertMatch(String((await left).why), /^slow/);
  await eventually(
    async () => (await server.metrics()).get("hark_closing_sessions"),
    (closing) => closing === 0,
  );
  stuck[Symbol.dispose]();
  assert((await server.metrics()).get('hark_disconnects_total{reason="slow"}') === 1);
}, { connectionsMax: 1, outboundBytesMax: 100_000 });
