import { assertEquals } from "@std/assert";
import { deadline } from "../support/deadline.ts";
import { APP, KEY, PusherPeer, SECRET, trigger } from "../support/pusher.ts";
import { Inbox } from "../support/inbox.ts";
import { Proxy } from "../support/proxy.ts";
import { startServer } from "../support/server.ts";
import { ClientProcess, NodeProcess, packageFolder, type PACKAGES } from "./clients.ts";
import { commandOf, PUSHER_SDKS } from "./languages.ts";

const VERSIONS = ["pusher-js-4", "pusher-js-5", "pusher-js-7", "pusher-js-8", "pusher-js"] as const;
const PLUGIN = new URL("../../static/hark-pusher.js", import.meta.url).pathname;

/** A client of one version of pusher-js. */
async function startClient(
  version: typeof VERSIONS[number],
  port: number,
  settings: Record<string, unknown> = {},
): Promise<NodeProcess> {
  const isOld = version === "pusher-js-4" || version === "pusher-js-5";
  const folder = await packageFolder(version);
  const callsBack = isOld ? "boolean" : "error";
  const all = { folder, key: KEY, secret: SECRET, port, user: "1", callsBack, ...settings };
  return new NodeProcess("pusher.mjs", JSON.stringify(all));
}

const SUCCEEDED = "pusher:subscription_succeeded";

for (const version of VERSIONS) {
  Deno.test(`${version} subscribes, sees members, sends client events and gets messages`, async () => {
    await using server = await startServer({ pusherApp: [`${APP}?client-events`] });
    await using other = await PusherPeer.open(server);
    await other.join("presence-room", 2, { name: "two" });
    await other.subscribe("private-a");
    await using client = await startClient(version, server.port);
    await client.next("state");
    for (const subscribe of ["ci", "private-a", "presence-room"]) await client.write({ subscribe });
    const answers = [
      await client.next(SUCCEEDED),
      await client.next(SUCCEEDED),
      await client.next(SUCCEEDED),
    ];
    assertEquals(answers.map(([channel]) => channel), ["ci", "private-a", "presence-room"]);
    assertEquals(answers[2], ["presence-room", ["1", "2"], "1"]);
    assertEquals((await other.frame()).event, "pusher_internal:member_added");
    await client.write({ trigger: ["private-a", "client-typing", { n: 1 }] });
    assertEquals(await other.frame(), {
      event: "client-typing",
      channel: "private-a",
      data: { n: 1 },
    });
    await trigger(server, "ci", '{"a": [1]}');
    await trigger(server, "private-a", "no JSON");
    assertEquals(await client.next("my-event"), ["ci", { a: [1] }]);
    assertEquals(await client.next("my-event"), ["private-a", "no JSON"]);
    if (version === "pusher-js-7" || version === "pusher-js-8" || version === "pusher-js") {
      await client.write({ signin: true });
      await client.next("pusher:signin_success");
    }
  });

  Deno.test(`${version} resumes with hark-pusher.js: nothing is lost, nothing comes twice`, async () => {
    await using server = await startServer({ pusherApp: [APP] });
    await using proxy = new Proxy(server.port);
    await using client = await startClient(version, proxy.port, { plugin: PLUGIN });
    const [, socketId] = await client.next("state");
    for (const subscribe of ["ci", "private-a"]) await client.write({ subscribe });
    for (let count = 0; count < 2; count++) await client.next(SUCCEEDED);
    await trigger(server, "ci", "1");
    assertEquals(await client.next("my-event"), ["ci", 1]);
    proxy.cut();
    await trigger(server, "ci", "2");
    await trigger(server, "private-a", "3", { socket_id: socketId });
    await trigger(server, "private-a", "4");
    for (let count = 0; count < 2; count++) await client.next(SUCCEEDED);
    await trigger(server, "private-a", "5");
    const got = await client.events("my-event").take(3);
    assertEquals(got, [["ci", 2], ["private-a", 4], ["private-a", 5]]);
    assertEquals(client.events("hark:gap").takeAll(), []);
  });
}

