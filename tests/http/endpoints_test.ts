import { assert, assertEquals, assertMatch } from "@std/assert";
import { MAIN_DOORS } from "../support/doors.ts";
import { RawConnection, request } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const READ = "GET, HEAD, OPTIONS";

/** Every endpoint and its methods. */
const ENDPOINTS: Readonly<Record<string, string>> = {
  "/broadcast/hello": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
  "/ws": READ,
  "/events": READ,
  "/count": READ,
  "/healthz": READ,
  "/readyz": READ,
  "/metrics": READ,
  "/": READ,
  "/index.html": READ,
};

const METHODS = ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "constructor", "__proto__"];

Deno.test("every endpoint refuses other methods with 405 and Allow", async () => {
  await using server = await startServer();
  for (const [path, allow] of Object.entries(ENDPOINTS)) {
    for (const method of METHODS.filter((method) => !allow.split(", ").includes(method))) {
      const { status, headers, body } = await request(server.port, [
        `${method} ${path} HTTP/1.1`,
        "Host: localhost",
      ]);
      assertEquals([status, headers.get("allow")], [405, allow], `${method} ${path}`);
      const { type, title } = JSON.parse(body);
      assertEquals([type, title], ["urn:hark:problem:method-not-allowed", "Method Not Allowed"]);
    }
  }
});

Deno.test("a path with a slash too many gets 404, which names the right path", async () => {
  await using server = await startServer();
  const paths: Record<string, string> = {
    "/events/": "/events",
    "//events": "/events",
    "/ws/?channel=a": "/ws",
    "/channels/": "/channels",
    "//channels//ci": "/channels/ci",
    "/channels/ci/": "/channels/ci",
    "/channels/ci/presence///": "/channels/ci/presence",
    "/broadcast/a%2Fb/": "/broadcast/a%2Fb",
    "//socket.io/": "/socket.io",
    "/socket.io//": "/socket.io",
    "//": "/",
    "/index.html/": "/index.html",
    "//client.js": "/client.js",
    "/docs//": "/docs",
    "//docs/publish.md": "/docs/publish.md",
    "/nothing/": "",
    "/nothing": "",
    "/broadcast/": "",
    "/events/x": "",
    "//../main.ts": "",
  };
  for (const [path, right] of Object.entries(paths)) {
    for (const method of ["GET", "POST"]) {
      const answer = await request(server.port, [`${method} ${path} HTTP/1.1`, "Host: localhost"]);
      const { type, detail } = JSON.parse(answer.body);
      assertEquals([answer.status, type], [404, "urn:hark:problem:not-found"], path);
      const hint = right === ""
        ? "see /docs/ for the endpoints"
        : `the path has a slash too many, use ${right}`;
      assertEquals(detail, `There is nothing here: ${hint}`, path);
    }
  }
  assertEquals((await server.metrics()).get("hark_publications_total"), 0);
});

Deno.test("the name of the parameter channel in other servers is refused, other parameters are not", async () => {
  await using server = await startServer();
  const paths = ["/broadcast/x", "/events", "/sessions"];
  for (const name of ["channels", "channel[]", "topic", "topics", "room"]) {
    const why = `Cannot read ?${name}=: the parameter is channel, once for each: ` +
      "?channel=a&channel=b";
    const query = new URLSearchParams([["channel", "a"], [name, "b"]]).toString();
    for (const path of paths) {
      const { status, body } = await server.fetch(`${path}?${query}`);
      assertEquals([status, JSON.parse(body).detail], [400, why], path);
    }
    assertEquals((await server.fetch(`/broadcast/x?${query}`, { method: "HEAD" })).status, 400);
    const ended = await server.fetch(`/sessions?user=a&${query}`, { method: "DELETE" });
    assertEquals(ended.status, 400);
    for (const door of MAIN_DOORS) {
      const kind = door.name === "Socket.IO 2" ? "" : "bad-request";
      assertEquals(await door.knock(server, { query }), [kind, why], door.name);
    }
  }
  for (const door of MAIN_DOORS) {
    assertEquals(await door.knock(server, { query: "Channel=a&rooms=b&utm=c" }), undefined);
  }
  assertEquals((await server.metrics()).get("hark_publications_total"), 0);
});

Deno.test("every endpoint answers OPTIONS with Allow and nothing else", async () => {
  await using server = await startServer();
  for (const [path, allow] of Object.entries(ENDPOINTS)) {
    const { status, headers, body } = await server.fetch(path, { method: "OPTIONS" });
    assertEquals([status, headers.get("allow"), body], [204, allow, ""], path);
    assertEquals(headers.get("access-control-allow-origin"), null, path);
  }
});

