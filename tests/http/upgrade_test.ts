import { assertEquals } from "@std/assert";
import { handshakeFault, isUpgrade, offeredProtocols } from "../../lib/http/upgrade.ts";
import { eventually } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { HANDSHAKE, RawConnection, request, resetDuringHandshake } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

/** The lines of a handshake with one of them changed, or left out if `value` is undefined. */
function handshakeWith(name: string, value: string | undefined): string[] {
  const others = HANDSHAKE.filter((line) => !line.startsWith(`${name}: `));
  return value === undefined ? others : [...others, `${name}: ${value}`];
}

Deno.test("offeredProtocols() reads the list in every spelling", () => {
  const cases: Record<string, string[]> = {
    "": [],
    "a": ["a"],
    "a,b": ["a", "b"],
    "a, b": ["a", "b"],
    "  a ,\tb  ,c": ["a", "b", "c"],
    ",a,,b,": ["a", "b"],
    "hark.v1": ["hark.v1"],
  };
  for (const [value, expected] of Object.entries(cases)) {
    const headers = new Headers({ "sec-websocket-protocol": value });
    assertEquals(offeredProtocols(headers), expected, value);
  }
  assertEquals(offeredProtocols(new Headers()), []);
  const twice = new Headers([["sec-websocket-protocol", "a"], ["sec-websocket-protocol", "b"]]);
  assertEquals(offeredProtocols(twice), ["a", "b"]);
});

Deno.test("isUpgrade() needs both headers, as lists and in any case", () => {
  const cases: [string, string, boolean][] = [
    ["websocket", "Upgrade", true],
    ["WebSocket", "keep-alive, upgrade", true],
    ["h2c, websocket", "Upgrade,HTTP2-Settings", true],
    ["websocket", "keep-alive", false],
    ["websocket", "", false],
    ["h2c", "Upgrade", false],
    ["websocketx", "Upgrade", false],
    ["", "Upgrade", false],
  ];
  for (const [upgrade, connection, expected] of cases) {
    for (const method of ["GET", "POST"]) {
      const headers = new Headers({ upgrade, connection });
      // A `Request` that we construct cannot have these headers; one from the network can.
      const request = { method, headers } as Request;
      assertEquals(isUpgrade(request), expected && method === "GET", `${upgrade}/${connection}`);
    }
  }
});

Deno.test("handshakeFault() names what is wrong with a handshake", () => {
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  const cases: [string | undefined, string | undefined, string | undefined][] = [
    ["13", key, undefined],
    ["8", key, "version"],
    ["13, 8", key, "version"],
    ["013", key, "version"],
    [undefined, key, "version"],
    ["13", undefined, "key"],
    ["13", "", "key"],
    ["13", key.slice(1), "key"],
    ["13", `${key}=`, "key"],
    ["13", key.replace("=", "-"), "key"],
    ["13", `${key}, ${key}`, "key"],
  ];
  for (const [version, key, expected] of cases) {
    const headers = new Headers();
    if (version !== undefined) headers.set("sec-websocket-version", version);
    if (key !== undefined) headers.set("sec-websocket-key", key);
    const request = { headers } as Request;
    assertEquals(handshakeFault(request), expected, `${version} ${key}`);
  }
});

