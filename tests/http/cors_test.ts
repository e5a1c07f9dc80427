import { assertEquals } from "@std/assert";
import { request } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";

type Fields = Readonly<Record<string, string>>;

/** What pages of other sites may read: nothing, answers to GET, or what Socket.IO needs. */
type Policy = "allowed" | "readable" | "engineio" | "module" | "page";

const ENDPOINTS: Readonly<Record<string, Policy>> = {
  "/broadcast/hello": "allowed",
  "/channels": "allowed",
  "/channels/ci": "readable",
  "/channels/ci/presence": "readable",
  "/sessions": "allowed",
  "/ws": "readable",
  "/events": "readable",
  "/count": "readable",
  "/socket.io/?EIO=4&transport=polling": "engineio",
  "/socket.io": "engineio",
  "/healthz": "allowed",
  "/readyz": "allowed",
  "/metrics": "allowed",
  "/client.js": "module",
  "/": "page",
  "/style.css": "page",
  "/nothing": "page",
};

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/** The methods with answers that a page of any origin may read. */
const READABLE: Readonly<Record<Policy, readonly string[]>> = {
  allowed: [],
  readable: ["GET", "HEAD"],
  engineio: ["GET", "POST"],
  module: ["GET", "HEAD"],
  page: [],
};

const ALLOWED = "https://app.example";
const FOREIGN = ["https://evil.example", "http://app.example", "https://app.example:8443", "null"];

/** The CORS headers of an answer, without their common prefix. */
async function ask(
  server: TestServer,
  method: string,
  path: string,
  fields: Fields,
): Promise<{ status: number; cors: Fields; varies: boolean }> {
  const lines = Object.entries({ host: `localhost:${server.port}`, ...fields });
  const { status, headers } = await request(server.port, [
    `${method} ${path} HTTP/1.1`,
    ...lines.map(([name, value]) => `${name}: ${value}`),
  ]);
  const found = [...headers].filter(([name]) => name.startsWith("access-control-"));
  const cors = Object.fromEntries(found.map(([name, value]) => [name.slice(15), value]));
  return { status, cors, varies: headers.get("vary")?.includes("Origin") ?? false };
}

Deno.test("the pages that may make a request to an endpoint may read its answer", async () => {
  await using server = await startServer({ origins: [ALLOWED] });
  const own = `http://localhost:${server.port}`;
  for (const [path, policy] of Object.entries(ENDPOINTS)) {
    const isServed = policy !== "page" && policy !== "module";
    for (const method of METHODS) {
      const isReadable = READABLE[policy].includes(method);
      const named = (origin: string): Fields => ({
        "allow-origin": origin,
        "allow-credentials": "true",
      });
      const anybody: Fields = policy === "module" && isReadable ? { "allow-origin": "*" } : {};
      const check = async (origin: string | undefined, expected: Fields) => {
        const fields: Fields = origin === undefined ? {} : { origin };
        const { cors, varies } = await ask(server, method, path, fields);
        assertEquals([cors, varies], [expected, isServed], `${method} ${path} for ${origin}`);
      };
      await check(undefined, anybody);
      for (const origin of [own, ALLOWED]) {
        const isEngine = policy === "engineio" && !isReadable;
        await check(origin, isServed && !isEngine ? named(origin) : anybody);
      }
      for (const origin of FOREIGN) {
        if (!isServed) await check(origin, anybody);
        else if (!isReadable) await check(origin, {});
        else await check(origin, policy === "engineio" ? named(origin) : { "allow-origin": "*" });
      }
    }
  }
});

const HEADERS =
  "authorization, cache-control, content-type, idempotency-key, last-event-id, traceparent, " +
  "tracestate, x-requested-with";

Deno.test("the preflight of an endpoint allows the request to the pages that may make it", async () => {
  await using server = await startServer({ origins: [ALLOWED] });
  const own = `http://localhost:${server.port}`;
  const asked = "content-type, x-extra";
  for (const [path, policy] of Object.entries(ENDPOINTS)) {
    for (const method of METHODS) {
      const isReadable = READABLE[policy].includes(method);
      const check = async (origin: string, expected: Fields) => {
        const { cors } = await ask(server, "OPTIONS", path, {
          origin,
          "access-control-request-method": method,
          "access-control-request-headers": asked,
        });
        assertEquals(cors, expected, `${method} ${path} for ${origin}`);
      };
      const engineio = (origin: string): Fields => ({
        "allow-origin": origin,
        "allow-credentials": "true",
        "allow-methods": "GET, POST",
        "allow-headers": asked,
        "max-age": "600",
      });
      for (const origin of [own, ALLOWED, ...FOREIGN]) {
        const isForeign = FOREIGN.includes(origin);
        if (policy === "page" || policy === "module") await check(origin, {});
        else if (policy === "engineio") await check(origin, isReadable ? engineio(origin) : {});
        else if (isForeign && !isReadable) await check(origin, {});
        else {
          await check(origin, {
            "allow-origin": isForeign ? "*" : origin,
            ...(!isForeign && { "allow-credentials": "true" }),
            "allow-methods": isForeign ? "GET, HEAD" : method,
            "allow-headers": HEADERS,
            "max-age": "600",
          });
        }
      }
    }
  }
});