Deno.test("every endpoint answers HEAD with the headers of GET and no body", async () => {
  await using server = await startServer();
  // These depend on the time, and on how the body is sent.
  const changing = ["date", "content-length", "transfer-encoding", "vary"];
  for (const path of Object.keys(ENDPOINTS)) {
    const [got, head] = await Promise.all(["GET", "HEAD"].map(async (method) => {
      const response = await fetch(server.url + path, { method });
      if (path === "/events") await response.body?.cancel();
      const body = path === "/events" ? "" : await response.text();
      const headers = [...response.headers].filter(([name]) => !changing.includes(name));
      const length = Number(response.headers.get("content-length"));
      return { status: response.status, headers: Object.fromEntries(headers), body, length };
    }));
    assertEquals([head!.status, head!.headers], [got!.status, got!.headers], path);
    assertEquals(head!.body, "", path);
    if (!["/events", "/metrics"].includes(path)) assertEquals(head!.length, got!.length, path);
  }
});

Deno.test("HEAD on /events opens no stream", async () => {
  await using server = await startServer();
  using connection = await RawConnection.open(server.port);
  await connection.request(["HEAD /events HTTP/1.1", "Host: localhost"]);
  const { status, headers } = await connection.head();
  assertEquals([status, headers.get("content-type")], [200, "text/event-stream"]);
  // The connection is free for the next request.
  await connection.request(["GET /count HTTP/1.1", "Host: localhost"]);
  assertEquals((await connection.answer()).body, '{"count":0}');
});

Deno.test("an unknown path is answered with 404 problem details", async () => {
  await using server = await startServer();
  const paths = [
    ...["/nothing", "/broadcast", "/broadcast/", "/broadcast/a/b", "/Count", "/healthz/x"],
    ...["/%63ount", "/metrics%00"],
  ];
  for (const path of paths) {
    for (const method of ["GET", "POST", "OPTIONS"]) {
      const { status, headers, body } = await request(server.port, [
        `${method} ${path} HTTP/1.1`,
        "Host: localhost",
      ]);
      assertEquals(status, 404, `${method} ${path}`);
      assertEquals(headers.get("content-type"), "application/problem+json");
      assertEquals(headers.get("cache-control"), "no-store");
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      assertEquals(JSON.parse(body), {
        type: "urn:hark:problem:not-found",
        title: "Not Found",
        status: 404,
        detail: "There is nothing here: see /docs/ for the endpoints",
        help: "/docs/errors.md#not-found",
      });
    }
  }
});

Deno.test("a plain request for a WebSocket is answered with 426", async () => {
  await using server = await startServer();
  for (const method of ["GET", "HEAD"]) {
    const { status, headers } = await server.fetch("/ws", { method });
    assertEquals([status, headers.get("upgrade")], [426, "websocket"]);
    assertEquals(headers.get("content-type"), "application/problem+json");
  }
});

Deno.test("answers that change forbid caching and sniffing", async () => {
  await using server = await startServer();
  const types: Record<string, string> = {
    "/broadcast/hello": "application/json",
    "/count": "application/json",
    "/healthz": "application/json",
    "/readyz": "application/json",
    "/metrics": "text/plain; version=0.0.4; charset=utf-8",
    "/ws": "application/problem+json",
  };
  for (const [path, type] of Object.entries(types)) {
    const { headers } = await server.fetch(path);
    assertEquals(headers.get("content-type"), type, path);
    assertEquals(headers.get("cache-control"), "no-store", path);
    assertEquals(headers.get("x-content-type-options"), "nosniff", path);
  }
});

Deno.test("/healthz and /readyz answer 200 while the server lives", async () => {
  await using server = await startServer();
  assertEquals((await server.fetch("/healthz")).body, '{"status":"alive"}');
  assertEquals((await server.fetch("/readyz")).body, '{"status":"ready"}');
});

Deno.test("requests that are not HTTP are refused, and the server goes on", async () => {
  await using server = await startServer();
  const heads = [
    "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /count HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "GET /count HTTP/1.1\r\nHost: localhost\r\nX: " + "a".repeat(70_000) + "\r\n\r\n",
    "GET /count HTTP/9.9\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  ];
  for (const head of heads) {
    using connection = await RawConnection.open(server.port);
    await connection.write(head);
    const { status } = await connection.head();
    assert(status >= 400 && status < 500, `${status} for ${head.slice(0, 20)}`);
  }
  const odd = [
    ["OPTIONS * HTTP/1.1", "Host: localhost"],
    ["CONNECT localhost:80 HTTP/1.1", "Host: localhost"],
    ["GET http://localhost/count HTTP/1.1", "Host: localhost"],
    ["GET /count HTTP/1.0"],
  ];
  for (const lines of odd) {
    const { status } = await request(server.port, lines);
    assertMatch(String(status), /^(200|404|405)$/, lines[0]);
  }
  assertEquals((await server.fetch("/count")).body, '{"count":0}');
});

Deno.test("a Host that is invalid in a URL does not fail the server", async () => {
  await using server = await startServer({ publishKey: ["secret"] });
  for (const host of ["[", "a b", "a/b", "a/../..", "a?", "a#", "%", "a:99999", "", "ü", "a@b:c"]) {
    for (const path of ["/count", "/", "/index.html", "/nothing"]) {
      const { status } = await request(server.port, [`GET ${path} HTTP/1.1`, `Host: ${host}`]);
      assertMatch(String(status), /^(200|400|404)$/, `${path} with ${host}`);
    }
  }
  assertEquals(server.log.takeAll().filter(({ level }) => level === "error"), []);
});
