import { assertEquals } from "@std/assert";
import { request } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";

type Headers = Record<string, string>;

/** The answer to a request with these headers beside its own. */
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
    "localhost:3000": 200,
    "LocalHost:3000": 200,
    "app.localhost": 200,
    "a.b.localhost:80": 200,
    "127.0.0.1": 200,
    "127.0.0.1:3000": 200,
    "192.168.1.7:3000": 200,
    "8.8.8.8": 200,
    "[::1]": 200,
    "[::1]:3000": 200,
    "[fe80::1]:3000": 200,
    "push.example.com": 200,
    "push.example.com:443": 200,
    "PUSH.EXAMPLE.COM": 200,
    "evil.example": 421,
    "evil.example:3000": 421,
    "localhost.evil.example": 421,
    "notlocalhost": 421,
    "localhost.": 421,
    "a.push.example.com": 421,
    "push.example.com.evil.example": 421,
    "127.0.0.1.evil.example": 421,
    "127.0.0.1.nip.io:3000": 421,
    "1.2.3": 421,
    "2130706433": 421,
    "0x7f000001": 421,
    "[::1].evil.example": 421,
    "": 421,
  };
  for (const path of ["/count", "/broadcast/x", "/", "/ws", "/events", "/metrics", "/nothing"]) {
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
      });
    }
  }
  const metrics = await server.metrics();
  assertEquals(metrics.get("hark_publications_total"), 0);
  assertEquals(metrics.get('hark_rejected_total{reason="misdirected"}'), 7 * 14);
});

Deno.test("a server with keys answers to every name", async () => {
  await using server = await startServer({ publishKey: ["secret"] });
  for (const host of ["evil.example", "localhost", "127.0.0.1:3000"]) {
    assertEquals((await ask(server, "/count", { host })).status, 200);
    assertEquals((await ask(server, "/broadcast/x?key=secret", { host })).status, 200);
  }
});

Deno.test("an open server looks at the URL's host where no header has it, as in HTTP/2", async () => {
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

/** What a browser, or what is none, says of where a request to an open server comes from. */
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

Deno.test("an open server lets no page of another site publish", async () => {
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
      });
    }
  }
  const metrics = await server.metrics();
  assertEquals(metrics.get("hark_publications_total"), accepted);
  assertEquals(metrics.get('hark_rejected_total{reason="forbidden"}'), refused);
});

Deno.test("everyone may receive from an open server", async () => {
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