Deno.test("a page of an allowed site publishes by fetch, after its preflight", async () => {
  await using server = await startServer({ origins: [ALLOWED], publishKey: ["secret"] });
  const sent = {
    "authorization": "Bearer secret",
    "content-type": "application/json",
    "idempotency-key": "build-1",
  };
  const preflight = {
    origin: ALLOWED,
    "access-control-request-method": "POST",
    "access-control-request-headers": Object.keys(sent).join(","),
    "sec-fetch-site": "cross-site",
  };
  const { status, cors } = await ask(server, "OPTIONS", "/channels/ci", preflight);
  assertEquals([status, cors["allow-origin"], cors["allow-methods"]], [204, ALLOWED, "POST"]);
  const allowed = cors["allow-headers"]!.split(", ");
  assertEquals(Object.keys(sent).filter((name) => !allowed.includes(name)), []);
  for (const origin of [ALLOWED, "https://evil.example"]) {
    const headers = { ...sent, origin, "sec-fetch-site": "cross-site" };
    const answer = await server.fetch("/channels/ci", { method: "POST", headers, body: "1" });
    assertEquals(answer.status, 200);
    const reader = answer.headers.get("access-control-allow-origin");
    assertEquals(reader, origin === ALLOWED ? ALLOWED : null);
  }
  assertEquals((await server.metrics()).get("hark_publications_total"), 1);
});

Deno.test("a refused preflight gets 403 and the reason", async () => {
  await using server = await startServer({ origins: [ALLOWED] });
  const method = "Cannot use this method from a page of another site: start the server with " +
    "--origins to allow it";
  const names = `Cannot set other headers from a page of another origin than: ${HEADERS}`;
  const file = "Cannot use a page's files like this from another origin";
  const cases: [path: string, origin: string, method: string, asked: string, why?: string][] = [
    ["/channels/ci", ALLOWED, "POST", "content-type,idempotency-key"],
    ["/channels/ci", ALLOWED, "POST", "Content-Type, Cache-Control , X-Requested-With"],
    ["/channels/ci", ALLOWED, "POST", ""],
    ["/channels/ci", ALLOWED, "POST", "content-type,x-extra", names],
    ["/channels/ci", FOREIGN[0]!, "POST", "content-type", method],
    ["/channels/ci", "null", "POST", "content-type", method],
    ["/channels/ci", FOREIGN[0]!, "GET", "authorization"],
    ["/events", FOREIGN[0]!, "GET", "last-event-id,cache-control"],
    ["/events", FOREIGN[0]!, "GET", "x-trace", names],
    ["/broadcast/x", FOREIGN[0]!, "GET", "", method],
    ["/socket.io/", FOREIGN[0]!, "POST", "x-anything"],
    ["/socket.io/", FOREIGN[0]!, "PUT", "", method],
    ["/client.js", FOREIGN[0]!, "GET", "x-extra", file],
  ];
  for (const [path, origin, wanted, asked, why] of cases) {
    const fields = {
      origin,
      "access-control-request-method": wanted,
      "access-control-request-headers": asked,
    };
    const { status, body } = await server.fetch(path, { method: "OPTIONS", headers: fields });
    assertEquals(status, why === undefined ? 204 : 403, `${wanted} ${path} ${asked}`);
    if (why === undefined) continue;
    const { type, detail } = JSON.parse(body);
    assertEquals([type, detail], ["urn:hark:problem:forbidden", why]);
  }
  assertEquals((await server.metrics()).get("hark_publications_total"), 0);
});

Deno.test("a page may read why Socket.IO refuses it", async () => {
  await using server = await startServer({ connectionsMax: 0 });
  const path = "/socket.io/?EIO=4&transport=polling";
  const { status, cors } = await ask(server, "GET", path, { origin: "https://elsewhere.example" });
  assertEquals([status, cors["allow-origin"]], [503, "https://elsewhere.example"]);
});

Deno.test("an OPTIONS request that is not a preflight allows nothing", async () => {
  await using server = await startServer({ origins: [ALLOWED] });
  for (const [path, policy] of Object.entries(ENDPOINTS)) {
    const { cors } = await ask(server, "OPTIONS", path, { origin: "https://evil.example" });
    assertEquals(cors, {}, path);
    const { cors: named } = await ask(server, "OPTIONS", path, { origin: ALLOWED });
    const isNamed = policy === "allowed" || policy === "readable";
    const expected = { "allow-origin": ALLOWED, "allow-credentials": "true" };
    assertEquals(named, isNamed ? expected : {}, path);
  }
});
