import { assertEquals } from "@std/assert";
import { connect, HarkError } from "../lib/client.ts";
import { close, collect, next, StillServer, toState } from "./support/client.ts";
import { eventually } from "./support/deadline.ts";
import type { ServerOptions, TestServer } from "./support/server.ts";
import { issue, type Issued, SECRET } from "./support/tokens.ts";

const KEY = "a-publish-key";

function start(options: ServerOptions = {}): Promise<StillServer> {
  const all = { tokenSecret: SECRET, publishKey: [KEY], publishPerSecondMax: 1_000_000 };
  return StillServer.start({ ...all, ...options });
}

/** A token that ends `seconds` from now. */
function issueFor({ clock }: StillServer, seconds: number, claims: Issued = {}): Promise<string> {
  return issue({ exp: clock.now() / 1000 + seconds, ...claims });
}

/** The sessions, as the server lists them. */
async function sessionsOf(server: TestServer): Promise<{ client: string; channels: string[] }[]> {
  const headers = { authorization: `Bearer ${KEY}` };
  return JSON.parse((await server.fetch("/sessions", { headers })).body).sessions;
}

async function endSession(server: TestServer, client: string | undefined): Promise<void> {
  const init = { method: "DELETE", headers: { authorization: `Bearer ${KEY}` } };
  assertEquals((await server.fetch(`/sessions?client=${client}`, init)).status, 200);
}

Deno.test("the client refreshes its token by itself, on one connection, and loses nothing", async () => {
  await using node = await start();
  const { server } = node;
  let asked = 0;
  const token = () => {
    asked++;
    return issueFor(node, 60, { sub: "42", hark: { subscribe: ["news"] } });
  };
  const client = connect({ url: server.url, channels: ["news"], token });
  const all = collect(client);
  let welcomes = 0;
  client.on("welcome", () => welcomes++);
  assertEquals((await next(client, "welcome")).expiresInMs, 60_000);
  let sent = 0;
  while (asked < 4) {
    await server.publish("news", sent++, KEY);
    node.pass(1000);
    // A refresh is over once the next one is planned: only then may more time pass.
    await eventually(() => node.timers.waiting, (waiting) => waiting === 1);
  }
  await eventually(() => all.length, (length) => length === sent);
  assertEquals(all, [...Array(sent).keys()]);
  assertEquals(welcomes, 1);
  await close(client);
});

Deno.test("a client that came too late with its token comes back with another, and loses nothing", async () => {
  await using node = await start();
  const { server, timers } = node;
  const token = () => issueFor(node, 60, { hark: { subscribe: ["news"] } });
  const client = connect({ url: server.url, channels: ["news"], token });
  const all = collect(client);
  await toState(client, "connected");
  await server.publish("news", 1, KEY);
  await eventually(() => all.length, (length) => length === 1);
  const ended = toState(client, "waiting");
  const resumed = next(client, "resumed");
  node.clock.advance(71_000);
  await server.publish("news", 2, KEY);
  const { code, reason } = await ended;
  assertEquals([code, reason], [4002, "token expired"]);
  await server.publish("news", 3, KEY);
  await timers.retry(client);
  await resumed;
  await server.publish("news", 4, KEY);
  await eventually(() => all.length, (length) => length === 4);
  assertEquals(all, [1, 2, 3, 4]);
  await close(client);
});

Deno.test("a token that the page cannot get is an error, and the connection goes on", async () => {
  await using node = await start();
  const { server } = node;
  let asked = 0;
  const token = () => {
    if (asked++ > 0) throw new Error("signed out");
    return issueFor(node, 60, { hark: { subscribe: ["news"] } });
  };
  const client = connect({ url: server.url, channels: ["news"], token });
  const all = collect(client);
  await toState(client, "connected");
  const failed = next(client, "error");
  node.pass(45_000);
  assertEquals([(await failed).message, client.state], ["signed out", "connected"]);
  await server.publish("news", "still here", KEY);
  await eventually(() => all.length, (length) => length === 1);
  await close(client);
});

Deno.test("a token that cannot be had is asked for again until it is, on one connection", async () => {
  await using node = await start();
  const { server, timers } = node;
  let asked = 0;
  const token = () => {
    asked++;
    if (asked === 2 || asked === 3) throw new Error(`no answer ${asked}`);
    return issueFor(node, 60, { sub: "42" });
  };
  const client = connect({ url: server.url, token });
  const errors: string[] = [];
  client.on("error", ({ message }) => errors.push(message));
  const states: string[] = [];
  client.on("state", ({ state }) => states.push(state));
  await toState(client, "connected");
  const [before] = await sessionsOf(server);
  for (const [ms, message] of [[45_000, "no answer 2"], [2000, "no answer 3"]] as const) {
    const failed = next(client, "error");
    timers.tick(ms);
    assertEquals((await failed).message, message);
  }
  timers.tick(2000);
  await client.refresh();
  assertEquals([asked, errors], [5, ["no answer 2", "no answer 3"]]);
  const [after] = await sessionsOf(server);
  assertEquals(after?.client, before?.client);
  assertEquals(states, ["connected"]);
  await close(client);
});

Deno.test("a client that is closed asks for no other token", async () => {
  await using node = await start();
  let asked = 0;
  const token = () => {
    if (asked++ > 0) throw new Error("no answer");
    return issueFor(node, 60, { sub: "42" });
  };
  const client = connect({ url: node.server.url, token });
  await toState(client, "connected");
  const failed = next(client, "error");
  node.timers.tick(45_000);
  await failed;
  await close(client);
  node.timers.tick(600_000);
  assertEquals(asked, 2);
});

Deno.test("a client gives up the channels that its new token does not allow", async () => {
  await using node = await start();
  const { server, timers } = node;
  const allowed = [["a", "b", "c.*"], ["b"], ["b"]];
  const token = () => issueFor(node, 3600, { hark: { subscribe: allowed.shift()! } });
  const client = connect({ url: server.url, channels: ["a", "b", "c.*"], token });
  await toState(client, "connected");
  const errors: [string, string][] = [];
  client.on("error", (error) => {
    if (error instanceof HarkError) errors.push([error.code, error.message]);
  });
  await client.refresh();
  assertEquals(errors, [
    ["forbidden", "Not allowed any more on channel a"],
    ["forbidden", "Not allowed any more on channel c.*"],
  ]);
  assertEquals(client.channels, ["b"]);
  const [session] = await sessionsOf(server);
  assertEquals(session?.channels, ["broadcast", "b"]);
  const ended = toState(client, "waiting");
  const back = toState(client, "connected");
  await endSession(server, session?.client);
  assertEquals((await ended).code, 4003);
  await timers.retry(client);
  await back;
  assertEquals(allowed, []);
  await close(client);
});

Deno.test("a client with an ended session stays away with its only token, and else comes back", async () => {
  await using node = await start({ public: ["*"] });
  const token = await issueFor(node, 3600, { sub: "42" });
  for (const [options, state] of [[{ token }, "stopped"], [{}, "waiting"]] as const) {
    const client = connect({ url: node.server.url, ...options });
    const { client: id } = await next(client, "welcome");
    const ended = toState(client, state);
    await endSession(node.server, id);
    const { code, reason } = await ended;
    assertEquals([code, reason], [4003, "ended by the server's operator"]);
    await close(client);
  }
});
