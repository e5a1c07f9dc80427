import { assert, assertEquals } from "@std/assert";
import { connect, type Events, type Hark, HarkError } from "../static/client.js";
import { deadline, eventually } from "./support/deadline.ts";
import { SocketClock } from "./support/engineio.ts";
import { startServer, type TestServer } from "./support/server.ts";
import { issue, NOW_S, SECRET } from "./support/tokens.ts";

const KEY = "a-publish-key";
const HOLDER = { authorization: `Bearer ${KEY}` };
const tokens = { tokenSecret: SECRET, publishKey: [KEY] };

/** Resolves to the first `type` that `accept` takes. */
function next<Type extends keyof Events>(
  client: Hark,
  type: Type,
  accept: (detail: Events[Type]) => boolean = () => true,
): Promise<Events[Type]> {
  return deadline(
    new Promise((resolve) => {
      const off = client.on(type, (detail) => {
        if (!accept(detail)) return;
        off();
        resolve(detail);
      });
    }),
    20_000,
  );
}

const toState = (client: Hark, state: string) =>
  next(client, "state", (change) => change.state === state);

async function publish(server: TestServer, channel: string, text: string): Promise<void> {
  const init = { method: "POST", body: text, headers: HOLDER };
  assertEquals((await server.fetch(`/channels/${channel}`, init)).status, 200);
}

/** Ends a client, and waits until the server knows. */
async function close(server: TestServer, client: Hark): Promise<void> {
  client.close();
  await eventually(
    async () => (await server.fetch("/count")).body,
    (body) => body === '{"count":0}',
  );
}

/** Collects the text of every message. */
function collect(client: Hark): string[] {
  const texts: string[] = [];
  client.on("message", ({ data }) => texts.push(data.message));
  return texts;
}

Deno.test("the client refreshes its token by itself, on one connection, and loses nothing", async () => {
  await using server = await startServer({ ...tokens, publishPerSecondMax: 1_000_000 });
  let asked = 0;
  const token = () => {
    asked++;
    return issue({ exp: Date.now() / 1000 + 2, sub: "42", hark: { subscribe: ["news"] } });
  };
  const client = connect({ url: server.url, channels: ["news"], token });
  const texts = collect(client);
  let welcomes = 0;
  client.on("welcome", () => welcomes++);
  const { expiresInMs } = await next(client, "welcome");
  assert(expiresInMs! > 1000 && expiresInMs! <= 2000, String(expiresInMs));
  const sent: string[] = [];
  while (asked < 4) {
    sent.push(String(sent.length));
    await publish(server, "news", sent.at(-1)!);
  }
  await eventually(() => texts.length, (length) => length === sent.length);
  assertEquals(texts, sent);
  assertEquals(welcomes, 1);
  await close(server, client);
});

Deno.test("a client that came too late with its token comes back with another, and loses nothing", async () => {
  const clock = new SocketClock();
  await using server = await startServer({ ...tokens, clock });
  let exp = NOW_S;
  const token = () => issue({ exp: exp += 60, hark: { subscribe: ["news"] } });
  const client = connect({ url: server.url, channels: ["news"], token });
  const texts = collect(client);
  await toState(client, "connected");
  await publish(server, "news", "1");
  await eventually(() => texts.length, (length) => length === 1);
  const ended = toState(client, "waiting");
  const resumed = next(client, "resumed");
  clock.advance(71_000);
  await publish(server, "news", "2");
  const { code, reason } = await ended;
  assertEquals([code, reason], [4002, "token expired"]);
  await publish(server, "news", "3");
  await resumed;
  await publish(server, "news", "4");
  await eventually(() => texts.length, (length) => length === 4);
  assertEquals(texts, ["1", "2", "3", "4"]);
  await close(server, client);
});

Deno.test("a token that cannot be had is told as an error, and the connection goes on", async () => {
  await using server = await startServer(tokens);
  let asked = 0;
  const token = () => {
    if (asked++ > 0) throw new Error("signed out");
    return issue({ exp: Date.now() / 1000 + 1.5, hark: { subscribe: ["news"] } });
  };
  const client = connect({ url: server.url, channels: ["news"], token });
  const texts = collect(client);
  const error = await next(client, "error");
  assertEquals([error.message, client.state], ["signed out", "connected"]);
  await publish(server, "news", "still here");
  await eventually(() => texts.length, (length) => length === 1);
  await close(server, client);
});

Deno.test("a token that cannot be had is asked for again until it is, on one connection", async () => {
  await using server = await startServer(tokens);
  let asked = 0;
  const token = () => {
    asked++;
    if (asked === 2 || asked === 3) throw new Error(`no answer ${asked}`);
    return issue({ exp: Date.now() / 1000 + (asked === 1 ? 2 : 3600), sub: "42" });
  };
  const client = connect({ url: server.url, token });
  const errors: string[] = [];
  client.on("error", ({ message }) => errors.push(message));
  const states: string[] = [];
  client.on("state", ({ state }) => states.push(state));
  await toState(client, "connected");
  await next(client, "error", ({ message }) => message === "no answer 3");
  const { body } = await server.fetch("/sessions", { headers: HOLDER });
  const [{ client: id }] = JSON.parse(body).sessions;
  await eventually(() => asked, (count) => count === 4);
  await client.refresh();
  assertEquals([asked, errors], [5, ["no answer 2", "no answer 3"]]);
  const after = await server.fetch("/sessions", { headers: HOLDER });
  assertEquals(JSON.parse(after.body).sessions[0].client, id);
  assertEquals(states, ["connected"]);
  await close(server, client);
});

Deno.test("a client that is closed asks for no other token", async () => {
  await using server = await startServer(tokens);
  let asked = 0;
  const token = () => {
    if (asked++ > 0) throw new Error("no answer");
    return issue({ exp: Date.now() / 1000 + 2, sub: "42" });
  };
  const client = connect({ url: server.url, token });
  await next(client, "error");
  // A timer that is left is found by the test's sanitizers.
  await close(server, client);
  assertEquals(asked, 2);
});

Deno.test("a client gives up the channels that its new token does not allow", async () => {
  await using server = await startServer(tokens);
  const allowed = [["a", "b", "c.*"], ["b"], ["b"]];
  const token = () => issue({ hark: { subscribe: allowed.shift()! } });
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
  const { body } = await server.fetch("/sessions", { headers: HOLDER });
  const [{ client: id, channels }] = JSON.parse(body).sessions;
  assertEquals(channels, ["broadcast", "b"]);
  const ended = toState(client, "waiting");
  const back = toState(client, "connected");
  await server.fetch(`/sessions?client=${id}`, { method: "DELETE", headers: HOLDER });
  assertEquals((await ended).code, 4003);
  await back;
  assertEquals(allowed, []);
  await close(server, client);
});

Deno.test("a client whose session was ended stays away with its only token, and else comes back", async () => {
  await using server = await startServer({ ...tokens, public: ["*"] });
  const token = await issue({ sub: "42" });
  for (const [options, state] of [[{ token }, "stopped"], [{}, "waiting"]] as const) {
    const client = connect({ url: server.url, ...options });
    const { client: id } = await next(client, "welcome");
    const ended = toState(client, state);
    await server.fetch(`/sessions?client=${id}`, { method: "DELETE", headers: HOLDER });
    const { code, reason } = await ended;
    assertEquals([code, reason], [4003, "ended by the server's operator"]);
    await close(server, client);
  }
});
