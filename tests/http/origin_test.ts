import { assertEquals } from "@std/assert";
import { request } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";

type Headers = Record<string, string>;

/** The answer to a request with these additional headers. */
async function ask(server: TestServer, path: string, headers: Headers, method = "GET") {
  const lines = Object.entries({ host: `localhost:${server.port}`, ...headers });
  return await request(server.port, [
    `${method} ${path} HTTP/1.1`,
    ...lines.map(([name, value]) => `${name}: ${value}`),
  ]);
}

Deno.test("an open server answers only to names that nobody else can point at it", async () => {
  await using server = await startServer({ publicHost: ["push.example.com"] });
  const hosts: Record<string, number> = {
    "localhost": 200,
    "localhost.": 200,
    "localhost:3000": 200,
    "LocalHost:3000": 200,
    "app.localhost": 200,
    "a.b.localhost:80": 200,
    "127.0.0.1": 200,
    "127.0.0.1:3000": 200,
    "127.1.2.3": 200,
    "[::1]": 200,
    "[::1]:3000": 200,
    "push.example.com": 200,
    "push.example.com:443": 200,
    "PUSH.EXAMPLE.COM": 200,
    "192.168.1.7:3000": 421,
    "8.8.8.8": 421,
    "[fe80::1]:3000": 421,
    "0.0.0.0:3000": 421,
    "0.0.0.0": 421,
    "[::]:3000": 421,
    "[::ffff:0:0]:3000": 421,
    "[::ffff:7f00:1]:3000": 421,
    "[::ffff:127.0.0.1]": 421,
    "[64:ff9b::7f00:1]": 421,
    "evil.example": 421,
    "evil.example:3000": 421,
    "localhost.evil.example": 421,
    "notlocalhost": 421,
    ".localhost": 421,
    "a.push.example.com": 421,
    "push.example.com.evil.example": 421,
    "127.0.0.1.evil.example": 421,
    "127.0.0.1.nip.io:3000": 421,
    "127.1": 421,
    "0127.0.0.1": 421,
    "1.2.3": 421,
    "2130706433": 421,
    "0x7f000001": 421,
  };
  const refused = Object.values(hosts).filter((status) => status === 421).length;
  const paths = ["/count", "/broadcast/x", "/", "/ws", "/events", "/metrics", "/nothing"];
  for (const path of paths) {
    for (const [host, expected] of Object.entries(hosts)) {
      if (expected === 200 && path !== "/count") continue;
      const { status, body } = await ask(server, path, { host });
      assertEquals(status, expected, `${path} with ${host}`);
      if (expected === 200) continue;
      assertEquals(JSON.parse(body), {
        type: "urn:hark:problem:misdirected",
        title: "Misdirected Request",
        status: 421,
        detail: "This host name is not the server's: start it with --public-host NAME to allow it",
        help: "/docs/errors.md#misdirected",
      });
    }
  }
  const metrics = await server.metrics();
  assertEquals(metrics.get("hark_publications_total"), 0);
  assertEquals(
    metrics.get('hark_rejected_total{reason="misdirected"}'),
    paths.length * refused,
  );
});

Deno.test("an open server on the network answers to IP addresses too", async () => {
  await using server = await startServer({ host: "0.0.0.0", open: true });
  for (const host of ["localhost", "192.168.1.7:3000", "0.0.0.0:3000", "[fe80::1]", "[::1]:80"]) {
    assertEquals((await ask(server, "/count", { host })).status, 200, host);
  }
  for (const host of ["evil.example", "192.168.1.7.nip.io", "1.2.3"]) {
    assertEquals((await ask(server, "/broadcast/x", { host })).status, 421, host);
  }
});

/** Hosts that are not `host[:port]`: the rest would be read as a path or a query. */
const NO_HOSTS = [
  ...["", ":3000", "localhost/broadcast/pwned?", "localhost/broadcast/pwned#", "localhost?"],
  ...["localhost#", "localhost\\broadcast\\pwned", "evil@localhost", "localhost:x", "local host"],
  ...["localhost,localhost", "localhost%2fbroadcast", "[::1", "[::1].evil.example", "::1", "[]"],
  ...["localhost:3000:3000", "localhost:123456", "[::1%25lo]", "h\xf6st", "http://localhost"],
];

