import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import { answer, decodeSegment, type Exchange, type Route, Router } from "../../lib/http/router.ts";
import { CORS } from "../../lib/http/cors.ts";

const cors = CORS.allowed;

const doc = { id: "x", summary: "x", answers: {} };
const answered = (text: string) => () => new Response(text, { headers: { "x-said": text } });
const say = (text: string) => ({ handle: answered(text), doc });

function exchange(method: string): Exchange {
  const request = new Request("http://localhost/", { method });
  return { request, path: "/", query: new URLSearchParams(), params: {}, address: "127.0.0.1" };
}

Deno.test("Router.find() matches a path as it was sent, segment by segment", () => {
  const paths = ["/", "/count", "/rooms/:room", "/rooms/:room/guests/:guest"];
  const router = new Router(paths.map((path) => ({ path, methods: {}, cors })));
  const cases: Record<string, unknown> = {
    "/": ["/", {}],
    "/count": ["/count", {}],
    "/rooms/a": ["/rooms/:room", { room: "a" }],
    "/rooms/%2F%20": ["/rooms/:room", { room: "%2F%20" }],
    "/rooms/..": ["/rooms/:room", { room: ".." }],
    "/rooms/:room": ["/rooms/:room", { room: ":room" }],
    "/rooms/__proto__": ["/rooms/:room", { room: "__proto__" }],
    "/rooms/a/guests/b": ["/rooms/:room/guests/:guest", { room: "a", guest: "b" }],
    "": undefined,
    "//": undefined,
    "/count/": undefined,
    "//count": undefined,
    "/Count": undefined,
    "/%63ount": undefined,
    "/rooms": undefined,
    "/rooms/": undefined,
    "/rooms/a/": undefined,
    "/rooms//guests/b": undefined,
    "/rooms/a/guests/b/c": undefined,
    "/\\count": undefined,
  };
  for (const [path, expected] of Object.entries(cases)) {
    const match = router.find(path);
    assertEquals(match && [match.route.path, match.params], expected, path);
  }
});

Deno.test("Router.find() returns the first route that matches", () => {
  const routes = ["/:any", "/count"].map((path) => ({ path, methods: {}, cors }));
  assertEquals(new Router(routes).find("/count")?.route.path, "/:any");
  assertEquals(new Router(routes.reverse()).find("/count")?.route.path, "/count");
});

Deno.test("answer() calls the operation of the method", async () => {
  const route: Route = { path: "/x", methods: { GET: say("got"), PUT: say("put") }, cors };
  const read: Route = { path: "/x", methods: { GET: { ...say("got"), head: answered("") } }, cors };
  const cases: [Route, string, number, string, Record<string, string>][] = [
    [route, "GET", 200, "got", { "x-said": "got" }],
    [route, "PUT", 200, "put", { "x-said": "put" }],
    [route, "HEAD", 200, "", { "x-said": "got", "content-length": "3" }],
    [read, "HEAD", 200, "", { "x-said": "" }],
    [route, "OPTIONS", 204, "", { allow: "GET, HEAD, OPTIONS, PUT" }],
    [{ path: "/x", methods: { PUT: say("put") }, cors }, "OPTIONS", 204, "", {
      allow: "OPTIONS, PUT",
    }],
  ];
  for (const [route, method, status, body, headers] of cases) {
    const response = await answer(route, exchange(method));
    assertEquals([response.status, await response.text()], [status, body], method);
    const got = Object.keys(headers).map((name) => [name, response.headers.get(name)]);
    assertEquals(Object.fromEntries(got), headers, method);
  }
});

Deno.test("answer() refuses all other methods with 405", async () => {
  const route: Route = { path: "/x", methods: { PUT: say("put") }, cors };
  for (const method of ["GET", "HEAD", "get", "PROPFIND", "constructor", "toString", "__proto__"]) {
    const response = await answer(route, exchange(method));
    assertEquals(response.status, 405, method);
    assertEquals(response.headers.get("allow"), "OPTIONS, PUT");
    assertEquals(await response.json(), {
      type: "urn:hark:problem:method-not-allowed",
      title: "Method Not Allowed",
      status: 405,
      detail: "/x does not take this method: use OPTIONS, PUT",
      help: "/docs/errors.md#method-not-allowed",
    });
  }
});

Deno.test("answer() leaves every method to the protocol of the route", async () => {
  const route: Route = { path: "/x", methods: {}, protocol: answered("all mine"), cors };
  for (const method of ["GET", "HEAD", "OPTIONS", "PROPFIND"]) {
    assertEquals(await (await answer(route, exchange(method))).text(), "all mine");
  }
});

Deno.test("answer() throws what a handler throws, at once or later", async () => {
  const refusal = new Refusal("conflict", "no");
  const fail = () => {
    throw refusal;
  };
  for (const handle of [fail, () => Promise.reject(refusal)]) {
    for (const method of ["GET", "HEAD"]) {
      const route = { path: "/x", methods: { GET: { handle, doc } }, cors };
      await assertRejects(async () => await answer(route, exchange(method)), Refusal, "no");
    }
  }
});

Deno.test("answer() to HEAD keeps status and headers, and adds the length of the body", async () => {
  const handle = () => new Response("ü€", { status: 404, headers: { "x-a": "1" } });
  const route = { path: "/x", methods: { GET: { handle, doc } }, cors };
  const response = await answer(route, exchange("HEAD"));
  assertEquals([response.status, response.body], [404, null]);
  assertEquals(Object.fromEntries(response.headers), {
    "content-length": "5",
    "content-type": "text/plain;charset=UTF-8",
    "x-a": "1",
  });
});

Deno.test("decodeSegment() decodes UTF-8, and refuses anything else", () => {
  const right = {
    "a": "a",
    "%20": " ",
    "%2F": "/",
    "%2f": "/",
    "%C3%BC": "ü",
    "+": "+",
    "%00": "\0",
  };
  for (const [text, expected] of Object.entries(right)) {
    assertEquals(decodeSegment(text), expected);
  }
  for (const text of ["%", "%2", "%zz", "%E0%A4%A", "%FF", "%C3", "%ED%A0%80", "%C0%AF", "a%"]) {
    assertThrows(() => decodeSegment(text), Refusal, "percent-encoding is malformed or not UTF-8");
  }
});
