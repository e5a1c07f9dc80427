import { assertEquals } from "@std/assert";
import { fenced, readDoc } from "../../support/docs.ts";
import { startServer } from "../../support/server.ts";
import { Client } from "../../support/socket.ts";

const TIME = /"time":\d+/g;

Deno.test("the server answers as the example in protocol.md", async () => {
  await using server = await startServer();
  for (const n of [1, 2]) await server.publish("ci", { n });
  const { id } = JSON.parse((await server.fetch("/channels/ci?limit=1")).body).publications[0];
  const [epoch = ""] = id.split("-");
  await server.publish("broadcast", "between");
  const client = await Client.open(server.socketUrl(), { protocols: ["hark.v1"] });

  const [, example = ""] = /## An example\n(.*)/s.exec(await readDoc("protocol")) ?? [];
  const lines = fenced(example, "")[0]!.replaceAll("v95hnj86", epoch).trim().split("\n");
  assertEquals(lines.length, 8);
  let received: unknown[] = [];
  for (const line of lines) {
    const text = line.slice(2);
    if (line.startsWith(">")) {
      client.send(text);
      continue;
    }
    const expected = JSON.parse(text.replace(TIME, '"time":0'));
    while (received.length < expected.length) {
      const frame = (await client.text()).replace(TIME, '"time":0')
        .replace(/"client":"[\w-]{22}"/, `"client":"${expected[0].client}"`);
      received = [...received, ...JSON.parse(frame)];
    }
    assertEquals(received.splice(0, expected.length), expected);
  }
  await client.close();
});
