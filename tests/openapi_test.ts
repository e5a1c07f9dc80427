import { assert, assertEquals } from "@std/assert";
import { faultsOf } from "./support/json_schema.ts";
import { type OpenApi, pathOf, undocumented } from "./support/openapi.ts";
import { startServer, type TestServer } from "./support/server.ts";

// TestServer.fetch() holds every answer of every test to the document; here is what it has to have.

const KEY = "k".repeat(24);
const APP = "1:key:secret";

/** A request, and the status that it gets. */
type Case = readonly [status: number, method: string, path: string, init?: RequestInit];

const json = { "content-type": "application/json" };
const withKey = { authorization: `Bearer ${KEY}` };

/** Of a server that is open. */
const OPEN: readonly Case[] = [
  [200, "GET", "/broadcast/hi"],
  [200, "POST", "/broadcast/hi?channel=ci&event=x"],
  [200, "PUT", "/broadcast/hi"],
  [200, "PATCH", "/broadcast/hi"],
  [200, "DELETE", "/broadcast/hi"],
  [200, "HEAD", "/broadcast/hi"],
  [400, "GET", "/broadcast/%ff"],
  [403, "GET", "/broadcast/hi", { headers: { "sec-fetch-site": "cross-site" } }],
  [200, "POST", "/channels/ci", { body: "text" }],
  [200, "POST", "/channels/ci", { body: "[1]", headers: json }],
  [200, "POST", "/channels/ci?as=binary", { body: "x" }],
  [200, "POST", "/channels/ci", { body: "1\n2", headers: { "content-type": "application/jsonl" } }],
  [400, "POST", "/channels/ci", { body: "{", headers: json }],
  [413, "POST", "/channels/ci", { body: "x".repeat(70_000) }],
  [415, "POST", "/channels/ci", { body: "x", headers: { "content-encoding": "gzip" } }],
  [200, "POST", "/channels/ci", { body: "a", headers: { "idempotency-key": "k" } }],
  [422, "POST", "/channels/ci", { body: "b", headers: { "idempotency-key": "k" } }],
  [405, "PUT", "/channels/ci"],
  [200, "GET", "/channels/ci?order=newest"],
  [200, "GET", "/channels/*?since=10m"],
  [400, "GET", "/channels/ci?limit=0"],
  [200, "GET", "/channels/ci/presence"],
  [200, "GET", "/channels"],
  [400, "GET", "/channels?after=%20"],
  [200, "HEAD", "/events"],
  [400, "GET", "/events?channel=%20"],
  [426, "GET", "/ws"],
  [200, "GET", "/count"],
  [200, "GET", "/sessions"],
  [400, "DELETE", "/sessions"],
  [200, "DELETE", "/sessions?user=nobody"],
  [200, "GET", "/nodes"],
  [200, "GET", "/healthz"],
  [200, "GET", "/readyz"],
  [200, "GET", "/metrics"],
  [200, "GET", "/openapi.json"],
  [400, "GET", "/socket.io/"],
  [400, "POST", "/socket.io"],
  [200, "GET", "/socket.io/?EIO=4&transport=polling"],
  [302, "GET", "/socket.io/socket.io.js", { redirect: "manual" }],
];

/** Of one that has a key and an app. */
const GUARDED: readonly Case[] = [
  [401, "GET", "/broadcast/hi"],
  [401, "POST", "/channels/ci", { body: "text" }],
  [401, "GET", "/channels"],
  [401, "GET", "/nodes"],
  [401, "GET", "/sessions"],
  [200, "GET", "/channels", { headers: withKey }],
  [200, "GET", "/channels/ci"],
  [401, "POST", "/apps/1/events", { body: "{}" }],
  [404, "GET", "/apps/2/channels"],
  [426, "GET", "/app/key"],
];

async function tryAll(server: TestServer, cases: readonly Case[]): Promise<Set<string>> {
  const document = await server.document;
  const tried = new Set<string>();
  for (const [status, method, path, init] of cases) {
    const answer = await server.fetch(path, { method, ...init });
    assertEquals(answer.status, status, `${method} ${path}\n${answer.body}`);
    tried.add(`${method.toLowerCase()} ${pathOf(document, path)}`);
  }
  return tried;
}

function operationsOf({ paths }: OpenApi) {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ path, method, operation }))
  );
}

Deno.test("every answer is as /openapi.json says, and every operation of it is tried", async () => {
  await using open = await startServer();
  const tried = await tryAll(open, OPEN);
  const operations = operationsOf(await open.document);
  // The stream of GET /events does not end, and its scripts are alike.
  const untried = operations.map(({ method, path }) => `${method} ${path}`)
    .filter((each) => !tried.has(each) && !/get \/events$|\.min\.js$|\/socket\.io\/?$/.test(each));
  assertEquals(untried, []);
});