Deno.test("pusher-js stays away from a key that there is not, and comes back after a restart", async () => {
  const options = { pusherApp: [APP], drainS: 0 };
  const first = await startServer(options);
  await using proxy = new Proxy(first.port);
  await using wrong = await startClient("pusher-js", proxy.port, { key: "other" });
  assertEquals(
    (await wrong.events("state").find(([state]) => state === "disconnected"))[0],
    "disconnected",
  );
  await using client = await startClient("pusher-js", proxy.port);
  await client.next("state");
  await first.stop();
  await using second = await startServer(options);
  proxy.redirect(second.port);
  const states = client.events("state");
  assertEquals((await states.find(([state]) => state === "connected"))[0], "connected");
});

Deno.test("every version of pusher-js is back at once when a server is started again on its port", async () => {
  // Longer than it takes them to come back for the first time, when the server is still there.
  const options = { pusherApp: [APP], drainS: 2 };
  const first = await startServer(options);
  await using closing = new AsyncDisposableStack();
  const clients = await Promise.all(VERSIONS.map(async (version) => {
    return closing.use(await startClient(version, first.port));
  }));
  for (const client of clients) {
    await client.next("state");
    await client.write({ subscribe: "ci" });
    await client.next(SUCCEEDED);
  }
  await first.stop();
  await using second = await startServer({ ...options, drainS: 0, port: first.port });
  // One that finds nobody there waits for fifteen seconds.
  for (const client of clients) await deadline(client.next(SUCCEEDED), 12_000);
  await trigger(second, "ci", "1");
  for (const client of clients) assertEquals(await client.next("my-event"), ["ci", 1]);
});

Deno.test("laravel-echo listens, whispers and sees who is there", async () => {
  await using server = await startServer({ pusherApp: [`${APP}?client-events`] });
  const [echoFolder, folder] = [
    await packageFolder("laravel-echo"),
    await packageFolder("pusher-js"),
  ];
  const start = (user: string) => {
    const settings = { echoFolder, folder, key: KEY, secret: SECRET, port: server.port, user };
    return new NodeProcess("echo.mjs", JSON.stringify(settings));
  };
  await using one = start("1");
  assertEquals(await one.next("here"), [[{ name: "user 1" }]]);
  for (let count = 0; count < 2; count++) await one.next("subscribed");
  const two = start("2");
  assertEquals(await two.next("here"), [[{ name: "user 1" }, { name: "user 2" }]]);
  assertEquals(await one.next("joining"), [{ name: "user 2" }]);
  await two.write({});
  assertEquals(await one.next("whisper"), [{ by: "2" }]);
  await two[Symbol.asyncDispose]();
  assertEquals(await one.next("leaving"), [{ name: "user 2" }]);
  await trigger(server, "ci", '{"id":1}', { name: "App\\Events\\OrderShipped" });
  await trigger(server, "ci", '{"id":2}', { name: "plain" });
  await trigger(server, "private-orders", '{"id":3}', { name: "plain" });
  assertEquals(await one.next("shipped"), [{ id: 1 }]);
  assertEquals(await one.next("plain"), [{ id: 2 }]);
  assertEquals(await one.next("private"), [{ id: 3 }]);
});

Deno.test("the npm package pusher triggers, asks and terminates", async () => {
  await using server = await startServer({ pusherApp: [APP] });
  await using peer = await PusherPeer.open(server);
  for (const name of ["ci", "private-a"]) await peer.subscribe(name);
  await peer.join("presence-a", "7");
  peer.signIn("7");
  await peer.frame();
  const name: keyof typeof PACKAGES = "pusher";
  await using sdk = new NodeProcess("pusher_sdk.mjs", await packageFolder(name), `${server.port}`);
  const one = { user_count: 1, subscription_count: 1 };
  assertEquals(await sdk.next("trigger"), [200, {}]);
  assertEquals(await sdk.next("info"), [200, { channels: { "presence-a": one } }]);
  assertEquals(await sdk.next("batch"), [200, {}]);
  assertEquals(await sdk.next("channels"), [200, { channels: { "presence-a": {} } }]);
  assertEquals(await sdk.next("channel"), [200, { occupied: true, user_count: 1 }]);
  assertEquals(await sdk.next("users"), [200, { users: [{ id: "7" }] }]);
  assertEquals(await sdk.next("user"), [200, {}]);
  assertEquals(await sdk.next("terminate"), [200, {}]);
  assertEquals((await peer.client.closed()).code, 4009);
  const events = await peer.events(5);
  assertEquals(events, [
    ["App\\Events\\A", { n: 1 }],
    ["App\\Events\\A", { n: 1 }],
    ["e", "text"],
    ["e", 42],
    ["e", null],
  ]);
});

