import { assertEquals, assertRejects } from "@std/assert";
import { relay } from "../../lib/net/relay.ts";
import { deadline } from "../support/deadline.ts";
import { HANDSHAKE } from "../support/raw.ts";

/** Relays a request to a server that answers with the headers and the body that it got. */
async function relayed(init: RequestInit): Promise<{ headers: Map<string, string>; body: string }> {
  await using echo = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => Response.json([[...request.headers], await request.text()]),
  );
  using client = Deno.createHttpClient({});
  const url = new URL(`http://127.0.0.1:${echo.addr.port}/`);
  const answer = await relay(new Request("http://client.example/", init), {
    url,
    client,
    headers: { "hark-added": "by the relay" },
    outboundBytesMax: 1,
  });
  const [headers, body] = await answer.json();
  return { headers: new Map(headers), body };
}

/** The headers of a WebSocket handshake. */
function handshake(): Headers {
  return new Headers(HANDSHAKE.map((line) => line.split(": ") as [string, string]));
}

/** Headers that every request of Deno has. */
const MADE_ANEW = ["accept", "accept-encoding", "accept-language", "host", "user-agent"];

Deno.test("relay() passes on the headers of a request, but not those of its connection", async () => {
  const own = {
    "connection": "keep-alive",
    "keep-alive": "timeout=5",
    "te": "trailers",
    "transfer-encoding": "chunked",
    "host": "client.example",
    "content-length": "99",
    "accept-encoding": "gzip",
  };
  const passedOn = { cookie: "a=b", "x-forwarded-for": "192.0.2.1", "hark-added": "of the client" };
  const headers = { ...own, ...passedOn, "content-type": "text/plain" };
  const got = await relayed({ method: "POST", body: "hello", headers });
  assertEquals(got.body, "hello");
  assertEquals(
    [...got.headers.keys()].filter((name) => !MADE_ANEW.includes(name)),
    ["content-length", "content-type", "cookie", "hark-added", "x-forwarded-for"],
  );
  assertEquals(got.headers.get("content-length"), "5");
  assertEquals(got.headers.get("accept-encoding"), "identity");
  assertEquals(got.headers.get("hark-added"), "by the relay");
  assertEquals(got.headers.get("host")?.startsWith("127.0.0.1:"), true);
});

Deno.test("relay() gives up a WebSocket that the other process does not answer", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = Deno.createHttpClient({});
  const late = new AbortController();
  const answer = relay(new Request("http://client.example/", { headers: handshake() }), {
    url: new URL(`http://127.0.0.1:${listener.addr.port}/`),
    client,
    headers: {},
    signal: late.signal,
    outboundBytesMax: 1,
  });
  using _silent = await listener.accept();
  late.abort();
  await deadline(assertRejects(() => answer, Error, "Cannot relay: the WebSocket was refused"));
});

Deno.test("relay() opens no WebSocket for a client that has gone already", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = Deno.createHttpClient({});
  const answer = relay(new Request("http://client.example/", { headers: handshake() }), {
    url: new URL(`http://127.0.0.1:${listener.addr.port}/`),
    client,
    headers: {},
    signal: AbortSignal.abort(new Error("gone")),
    outboundBytesMax: 1,
  });
  await deadline(assertRejects(() => answer, Error, "gone"));
});

Deno.test("relay() passes on a wrong WebSocket handshake as a request that asks for none", async () => {
  const headers = handshake();
  headers.set("sec-websocket-version", "12");
  const got = await relayed({ headers });
  assertEquals([...got.headers.keys()].filter((name) => !MADE_ANEW.includes(name)), ["hark-added"]);
});
