import { assertEquals, assertMatch } from "@std/assert";
import { EventStream } from "../support/events.ts";
import { HANDSHAKE, RawConnection, request } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** The address of a new client in the log. */
async function addressOf(server: TestServer, headers: readonly string[]): Promise<unknown> {
  using connection = await RawConnection.open(server.port);
  await connection.handshake("/ws", headers);
  return (await server.log.find(({ message }) => message === "new connection")).address;
}

Deno.test("without --trust-proxy no header changes a client's address", async () => {
  await using server = await startServer();
  const claims = ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"];
  for (const header of claims) assertEquals(await addressOf(server, [header]), "127.0.0.1");
});

Deno.test("with --trust-proxy a client has the address that the proxies report", async () => {
  await using server = await startServer({ trustProxy: 2 });
  const cases: [string[], string][] = [
    [["X-Forwarded-For: 203.0.113.9, 192.0.2.1, 192.0.2.2"], "192.0.2.1"],
    [["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"], "192.0.2.1"],
    [["X-Forwarded-For: [2001:DB8::1]:4711, 192.0.2.2"], "2001:db8::1"],
    [["X-Forwarded-For: ::ffff:192.0.2.7, 192.0.2.2"], "192.0.2.7"],
    [["X-Forwarded-For: 127.0.0.1, 192.0.2.2"], "127.0.0.1"],
    [["X-Forwarded-For: unknown, 192.0.2.2"], "127.0.0.1"],
    [["X-Forwarded-For: 192.0.2.1, junk"], "127.0.0.1"],
    [["X-Forwarded-For: 192.0.2.1, 192.0.2.2", "Forwarded: for=192.0.2.9"], "192.0.2.1"],
    [["Forwarded: for=192.0.2.9, for=192.0.2.2"], "127.0.0.1"],
    [["X-Real-IP: 192.0.2.1"], "127.0.0.1"],
    [[], "127.0.0.1"],
  ];
  for (const [headers, address] of cases) {
    assertEquals(await addressOf(server, headers), address, headers.join());
  }
});

Deno.test("with --forwarded-header a client has the address in that header only", async () => {
  await using server = await startServer({ trustProxy: 1, forwardedHeader: "Forwarded" });
  const cases: [string[], string][] = [
    [["Forwarded: for=192.0.2.1"], "192.0.2.1"],
    [["Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.9"], "192.0.2.1"],
    [["X-Forwarded-For: 192.0.2.9"], "127.0.0.1"],
  ];
  for (const [headers, address] of cases) {
    assertEquals(await addressOf(server, headers), address, headers.join());
  }
});

Deno.test("headers that a client adds to those of the proxy do not change its bucket", async () => {
  await using server = await startServer({ trustProxy: 1, publishPerSecondMax: 1 });
  const statuses: number[] = [];
  for (const own of [{}, { forwarded: "for=192.0.2.9" }, { forwarded: "junk" }]) {
    const headers = { "x-forwarded-for": "192.0.2.1", ...own };
    statuses.push((await server.fetch("/broadcast/x", { headers })).status);
  }
  assertEquals(statuses, [200, 429, 429]);
});

Deno.test("with --trust-proxy the bounds per address count for the clients behind the proxy", async () => {
  await using server = await startServer({ trustProxy: 1, connectionsPerAddressMax: 2 });
  const open: RawConnection[] = [];
  const connect = async (address: string, path = "/ws") => {
    const connection = await RawConnection.open(server.port);
    open.push(connection);
    await connection.handshake(path, [`X-Forwarded-For: ${address}`]);
  };
  const polling = "/socket.io/?EIO=4&transport=websocket";
  // If it cannot be read, the address of the proxy counts.
  for (const address of ["192.0.2.1", "192.0.2.2", "junk", "::1"]) {
    await connect(address);
    await connect(address, polling);
  }
  for (const address of ["192.0.2.1", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "junk", "unknown"]) {
    const forwarded = `X-Forwarded-For: ${address}`;
    for (const path of ["/ws", polling]) {
      const lines = [`GET ${path} HTTP/1.1`, ...HANDSHAKE, forwarded];
      assertEquals((await request(server.port, lines)).status, 503, `${address} ${path}`);
    }
    const lines = ["GET /events HTTP/1.1", "Host: localhost", forwarded];
    assertMatch((await request(server.port, lines)).body, /^: Cannot connect: your address/);
  }
  await connect("192.0.2.3");
  for (const connection of open) connection[Symbol.dispose]();
});

