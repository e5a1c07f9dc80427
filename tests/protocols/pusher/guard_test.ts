import { assertEquals } from "@std/assert";
import { APP, ask, PusherPeer, trigger } from "../../support/pusher.ts";
import { startServer } from "../../support/server.ts";
import { Client, HarkClient } from "../../support/socket.ts";
import { issue, SECRET } from "../../support/tokens.ts";

const KEY = "a-publish-key";
const GUARDED = ["private-a", "presence-a", "#server-to-user-1", "private-a.b"];

Deno.test("in every protocol only keys and tokens that name guarded channels receive them", async () => {
  for (const options of [{}, { public: ["*", "private-a"] }]) {
    const pusherApp = [APP];
    await using server = await startServer({ pusherApp, publishKey: [KEY], ...options });
    const headers = { authorization: `Bearer ${KEY}` };
    for (const channel of GUARDED) {
      const name = encodeURIComponent(channel);
      const paths = [`/channels/${name}`, `/channels/${name}/presence`, `/events?channel=${name}`];
      for (const path of paths) {
        const method = path.startsWith("/events") ? "HEAD" : "GET";
        assertEquals((await server.fetch(path, { method })).status, 403, path);
        assertEquals((await server.fetch(path, { method, headers })).status, 200, path);
      }
      assertEquals((await server.fetch(`/ws?channel=${name}`, {})).status !== 200, true);
      const body = { method: "POST", body: "x" };
      assertEquals((await server.fetch(`/channels/${name}`, body)).status, 401);
      assertEquals((await server.fetch(`/channels/${name}`, { ...body, headers })).status, 200);
    }
    assertEquals((await server.fetch("/channels/public")).status, 200);
  }
});

Deno.test("a key or token for * receives guarded channels, live and in a replay", async () => {
  await using server = await startServer({
    pusherApp: [APP],
    tokenSecret: SECRET,
    public: ["*"],
  });
  const all = await issue({ hark: { subscribe: ["*"] } });
  const some = await issue({ hark: { subscribe: ["private-a"] } });
  const cases: [query: string, expected: unknown[]][] = [
    ["?channel=*", ["ci 1", "ci 3"]],
    [`?channel=*&token=${some}`, ["ci 1", "private-a 2", "ci 3"]],
    [`?channel=*&token=${all}`, ["ci 1", "private-a 2", "ci 3", "private-b 4"]],
    [`?channel=private-a&token=${some}`, ["private-a 2"]],
  ];
  const open = async (query: string) => {
    const client = await HarkClient.open(server.socketUrl(`/ws${query}`));
    const { position } = await client.event();
    return { client, position, query };
  };
  const live = await Promise.all(cases.map(([query]) => open(query)));
  const channels = ["ci", "private-a", "ci", "private-b", "broadcast"];
  for (const [index, channel] of channels.entries()) {
    await trigger(server, channel, String(index + 1));
  }
  const read = async (client: HarkClient) => {
    const found: string[] = [];
    for (;;) {
      const { channel, data } = await client.event();
      if (channel === "broadcast") return found;
      found.push(`${channel} ${data}`);
    }
  };
  for (const [index, { client, query, position }] of live.entries()) {
    const [, expected] = cases[index]!;
    assertEquals(await read(client), expected, query);
    const again = await open(`${query}&since=${position}`);
    assertEquals(await read(again.client), expected, query);
    await again.client[Symbol.asyncDispose]();
    await client[Symbol.asyncDispose]();
  }
});

Deno.test("a session whose new token is narrower loses its guarded channels", async () => {
  await using server = await startServer({ pusherApp: [APP], tokenSecret: SECRET, public: ["*"] });
  const all = await issue({ hark: { subscribe: ["*"] } });
  await using client = await HarkClient.open(server.socketUrl(`/ws?channel=*&token=${all}`));
  await trigger(server, "private-a", "1");
  assertEquals((await client.events.find(({ type }) => type === "message")).data, 1);
  const token = await issue({ hark: { subscribe: ["private-b"] } });
  assertEquals((await client.command({ type: "refresh", token })).type, "ok");
  for (const [channel, data] of [["private-a", "2"], ["private-b", "3"], ["ci", "4"]]) {
    await trigger(server, channel!, data!);
  }
  const data = [(await client.event()).data, (await client.event()).data];
  assertEquals(data, [3, 4]);
});

Deno.test("the history of * has guarded channels only for callers that may receive them", async () => {
  const pusherApp = [APP];
  await using server = await startServer({
    pusherApp,
    publishKey: [KEY],
    tokenSecret: SECRET,
    public: ["*"],
  });
  for (
    const [channel, data] of [["ci", "1"], ["private-a", "2"], ["private-b", "3"], ["ci", "4"]]
  ) {
    await trigger(server, channel!, data!);
  }
  const token = await issue({ hark: { subscribe: ["private-a"] } });
  const cases: [query: string, expected: number[]][] = [
    ["", [1, 4]],
    ["&order=newest", [4, 1]],
    [`&token=${token}`, [1, 2, 4]],
    [`&key=${KEY}`, [1, 2, 3, 4]],
  ];
  for (const [query, expected] of cases) {
    const { body } = await server.fetch(`/channels/*?limit=10${query}`);
    const { publications } = JSON.parse(body) as { publications: { data: number }[] };
    assertEquals(publications.map(({ data }) => data), expected, query);
    const found: number[] = [];
    let since = "";
    for (let more = true; more;) {
      const page = await server.fetch(
        `/channels/*?limit=1${query.replace("&order=newest", "")}${since}`,
      );
      const { publications, next, more: isMore } = JSON.parse(page.body);
      found.push(...publications.map(({ data }: { data: number }) => data));
      [since, more] = [`&since=${next}`, isMore];
    }
    assertEquals(found, expected.toSorted(), query);
  }
});

Deno.test("a public channel is one that anyone may receive", async () => {
  await using server = await startServer({
    pusherApp: [APP],
    tokenSecret: SECRET,
    public: ["news", "private-a"],
  });
  await using peer = await PusherPeer.open(server);
  assertEquals((await peer.subscribe("news")).event, "pusher_internal:subscription_succeeded");
  assertEquals((await peer.subscribe("ci")).event, "pusher:subscription_error");
  const { event } = await peer.subscribe("private-a", { auth: "" });
  assertEquals(event, "pusher:subscription_error");
  await using closed = await startServer({ pusherApp: [APP], tokenSecret: SECRET });
  await using other = await PusherPeer.open(closed);
  for (const name of ["ci", "broadcast"]) {
    assertEquals((await other.subscribe(name)).event, "pusher:subscription_error");
  }
});

Deno.test("what is triggered reaches plain WebSockets too, as JSON", async () => {
  await using server = await startServer({ pusherApp: [APP], welcome: "" });
  await using client = await Client.open(server.socketUrl("/ws?channel=ci"));
  for (const data of ['{"a": 1}', "text"]) {
    await ask(server, "/events", { body: { name: "e", channel: "ci", data } });
  }
  assertEquals([await client.text(), await client.text()], ['{"a": 1}', '"text"']);
});