Deno.test("an invalid Host is refused before anything else", async () => {
  for (const publishKey of [[], ["secret"]]) {
    await using server = await startServer({ publishKey });
    const authorization = "Bearer secret";
    for (const path of ["/count", "/", "/ws", "/nothing"]) {
      for (const host of NO_HOSTS) {
        const { status, body } = await ask(server, path, { host, authorization });
        assertEquals(status, 400, `${path} with ${host}`);
        assertEquals(JSON.parse(body), {
          type: "urn:hark:problem:bad-request",
          title: "Bad Request",
          status: 400,
          detail: "Cannot read whom the request is for: expected host[:port]",
          help: "/docs/errors.md#bad-request",
        });
      }
    }
    const metrics = await server.metrics();
    assertEquals(metrics.get("hark_publications_total"), 0);
    assertEquals(metrics.get('hark_rejected_total{reason="bad-request"}'), 4 * NO_HOSTS.length);
  }
});

Deno.test("the host of a target in absolute form counts, and must be a host", async () => {
  const targets: [string, number][] = [
    ["http://localhost/count", 200],
    ["http://LOCALHOST:80/count", 200],
    ["http://evil.example/broadcast/pwned", 421],
    ["http://0.0.0.0/broadcast/pwned", 421],
    ["http://localhost?x/broadcast/pwned", 400],
    ["http://localhost#x/broadcast/pwned", 400],
    ["http://localhost\\x/broadcast/pwned", 400],
    ["http://user@localhost/broadcast/pwned", 400],
    ["http://localhost?/broadcast/pwned", 400],
  ];
  for (const publishKey of [[], ["secret"]]) {
    await using server = await startServer({ publishKey });
    for (const [target, expected] of targets) {
      if (expected === 421 && publishKey.length > 0) continue;
      for (const host of [["Host: localhost"], []]) {
        const lines = [`GET ${target} HTTP/1.1`, ...host, "Authorization: Bearer secret"];
        assertEquals((await request(server.port, lines)).status, expected, target);
      }
    }
    const hidden = ["GET http://localhost/broadcast/x HTTP/1.1", "Host: localhost/count?"];
    assertEquals((await request(server.port, hidden)).status, 400);
    assertEquals((await server.metrics()).get("hark_publications_total"), 0);
  }
});

Deno.test("a server with keys answers to every name", async () => {
  await using server = await startServer({ publishKey: ["secret"] });
  for (const host of ["evil.example", "localhost", "127.0.0.1:3000"]) {
    assertEquals((await ask(server, "/count", { host })).status, 200);
    assertEquals((await ask(server, "/broadcast/x?key=secret", { host })).status, 200);
  }
});

Deno.test("an open server checks the host of the URL if there is no Host header, as in HTTP/2", async () => {
  await using server = await startServer();
  for (const [host, expected] of [["localhost", "200"], ["evil.example", "421"]] as const) {
    const { stdout } = await new Deno.Command("curl", {
      args: [
        ...["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--http2-prior-knowledge"],
        ...["-H", `Host: ${host}`, `${server.url}/count`],
      ],
    }).output();
    assertEquals(new TextDecoder().decode(stdout), expected, host);
  }
});

const OWN = "localhost:3000";