Deno.test("a valid handshake is accepted as RFC 6455 says, on /ws and on /", async () => {
  await using server = await startServer();
  for (const path of ["/ws", "/", "/?channel=news"]) {
    using connection = await RawConnection.open(server.port);
    const headers = await connection.handshake(path);
    assertEquals(headers.get("upgrade"), "websocket");
    assertEquals(headers.get("connection")?.toLowerCase(), "upgrade");
    assertEquals(headers.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assertEquals(headers.has("sec-websocket-protocol"), false);
    assertEquals(headers.has("sec-websocket-extensions"), false);
    assertEquals(await connection.text(), '{"message":"Welcome to my server"}');
  }
});

Deno.test("a wrong version is answered with 426 and the right one", async () => {
  await using server = await startServer();
  for (const version of ["8", "0", "14", "13, 8", undefined]) {
    for (const path of ["/ws", "/"]) {
      const answer = await request(server.port, [
        `GET ${path} HTTP/1.1`,
        ...handshakeWith("Sec-WebSocket-Version", version),
      ]);
      assertEquals(answer.status, 426);
      assertEquals(answer.headers.get("sec-websocket-version"), "13");
      assertEquals(answer.headers.get("upgrade"), "websocket");
      assertEquals(JSON.parse(answer.body).detail, "Use WebSocket version 13");
    }
  }
});

Deno.test("a wrong key is answered with 400, a request that is not a handshake with 426", async () => {
  await using server = await startServer();
  const cases: [string, string | undefined, number][] = [
    ["Sec-WebSocket-Key", undefined, 400],
    ["Sec-WebSocket-Key", "short", 400],
    ["Connection", "keep-alive", 426],
    ["Connection", undefined, 426],
    ["Upgrade", "h2c", 426],
    ["Upgrade", undefined, 426],
  ];
  for (const [name, value, expected] of cases) {
    const answer = await request(server.port, ["GET /ws HTTP/1.1", ...handshakeWith(name, value)]);
    assertEquals(answer.status, expected, `${name}: ${value}`);
    assertEquals(answer.headers.get("content-type"), "application/problem+json");
  }
  assertEquals((await server.fetch("/count")).body, '{"count":0}');
});

Deno.test("a wrong subscription is refused before the handshake", async () => {
  await using server = await startServer({ channelsPerSessionMax: 2 });
  const cases: Record<string, number> = {
    "channel=": 400,
    "channel=a%20b": 400,
    "channel=a&channel=**": 400,
    [`channel=${"a".repeat(201)}`]: 400,
    "since=yesterday": 400,
    "since=abc-": 400,
    "channel=a&channel=b&channel=c": 503,
  };
  for (const [query, expected] of Object.entries(cases)) {
    const lines = [`GET /ws?${query} HTTP/1.1`, ...HANDSHAKE];
    assertEquals((await request(server.port, lines)).status, expected, query);
  }
  using connection = await RawConnection.open(server.port);
  await connection.handshake("/ws?channel=a&channel=b&channel=broadcast&channel=a");
});

Deno.test("hark.v1 is chosen wherever it stands in the list, and nothing else is", async () => {
  await using server = await startServer();
  const cases: Record<string, string | null> = {
    "hark.v1": "hark.v1",
    "hark.v1, other": "hark.v1",
    "other, hark.v1": "hark.v1",
    "other,hark.v1": "hark.v1",
    "hark.v1,other": "hark.v1",
    " other ,\thark.v1 ": "hark.v1",
    "other": null,
    "hark.v2": null,
    "HARK.V1": null,
    "hark.v1x": null,
    ",": null,
  };
  for (const [offer, expected] of Object.entries(cases)) {
    using connection = await RawConnection.open(server.port);
    const headers = await connection.handshake("/ws", [`Sec-WebSocket-Protocol: ${offer}`]);
    assertEquals(headers.get("sec-websocket-protocol"), expected, offer);
    const frame = JSON.parse(await connection.text());
    if (expected === null) assertEquals(frame, { message: "Welcome to my server" });
    else assertEquals(frame[0].type, "welcome");
  }
});

Deno.test({
  name: "connections that are reset during the handshake give their slots back",
  // Deno never ends its work for such a connection, and reports no end.
  sanitizeOps: false,
  async fn() {
    const clock = new FakeClock();
    await using server = await startServer({ connectionsMax: 3, clock });
    for (let count = 0; count < 3; count++) await resetDuringHandshake(server.port);
    const lines = ["GET /ws HTTP/1.1", ...HANDSHAKE];
    const ask = () => request(server.port, lines);
    await eventually(ask, ({ status }) => status === 503);
    clock.advance(10_000);
    await eventually(ask, ({ status }) => status === 101);
    assertEquals(
      (await server.metrics()).get('hark_rejected_total{reason="handshake-timeout"}'),
      3,
    );
  },
});
