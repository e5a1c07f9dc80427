import { assertEquals } from "@std/assert";
import { APP, signedPath } from "../support/pusher.ts";
import { startServer, type TestServer } from "../support/server.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const RIGHT = `00-${TRACE}-00f067aa0ba902b7-01`;

/** What the lines about publications say of traces. */
function logged(server: TestServer): unknown[] {
  return server.log.takeAll().filter(({ message }) => message === "published")
    .map(({ traceparent }) => traceparent);
}

Deno.test("the traceparent of a publish is in its line of the log, an invalid one is ignored", async () => {
  await using server = await startServer();
  const lines = { "content-type": "application/x-ndjson" };
  for (const traceparent of [RIGHT, `ff${RIGHT.slice(2)}`, "x".repeat(10_000)]) {
    const headers = { traceparent };
    const answers = [
      await server.fetch("/broadcast/x", { headers }),
      await server.fetch("/channels/ci", { method: "POST", body: "x", headers }),
      await server.fetch("/channels/ci", {
        method: "POST",
        body: "1\n2",
        headers: { ...headers, ...lines },
      }),
    ];
    assertEquals(answers.map(({ status }) => status), [200, 200, 200]);
    const expected = traceparent === RIGHT ? RIGHT : undefined;
    assertEquals(logged(server), [expected, expected, expected, expected]);
  }
  // It is for those who run the server: clients get the same as ever.
  assertEquals((await server.fetch("/channels/ci")).body.includes(TRACE), false);
});

Deno.test("a retry in another trace is the same request", async () => {
  await using server = await startServer();
  const post = async (traceparent: string) => {
    const headers = { "idempotency-key": "k", traceparent };
    return (await server.fetch("/channels/ci", { method: "POST", body: "x", headers })).body;
  };
  assertEquals(await post(RIGHT), await post(RIGHT.replace("b7-01", "b8-01")));
  assertEquals(logged(server), [RIGHT]);
});

Deno.test("an event that is triggered as Pusher's SDKs do has the traceparent of its request", async () => {
  await using server = await startServer({ pusherApp: [APP] });
  const event = { name: "e", channel: "a", data: "x" };
  for (const [path, body] of [["/events", event], ["/batch_events", { batch: [event] }]] as const) {
    const signed = signedPath(path, { method: "POST", body });
    const init = { method: "POST", body: JSON.stringify(body), headers: { traceparent: RIGHT } };
    assertEquals((await server.fetch(signed, init)).status, 200);
  }
  assertEquals(logged(server), [RIGHT, RIGHT]);
});