/** Headers by which browsers, and other programs, say where a request comes from. */
const PUBLISHERS: readonly [string, Headers, number][] = [
  ["curl", {}, 200],
  ["the address bar", { "sec-fetch-site": "none" }, 200],
  ["our page, GET", { "sec-fetch-site": "same-origin" }, 200],
  ["our page, POST", { "origin": `http://${OWN}`, "sec-fetch-site": "same-origin" }, 200],
  ["our page behind TLS", { "origin": `https://${OWN}` }, 200],
  ["our page by address", { "host": "127.0.0.1:3000", "origin": "http://127.0.0.1:3000" }, 200],
  ["a listed origin", { "origin": "https://app.example", "sec-fetch-site": "cross-site" }, 200],
  ["another site, GET", { "sec-fetch-site": "cross-site" }, 403],
  ["another port or subdomain, GET", { "sec-fetch-site": "same-site" }, 403],
  ["another site", { "origin": "https://evil.example", "sec-fetch-site": "cross-site" }, 403],
  ["another site, old browser", { "origin": "https://evil.example" }, 403],
  ["another site that lies", { "origin": "https://evil.example", "sec-fetch-site": "none" }, 403],
  ["another port", { "origin": "http://localhost:3001", "sec-fetch-site": "same-site" }, 403],
  ["no port", { "origin": "http://localhost" }, 403],
  ["another of our names", { "origin": "http://127.0.0.1:3000" }, 403],
  ["a sandboxed frame", { "origin": "null", "sec-fetch-site": "cross-site" }, 403],
  ["a file", { "origin": "null" }, 403],
  ["an empty origin", { "origin": "" }, 403],
  ["a listed origin by http", { "origin": "http://app.example" }, 403],
  ["a listed origin with a port", { "origin": "https://app.example:8443" }, 403],
  ["a subdomain of a listed origin", { "origin": "https://x.app.example" }, 403],
  ["a listed origin as a beginning", { "origin": "https://app.example.evil.example" }, 403],
  ["our origin as a beginning", { "origin": `http://${OWN}.evil.example` }, 403],
  ["our origin in capitals", { "origin": `HTTP://${OWN}` }, 403],
  ["two origins", { "origin": `http://${OWN}, https://evil.example` }, 403],
];

Deno.test("an open server refuses publishes of pages of other sites", async () => {
  await using server = await startServer({ origins: ["https://app.example"] });
  let accepted = 0;
  let refused = 0;
  for (const [who, headers, expected] of PUBLISHERS) {
    for (const method of ["GET", "POST", "HEAD"]) {
      const given = { host: OWN, ...headers };
      const { status, body } = await ask(server, "/broadcast/x", given, method);
      assertEquals(status, expected, `${method} of ${who}`);
      if (expected === 403) refused++;
      else if (method !== "HEAD") accepted++;
      if (expected === 200 || method === "HEAD") continue;
      assertEquals(JSON.parse(body), {
        type: "urn:hark:problem:forbidden",
        title: "Forbidden",
        status: 403,
        detail: "Cannot publish from a page of another site: " +
          "start the server with --origins to allow it",
        help: "/docs/errors.md#forbidden",
      });
    }
  }
  const metrics = await server.metrics();
  assertEquals(metrics.get("hark_publications_total"), accepted);
  assertEquals(metrics.get('hark_rejected_total{reason="forbidden"}'), refused);
});

Deno.test("pages of apps, of a wildcard and of the origin null publish if they are allowed to", async () => {
  const origins = ["tauri://localhost", "https://*.app.example", "null"];
  await using server = await startServer({ origins });
  const cases: Record<string, number> = {
    "tauri://localhost": 200,
    "https://a.app.example": 200,
    "null": 200,
    "capacitor://localhost": 403,
    "https://app.example": 403,
    "https://a.b.app.example": 403,
    "https://a.app.example.evil.example": 403,
  };
  for (const [origin, expected] of Object.entries(cases)) {
    const { status, headers } = await ask(server, "/broadcast/x", { origin });
    assertEquals(status, expected, origin);
    const reader = headers.get("access-control-allow-origin");
    assertEquals(reader, expected === 200 ? origin : null);
  }
});

Deno.test("everybody may receive from an open server", async () => {
  await using server = await startServer();
  for (const origin of ["https://evil.example", "null", `http://localhost:${server.port}`]) {
    for (const path of ["/ws", "/", "/ws?channel=news"]) {
      await using client = await Client.open(server.socketUrl(path), { headers: { origin } });
      assertEquals(await client.json(), { message: "Welcome to my server" });
    }
    const headers = { origin, "sec-fetch-site": "cross-site" };
    const { status } = await ask(server, "/count", headers);
    assertEquals(status, 200);
  }
});
