import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "../support/deadline.ts";
import { Inbox } from "../support/inbox.ts";
import { startWorkers, type WorkersServer } from "../support/workers.ts";

const SESSIONS = 24;

/** Makes a request on a connection of its own, which any worker may get. */
async function request(
  server: WorkersServer,
  query: string,
  init: RequestInit = {},
): Promise<string> {
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const headers = { ...init.headers, connection: "close" };
  const response = await fetch(`${server.url}/socket.io/?${query}`, { ...init, headers, client });
  const body = await response.text();
  assertEquals(response.status, 200, body);
  return body;
}

/** Shakes hands by polling, and joins the main namespace. Returns the query of its session. */
async function open(server: WorkersServer, query: string): Promise<string> {
  const opened = await request(server, query);
  const [, sid] = /"sid\\*":\\*"([\w~-]+)/.exec(opened)!;
  assertMatch(sid!, /^[1-4]~[\w-]{22}$/);
  return `${query}&sid=${sid}`;
}

Deno.test("polls that come to another worker are answered", async () => {
  await using server = await startWorkers(4);
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, async () => {
    const session = await open(server, "EIO=4&transport=polling");
    assertEquals(await request(server, session, { method: "POST", body: "40" }), "ok");
    assertMatch(await request(server, session), /^40\{"sid":/);
    return session;
  }));
  assertEquals(new Set(sessions.map((session) => /sid=(\d)/.exec(session)![1])).size > 1, true);
  const polls = sessions.map((session) => request(server, session));
  await server.publish("broadcast", "hello");
  for (const answer of await deadline(Promise.all(polls))) {
    assertMatch(answer, /^42\["message",\{"message":"hello"\},/);
  }
});

Deno.test("JSONP of an old client that comes to another worker is answered", async () => {
  await using server = await startWorkers(4);
  await Promise.all(Array.from({ length: SESSIONS }, async (_, index) => {
    const session = await open(server, `EIO=3&transport=polling&j=${index}`);
    const poll = request(server, session);
    await server.publish("broadcast", "hello");
    assertMatch(await poll, new RegExp(`^___eio\\[${index}\\]\\(".*hello`));
  }));
});

Deno.test("a WebSocket that comes to another worker upgrades the session there", async () => {
  await using server = await startWorkers(4);
  const sockets: WebSocket[] = [];
  try {
    const inboxes = await Promise.all(Array.from({ length: SESSIONS }, async () => {
      const session = await open(server, "EIO=4&transport=polling");
      await request(server, session, { method: "POST", body: "40" });
      await request(server, session);
      const path = `/socket.io/?${session.replace("polling", "websocket")}`;
      const socket = new WebSocket(server.socketUrl(path));
      sockets.push(socket);
      const inbox = new Inbox<string>();
      socket.onmessage = ({ data }) => inbox.push(data);
      await deadline(new Promise((resolve) => socket.onopen = resolve));
      socket.send("2probe");
      assertEquals(await inbox.next(), "3probe");
      socket.send("5");
      return inbox;
    }));
    await server.publish("broadcast", { n: 1 });
    await server.publish("broadcast", { n: 2 });
    for (const inbox of inboxes) {
      assertMatch(await inbox.next(), /^42\["message",\{"n":1\},/);
      assertMatch(await inbox.next(), /^42\["message",\{"n":2\},/);
    }
    const listed = JSON.parse((await server.fetch("/sessions")).body).sessions;
    assertEquals(
      new Set(listed.map(({ address }: { address: string }) => address)),
      new Set(["127.0.0.1"]),
    );
  } finally {
    await deadline(Promise.all(sockets.map((socket) => {
      const closed = new Promise((resolve) => socket.onclose = resolve);
      socket.close();
      return closed;
    })));
  }
  await deadline((async () => {
    while ((await server.fetch("/count")).body !== '{"count":0}');
  })());
});

Deno.test("a sid of a worker that is not there gets the answer to an unknown sid", async () => {
  await using server = await startWorkers(2);
  for (const sid of ["0~x", "3~x", "99~x", "1~x", "2~x"]) {
    const path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
    const { status, body } = await server.fetch(path);
    assertEquals([status, JSON.parse(body)], [400, { code: 1, message: "Session ID unknown" }]);
  }
});