Deno.test("the answers of a server with a key are as its /openapi.json says", async () => {
  await using server = await startServer({ publishKey: [KEY], pusherApp: [APP] });
  await tryAll(server, GUARDED);
});

Deno.test("a stream of events is as /openapi.json says", async () => {
  await using server = await startServer();
  const response = await fetch(`${server.url}/events`);
  await response.body?.cancel();
  const { status, headers } = response;
  const exchanged = { method: "GET", path: "/events", status, headers, body: ":" };
  assertEquals(undocumented(await server.document, exchanged), []);
});

Deno.test("/openapi.json says who needs a key", async () => {
  const securityOf = async (options: Parameters<typeof startServer>[0]) => {
    await using server = await startServer(options);
    const { paths } = await server.document;
    const operations = [
      paths["/channels/{channel}"]!.post,
      paths["/channels/{channel}"]!.get,
      paths["/sessions"]!.get,
      paths["/count"]!.get,
    ];
    return operations.map((operation) => {
      const { security = [] } = operation!;
      return security.map((way) => Object.keys(way as object).join() || "none").join(" ");
    });
  };
  assertEquals(await securityOf({}), ["", "", "", ""]);
  assertEquals(await securityOf({ publishKey: [KEY] }), [
    "bearer key basic",
    "none bearer key",
    "bearer key",
    "",
  ]);
  const tokens = await securityOf({ tokenSecret: "s".repeat(32) });
  assertEquals(tokens.slice(0, 2), ["bearer key basic", "bearer key"]);
});

Deno.test("/openapi.json is whole: references, parameters of paths, names", async () => {
  await using server = await startServer({ pusherApp: [APP] });
  const document = await server.document;
  assertEquals(document.openapi, "3.1.0");
  const { schemas, responses } = document.components as Record<string, Record<string, unknown>>;
  const references = JSON.stringify(document).matchAll(/"#\/components\/(\w+)\/(\w+)"/g);
  for (const [, kind, name = ""] of references) {
    assert(name in (kind === "schemas" ? schemas! : responses!), name);
  }
  const ids: string[] = [];
  for (const { path, method, operation } of operationsOf(document)) {
    const inPath = operation.parameters?.filter((each) => each.in === "path") ?? [];
    const names = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name);
    assertEquals(inPath.map(({ name }) => name), names, `${method} ${path}`);
    if (operation.operationId !== undefined) ids.push(operation.operationId);
  }
  assertEquals(ids.length, new Set(ids).size);
  assert(ids.length >= 20);
});

Deno.test("an answer that /openapi.json does not have is found", async () => {
  await using server = await startServer();
  const document = await server.document;
  const headers = new Headers({ "content-type": "application/json" });
  const count = { method: "GET", path: "/count", status: 200, headers, body: '{"count":0}' };
  assertEquals(undocumented(document, count), []);
  const cases = [
    [{ status: 418 }, "GET /count with 418 is not documented"],
    [{ method: "PUT" }, "PUT /count with 200 is no operation"],
    [{ headers: new Headers({ "content-type": "text/css" }) }, "documented without text/css"],
    [{ body: "{}" }, "no member count"],
    [{ body: '{"count":-1}' }, "under 0"],
    [{ body: '{"count":1,"x":1}' }, "unknown member x"],
  ] as const;
  for (const [changed, fault] of cases) {
    const faults = undocumented(document, { ...count, ...changed });
    assert(faults.some((each) => each.includes(fault)), `${faults} for ${fault}`);
  }
});

Deno.test("faultsOf() checks what the document has of JSON Schema", () => {
  const root = { a: { type: "string" } };
  const right: [unknown, Record<string, unknown>][] = [
    [null, { type: ["string", "null"] }],
    ["a", { $ref: "#/a" }],
    [[1, 2], { type: "array", items: { type: "integer" } }],
    ["x", { anyOf: [{ const: "y" }, { const: "x" }] }],
    ["ok", { pattern: "^o", not: { pattern: "^p" } }],
    [{ x: 1 }, { type: "object", additionalProperties: { enum: [1] } }],
  ];
  for (const [value, schema] of right) assertEquals(faultsOf(value, schema, root), []);
  const wrong: [unknown, Record<string, unknown>][] = [
    [1.5, { type: "integer" }],
    [1, { $ref: "#/a" }],
    [["a"], { items: { type: "integer" } }],
    ["z", { anyOf: [{ const: "y" }, { const: "x" }] }],
    ["po", { not: { pattern: "^p" } }],
    [{ x: 2 }, { additionalProperties: { enum: [1] } }],
    [{}, { required: ["a"] }],
  ];
  for (const [value, schema] of wrong) {
    assert(faultsOf(value, schema, root).length > 0, JSON.stringify([value, schema]));
  }
});
