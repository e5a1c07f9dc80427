import { assertEquals, assertThrows } from "@std/assert";
import { Refusal } from "../../../lib/core/errors.ts";
import { canRecover } from "../../../lib/protocols/socketio/can_recover.ts";
import { Client } from "../../support/socket.ts";
import { startServer } from "../../support/server.ts";
import { join, open, parse } from "../../support/socketio_client.ts";

function request(search: string, headers: Record<string, string>, auth = {}) {
  const query = new URLSearchParams(search);
  return { auth, query, address: "192.0.2.1", headers: new Headers(headers) };
}

const WS = { "sec-websocket-extensions": "permessage-deflate; client_max_window_bits" };
const CHROME = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0" };

/** What first requests look like, as they were seen on the wire. */
const CLIENTS: [who: string, search: string, headers: Record<string, string>, yes: boolean][] = [
  ["4.8, Node, polling", "EIO=4&transport=polling&t=qqwnrdx2", {
    "user-agent": "node-XMLHttpRequest",
  }, true],
  ["4.8, Node, fetch", "EIO=4&transport=polling&t=qqwnrdx2", { "user-agent": "node" }, true],
  ["4.8, Node, WebSocket", "EIO=4&transport=websocket", WS, true],
  ["4.6, with a query", "x=1&EIO=4&transport=polling&t=Q8ZQ1dL&b64=1", CHROME, true],
  ["4.8, Chromium", "EIO=4&transport=websocket", { ...CHROME, ...WS, origin: "http://a" }, true],
  ["4.8, Deno", "EIO=4&transport=polling&t=qqwnrdx2", { "user-agent": "Deno/2.9.6" }, true],
  ["Python, polling", "transport=polling&EIO=4&t=1795890357.86", {
    "user-agent": "python-requests/2.34.2",
  }, false],
  ["Python, WebSocket", "transport=websocket&EIO=4&t=1795890358.97", { origin: "http://a" }, false],
  ["Python with the name of a browser", "transport=polling&EIO=4&t=1", CHROME, false],
  ["aiohttp", "transport=websocket&EIO=4&t=1795890360.88", {
    "user-agent": "Python/3.11 aiohttp/3.14.5",
  }, false],
  ["Java", "EIO=4&transport=polling", { "user-agent": "okhttp/3.12.12" }, false],
  ["Go, polling", "EIO=4&transport=polling", { "user-agent": "engine.io-go/1.0" }, false],
  ["Go, WebSocket", "EIO=4&transport=websocket", { "user-agent": "Go-http-client/1.1" }, false],
  ["Dart", "EIO=4&transport=websocket", { "user-agent": "Dart/3.5 (dart:io)" }, false],
  [".NET, WebSocket", "EIO=4&transport=websocket", {}, false],
];

Deno.test("which clients are sent ids is seen in their first requests", () => {
  for (const [who, search, headers, yes] of CLIENTS) {
    assertEquals(canRecover(request(search, headers)), yes, who);
  }
});

Deno.test("a client can say whether it recovers: auth before query, and both before the rest", () => {
  const [, python] = CLIENTS[6]!;
  for (const yes of ["1", 1, true]) {
    assertEquals(canRecover(request(python, {}, { recovery: yes })), true);
    assertEquals(canRecover(request(`${python}&recovery=0`, {}, { recovery: yes })), true);
  }
  for (const no of ["0", 0, false]) {
    assertEquals(canRecover(request(`EIO=4&transport=polling`, CHROME, { recovery: no })), false);
  }
  assertEquals(canRecover(request(`${python}&recovery=1`, {})), true);
  assertEquals(canRecover(request("EIO=4&transport=polling&recovery=0", CHROME)), false);
  assertEquals(canRecover(request(python, {}, { pid: "a~b-1~c" })), true);
  assertEquals(canRecover(request(`${python}&recovery=0`, {}, { pid: "a~b-1~c" })), false);
});

Deno.test("a recovery that is neither 1 nor 0 is refused, and said", () => {
  const cases: [unknown, string][] = [
    ["yes", '"yes"'],
    ["", '""'],
    [2, "2"],
    [{ toString: 1 }, '{"toString":1}'],
    ["x".repeat(1000), `"${"x".repeat(39)}`],
  ];
  for (const [recovery, shown] of cases) {
    const message = `Cannot parse recovery: expected 1 or 0, got ${shown}`;
    assertThrows(() => canRecover(request("", {}, { recovery })), Refusal, message);
  }
  assertThrows(() => canRecover(request("recovery=", {})), Refusal, 'got ""');
});

Deno.test("a client that cannot recover gets neither ids nor a pid, and others still do", async () => {
  await using server = await startServer();
  await using plain = await Client.open(
    server.socketUrl("/socket.io/?transport=websocket&EIO=4"),
  );
  await plain.text();
  assertEquals(Object.keys(await join(plain)), ["sid"]);
  await using other = await open(server);
  assertEquals(Object.keys(await join(other)), ["sid", "pid"]);
  assertEquals(parse(await plain.text()), ["message", { message: "Welcome to my server" }]);
  await other.text();
  await server.broadcast("hi");
  assertEquals(parse(await plain.text()), ["message", { message: "hi" }]);
  assertEquals(parse(await other.text()).length, 3);
});

Deno.test("a client that says nonsense of recovery is refused with the reason", async () => {
  await using server = await startServer();
  await using client = await open(server);
  client.send('40{"recovery":"maybe"}');
  const message = 'Cannot parse recovery: expected 1 or 0, got "maybe"';
  assertEquals(
    await client.text(),
    `44${JSON.stringify({ message, data: { code: "bad-request" } })}`,
  );
});
