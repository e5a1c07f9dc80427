import { assertEquals, assertStringIncludes } from "@std/assert";
import { startServer } from "../support/server.ts";
import { issue, SECRET } from "../support/tokens.ts";

const KEY = "a-publish-key";

Deno.test("who may publish to few channels cannot take the room of all", async () => {
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
  assertEquals((await publish("news", KEY)).status, 200);
});