Deno.test("the npm package pusher takes webhooks for what they are", async () => {
  const posted = new Inbox<{ headers: Record<string, string>; rawBody: string }>();
  const listen = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using receiver = Deno.serve(listen, async (request) => {
    const headers = Object.fromEntries(request.headers);
    posted.push({ headers, rawBody: await request.text() });
    return new Response();
  });
  const webhook = `http://127.0.0.1:${receiver.addr.port}/`;
  await using server = await startServer({ pusherApp: [`${APP}?webhook=${webhook}`] });
  await using peer = await PusherPeer.open(server);
  await peer.subscribe("ci");
  const name: keyof typeof PACKAGES = "pusher";
  await using sdk = new NodeProcess("pusher_sdk.mjs", await packageFolder(name), `${server.port}`);
  const came = await posted.next();
  await sdk.write(came);
  assertEquals(await sdk.next("webhook"), [[{ name: "channel_occupied", channel: "ci" }]]);
  await sdk.write({ ...came, rawBody: `${came.rawBody} ` });
  assertEquals(await sdk.next("webhook"), ["invalid"]);
});

const python = await commandOf(PUSHER_SDKS.python);

Deno.test({
  name: "the package pusher for Python triggers and asks",
  ignore: python === undefined,
  async fn() {
    await using server = await startServer({ pusherApp: [APP] });
    await using peer = await PusherPeer.open(server);
    await peer.subscribe("ci");
    await peer.join("presence-a", "7");
    const [program = "", ...args] = python!;
    await using sdk = new ClientProcess(program, ...args, String(server.port));
    assertEquals(await sdk.next("trigger"), [{}]);
    assertEquals(await sdk.next("batch"), [{}]);
    assertEquals(await sdk.next("channels"), [{ channels: { "presence-a": { user_count: 1 } } }]);
    assertEquals(await sdk.next("channel"), [{ occupied: true, subscription_count: 1 }]);
    assertEquals(await sdk.next("users"), [{ users: [{ id: "7" }] }]);
    assertEquals(await peer.events(3), [["e", { n: 1 }], ["e", { n: 1 }], ["e", "text"]]);
  },
});

const go = await commandOf(PUSHER_SDKS.go);

Deno.test({
  name: "the module pusher-http-go triggers and asks",
  ignore: go === undefined,
  async fn() {
    await using server = await startServer({ pusherApp: [APP] });
    await using peer = await PusherPeer.open(server);
    await peer.subscribe("ci");
    await peer.join("presence-a", "7");
    peer.signIn("7");
    await peer.frame();
    await peer.subscribe("#server-to-user-7");
    const [program = "", ...args] = go!;
    await using sdk = new ClientProcess(program, ...args, String(server.port));
    const one = { user_count: 1, subscription_count: 1 };
    assertEquals(await sdk.next("trigger"), [null]);
    assertEquals(await sdk.next("info"), [{ channels: { "presence-a": one } }]);
    assertEquals(await sdk.next("batch"), [{ batch: null }]);
    assertEquals(await sdk.next("channels"), [{ channels: { "presence-a": { user_count: 1 } } }]);
    assertEquals(await sdk.next("channel"), [{
      Name: "ci",
      occupied: true,
      subscription_count: 1,
    }]);
    assertEquals(await sdk.next("users"), [{ users: [{ id: "7" }] }]);
    assertEquals(await sdk.next("user"), [null]);
    assertEquals(await peer.events(5), [
      ["e", { n: 1 }],
      ["e", { n: 1 }],
      ["e", "text"],
      ["e", "text"],
      ["e", {}],
    ]);
  },
});