Deno.test("with --trust-proxy all addresses of one IPv6 network share a bound", async () => {
  await using server = await startServer({ trustProxy: 1, connectionsPerAddressMax: 3 });
  const isIn: boolean[] = [];
  const open: EventStream[] = [];
  for (const end of ["::1", "::2", "::3", "::4:5:6:7", ":0:1::1"]) {
    const headers = { "x-forwarded-for": `2001:db8${end}` };
    const stream = await EventStream.open(`${server.url}/events`, headers);
    open.push(stream);
    isIn.push(!(await stream.blocks.next()).startsWith(": Cannot connect"));
  }
  for (const stream of open) await stream[Symbol.asyncDispose]();
  assertEquals(isIn, [true, true, true, false, true]);
  const { address } = await server.log.find(({ message }) => message === "refused");
  assertEquals(address, "2001:db8::4:5:6:7");
});

Deno.test("with --trust-proxy each client has its own rate of publishing", async () => {
  await using server = await startServer({ trustProxy: 1, publishPerSecondMax: 1 });
  const publish = (address: string) =>
    server.fetch("/broadcast/x", { headers: { "x-forwarded-for": address } });
  assertEquals((await publish("192.0.2.1")).status, 200);
  assertEquals((await publish("192.0.2.1")).status, 429);
  assertEquals((await publish("192.0.2.2")).status, 200);
  assertEquals((await publish("2001:db8::1")).status, 200);
  assertEquals((await publish("2001:db8::2")).status, 429);
  assertEquals((await publish("2001:db8:0:1::1")).status, 200);
});

/** Reports whether a page of an origin may publish, for a scheme that a proxy reports. */
async function mayPublish(
  server: TestServer,
  origin: string,
  forwarded: readonly string[],
): Promise<boolean> {
  const { status } = await request(server.port, [
    "POST /channels/ci HTTP/1.1",
    "Host: push.example",
    `Origin: ${origin}`,
    "Content-Length: 1",
    ...forwarded,
  ], "1");
  return status === 200;
}

Deno.test("with --trust-proxy a page is the server's own if it came by the same scheme", async () => {
  await using trusting = await startServer({ trustProxy: 1, publicHost: ["push.example"] });
  await using standard = await startServer({
    trustProxy: 1,
    forwardedHeader: "Forwarded",
    publicHost: ["push.example"],
  });
  await using plain = await startServer({ publicHost: ["push.example"] });
  const [http, https] = ["http://push.example", "https://push.example"];
  const cases: [TestServer, string[], boolean, boolean][] = [
    [trusting, ["X-Forwarded-Proto: https"], false, true],
    [trusting, ["X-Forwarded-Proto: http"], true, false],
    [trusting, ["X-Forwarded-Proto: http, https"], false, true],
    [trusting, ["Forwarded: for=192.0.2.1;proto=https"], true, true],
    [standard, ["Forwarded: for=192.0.2.1;proto=https"], false, true],
    [standard, ["X-Forwarded-Proto: https"], true, true],
    // If the scheme is not known, both are accepted.
    [trusting, ["X-Forwarded-Proto: junk"], true, true],
    [trusting, [], true, true],
    [plain, ["X-Forwarded-Proto: https"], true, true],
    [plain, ["X-Forwarded-Proto: http"], true, true],
  ];
  for (const [server, headers, byHttp, byHttps] of cases) {
    const answers = [
      await mayPublish(server, http, headers),
      await mayPublish(server, https, headers),
      await mayPublish(server, "https://evil.example", headers),
    ];
    assertEquals(answers, [byHttp, byHttps, false], headers.join());
  }
});
