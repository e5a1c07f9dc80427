import { assertEquals } from "@std/assert";
import { EngineHost } from "../../support/engineio.ts";
import type { Answer } from "../../support/reachable.ts";

const BINARY = { headers: { "content-type": "application/octet-stream" } };

function seen({ status, body }: Answer): [number, string] {
  return [status, body];
}

Deno.test("a poll waits for a packet, and its answer is text that must not be cached", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const { answer } = await client.openPoll();
  client.session.send("hello €");
  const { status, headers, body } = await answer;
  assertEquals([status, body], [200, "4hello €"]);
  assertEquals(headers.get("content-type"), "text/plain; charset=UTF-8");
  assertEquals(headers.get("cache-control"), "no-store");
});

Deno.test("a post is answered with ok", async () => {
  await using host = new EngineHost();
  const client = await host.poll();
  const { status, headers, body } = await client.post("4hello");
  assertEquals([status, body, headers.get("content-type")], [200, "ok", "text/html"]);
  assertEquals(await client.session.messages.next(), "hello");
});

Deno.test("packets of one turn, and those that wait for a poll, leave in one payload", async () => {
  await using host = new EngineHost();
  for (
    const [query, expected] of [["EIO=4", "4a\x1e4ü😀\x1e4"], ["EIO=3", "2:4a4:4ü😀1:4"]] as const
  ) {
    const client = await host.poll(query);
    client.session.send("a", "ü😀", "");
    assertEquals((await client.poll()).body, expected);
    const { answer } = await client.openPoll();
    client.session.send("a", "ü😀", "");
    assertEquals((await answer).body, expected);
  }
});

Deno.test("a payload of several packets is taken in its order", async () => {
  await using host = new EngineHost();
  const bodies: [query: string, body: string][] = [
    ["EIO=4", "4one\x1e4€\x1ebAQID\x1e4"],
    ["EIO=3", "4:4one2:4€6:b4AQID1:4"],
    ["EIO=3&b64=1", "4:4one2:4€6:b4AQID1:4"],
  ];
  for (const [query, body] of bodies) {
    const client = await host.poll(query);
    assertEquals(seen(await client.post(body)), [200, "ok"]);
    const messages = await client.session.messages.take(4);
    assertEquals(messages, ["one", "€", new Uint8Array([1, 2, 3]), ""]);
  }
});

Deno.test("a client of version 3 can post a binary payload, and gets one if it did not ask for b64", async () => {
  await using host = new EngineHost();
  const client = await host.poll("EIO=3");
  // deno-fmt-ignore
  const body = new Uint8Array([
    0, 4, 255, 0x34, 0xe2, 0x82, 0xac, // "4€"
    1, 1, 0, 255, 4, 0, 1, 2, 3, 4, 5, 6, 7, 255,
  ]);
  assertEquals(seen(await client.post(body, BINARY)), [200, "ok"]);
  const messages = await client.session.messages.take(2);
  assertEquals(messages, ["€", new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 255])]);

  client.session.send("€");
  client.session.engine.write(messages[1] as Uint8Array<ArrayBuffer>);
  const response = await fetch(
    `http://127.0.0.1:${host.port}/?EIO=3&transport=polling&sid=${client.sid}`,
  );
  assertEquals(response.headers.get("content-type"), "application/octet-stream");
  assertEquals(await response.bytes(), body);
});

Deno.test("bytes are base64 in version 4, and in version 3 where the first request has b64", async () => {
  await using host = new EngineHost();
  const bytes = new Uint8Array([1, 2, 3, 4]);
  const bodies = [["EIO=4", "4a\x1ebAQIDBA=="], ["EIO=3&b64=1", "2:4a10:b4AQIDBA=="]] as const;
  for (const [query, expected] of bodies) {
    const client = await host.poll(query);
    client.session.send("a");
    client.session.engine.write(bytes);
    assertEquals((await client.poll()).body, expected);
  }
  const { session, sid } = await host.poll("EIO=3&b64=1");
  session.engine.write(bytes);
  const { body } = await host.fetch(`EIO=3&transport=polling&sid=${sid}`);
  assertEquals(body, "10:b4AQIDBA==", "asked for once, at the handshake");
});

Deno.test("text that a client of version 3 has encoded twice is decoded twice", async () => {
  await using host = new EngineHost();
  const client = await host.poll("EIO=3");
  await client.post("10:4Ã¼â\x82¬ð\x9f\x98\x80");
  assertEquals(await client.session.messages.next(), "ü€😀");
});

Deno.test("a client of version 3 can poll by JSONP", async () => {
  await using host = new EngineHost();
  const { body, headers } = await host.fetch("EIO=3&transport=polling&j=0");
  const { engine } = await host.sessions.next();
  const json = JSON.stringify({
    sid: engine.id,
    upgrades: ["websocket"],
    pingInterval: 25000,
    pingTimeout: 20000,
    maxPayload: 1000000,
  });
  assertEquals(body, `___eio[0](${JSON.stringify(`${json.length + 1}:0${json}`)});`);
  assertEquals(headers.get("content-type"), "text/javascript; charset=UTF-8");
  assertEquals(headers.get("cache-control"), "no-store");

  engine.write('4"\u2028\u2029</script>');
  engine.write(new Uint8Array([1, 2, 3, 4]));
  const query = `EIO=3&transport=polling&sid=${engine.id}`;
  const answer = await host.fetch(`${query}&j=7x(`);
  assertEquals(
    answer.body,
    '___eio[7]("13:4\\"\\u2028\\u2029</script>10:b4AQIDBA==");',
  );
});

Deno.test("a client of version 4 can poll and post by JSONP", async () => {
  await using host = new EngineHost();
  const client = await host.poll("EIO=4&j=0");
  client.session.send('"\u2028</script>');
  client.session.engine.write(new Uint8Array([1, 2, 3, 4]));
  const { body, headers } = await client.poll();
  assertEquals(body, '___eio[0]("4\\"\\u2028</script>\\u001ebAQIDBA==");');
  assertEquals(headers.get("content-type"), "text/javascript; charset=UTF-8");
  const form = new URLSearchParams({ d: "4a\\nb\x1e4c\\\\nd€\x1ebAQI=" });
  assertEquals(seen(await client.post(form)), [200, "ok"]);
  const messages = await client.session.messages.take(3);
  assertEquals(messages, ["a\nb", "c\\nd€", new Uint8Array([1, 2])]);
});

Deno.test("a JSONP client posts a form, in which a newline is written as two characters", async () => {
  await using host = new EngineHost();
  const client = await host.poll("EIO=3&j=0");
  const form = (payload: string) => new URLSearchParams({ d: payload });
  assertEquals(seen(await client.post(form("4:4a\\nb6:4c\\\\nd€"))), [200, "ok"]);
  assertEquals(await client.session.messages.take(2), ["a\nb", "c\\nd€"]);
});
