import { assertEquals, assertStringIncludes } from "@std/assert";
import { EventStream } from "../support/events.ts";
import { startServer } from "../support/server.ts";
import { issue, SECRET } from "../support/tokens.ts";

const KEY = "a-publish-key";

Deno.test("a publisher with a token cannot take more than half of the channels", async () => {
  await using server = await startServer({
    channelsMax: 8,
    tokenSecret: SECRET,
    publishKey: [KEY],
  });
  const token = await issue({ sub: "ann", hark: { publish: ["chat.*"] } });
  const publish = async (channel: string, credential: string) => {
    const headers = { authorization: `Bearer ${credential}` };
    const { status, body } = await server.fetch(`/channels/${channel}`, {
      method: "POST",
      headers,
      body: "x",
    });
    return { status, body };
  };
  for (let index = 0; index < 4; index++) {
    assertEquals((await publish(`chat.${index}`, token)).status, 200);
  }
  const refused = await publish("chat.4", token);
  assertEquals(refused.status, 503);
  assertStringIncludes(refused.body, "urn:hark:problem:over-limit");
  assertStringIncludes(refused.body, "4 of the server's 8 are yours, and the rest is for others");
  assertEquals((await server.metrics()).get('hark_rejected_total{reason="over-limit"}'), 1);
  assertEquals((await publish("chat.0", token)).status, 200);
  // A caller that may manage channels has no quota of them.
  for (const channel of ["a", "b", "c", "d"]) {
    assertEquals((await publish(channel, KEY)).status, 200);
  }
  const full = await publish("e", KEY);
  assertStringIncludes(full.body, "history has its 8 channels already");
});

Deno.test("one address cannot take all channels, but this machine can", async () => {
  const options = { channelsMax: 8, publishKey: [KEY] };
  await using server = await startServer({ ...options, trustProxy: 1 });
  const open = (channels: string, address: string) => {
    const query = channels.split("").map((channel) => `channel=${channel}`).join("&");
    return EventStream.open(`${server.url}/events?${query}`, { "x-forwarded-for": address });
  };
  // `broadcast` is the fourth.
  await using _mine = await open("abc", "192.0.2.1");
  await using refused = await open("d", "192.0.2.1");
  assertStringIncludes(
    await refused.blocks.next(),
    ": Cannot subscribe: 4 of the server's 8 channels were begun from your address",
  );
  await using _same = await open("abc", "192.0.2.1");
  await using _others = await open("de", "192.0.2.2");

  await using local = await startServer(options);
  await using _all = await EventStream.open(`${local.url}/events?channel=a&channel=b&channel=c`);
  await using _more = await EventStream.open(`${local.url}/events?channel=d&channel=e&channel=f`);
});

Deno.test("each address has Idempotency-Keys of its own, though its network shares one rate", async () => {
  await using server = await startServer({ trustProxy: 1 });
  const publish = async (address: string) => {
    const headers = { "x-forwarded-for": address, "idempotency-key": "the same" };
    const { status, body } = await server.fetch("/channels/a", {
      method: "POST",
      headers,
      body: "x",
    });
    assertEquals(status, 200, body);
    return JSON.parse(body).id;
  };
  const first = await publish("2001:db8::1");
  const second = await publish("2001:db8::2");
  assertEquals(await publish("2001:db8::1"), first);
  assertEquals(await publish("2001:db8::2"), second);
  assertEquals(first === second, false);
});
