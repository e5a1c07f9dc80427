import { assert, assertEquals, assertMatch } from "@std/assert";
import { deadline, eventually } from "./support/deadline.ts";
import { EventStream } from "./support/events.ts";
import { HANDSHAKE, RawConnection, request, resetDuringHandshake } from "./support/raw.ts";
import { type ChildServer, startChild } from "./support/child.ts";
import { Client } from "./support/socket.ts";

async function exitCode(server: ChildServer): Promise<number> {
  return (await deadline(server.status)).code;
}

/** Sends a signal and waits until the server has received it. */
async function signal(server: ChildServer, name: Deno.Signal): Promise<void> {
  server.kill(name);
  await server.stdout.find((line) => line.includes(` stopping signal=${name}`));
}

function isOpen({ socket }: Client): boolean {
  return socket.readyState === WebSocket.OPEN;
}

Deno.test("a signal disconnects the clients one after the other, and ends the process with 0", async () => {
  await Promise.all([drain("SIGTERM"), drain("SIGINT")]);
});

async function drain(name: Deno.Signal): Promise<void> {
  await using server = await startChild(["--drain-s", "1"]);
  const url = server.socketUrl();
  const clients = await Promise.all(Array.from({ length: 10 }, () => Client.open(url)));
  for (const client of clients) await client.text();
  await signal(server, name);

  const { status, headers, body } = await server.fetch("/readyz");
  assertEquals([status, headers.get("content-type")], [503, "application/problem+json"]);
  assertEquals(JSON.parse(body).type, "urn:hark:problem:unavailable");
  assertEquals((await server.fetch("/healthz")).status, 200);
  const refused = [
    ["GET /ws HTTP/1.1", ...HANDSHAKE],
    ["GET / HTTP/1.1", ...HANDSHAKE],
  ];
  for (const lines of refused) {
    const answer = await request(server.port, lines);
    assertEquals([answer.status, answer.headers.get("retry-after")], [503, "5"], lines[0]);
  }
  const events = await server.fetch("/events");
  assertEquals([events.status, events.headers.get("content-type")], [200, "text/event-stream"]);
  assertMatch(events.body, /^: The server is stopping: retry\nretry: [5-7]\d{3}\n\n$/);

  await Promise.any(clients.map((client) => client.closed()));
  const staying = clients.filter(isOpen);
  assert(staying.length > 0, "all were sent away at once");
  await server.broadcast("to those who are still here");
  const last = staying.at(-1)!;
  assertEquals(await last.json(), { message: "to those who are still here" });

  for (const client of clients) {
    assertEquals(await client.closed(), { code: 1001, reason: "going away" });
  }
  assertEquals(await exitCode(server), 0);
  const lines = await server.stdout.rest();
  assert(lines.at(-1)!.endsWith(" stopped"), lines.at(-1));
  const reasons = lines.filter((line) => line.includes(" client disconnected "));
  assertEquals(reasons.length, 10);
  assert(reasons.every((line) => line.includes(" why=shutdown ")));
  assertEquals(await server.stderr.rest(), []);
}

Deno.test("a signal without clients ends the process at once", async () => {
  await using server = await startChild(["--drain-s", "600"]);
  await signal(server, "SIGTERM");
  assertEquals(await exitCode(server), 0);
});

Deno.test("what was accepted before the signal is delivered", async () => {
  await using server = await startChild(["--drain-s", "0", "--outbound-bytes-max", "100000000"]);
  await using quick = await Client.open(server.socketUrl());
  await quick.text();
  using late = await RawConnection.open(server.port);
  await late.handshake();
  // More than the kernel buffers for a client that does not read yet: some of it is still unsent.
  const bodies = Array.from({ length: 300 }, (_, number) => `${number}${".".repeat(65_000)}`);
  for (const body of bodies) {
    assertEquals((await server.fetch("/channels/broadcast", { method: "POST", body })).status, 200);
  }
  await signal(server, "SIGTERM");
  const expected = bodies.map((message) => JSON.stringify({ message }));
  assertEquals(await late.text(), '{"message":"Welcome to my server"}');
  for (const text of expected) assertEquals(await late.text(), text);
  assertEquals(await late.closeFrame(), { code: 1001, reason: "going away" });
  assertEquals(await quick.frames.rest(), expected);
  assertEquals(await quick.closed(), { code: 1001, reason: "going away" });
  late[Symbol.dispose]();
  assertEquals(await exitCode(server), 0);
});

Deno.test("SSE streams end after all that was accepted before the signal", async () => {
  await using server = await startChild(["--drain-s", "0"]);
  await using stream = await EventStream.open(`${server.url}/events`);
  await stream.blocks.take(2);
  for (let number = 0; number < 20; number++) await server.broadcast(String(number));
  await signal(server, "SIGTERM");
  const blocks = await stream.blocks.rest();
  const got = blocks.map((block) => /data: \{"message":"(\d+)"\}$/.exec(block)?.[1]);
  assertEquals(got, Array.from({ length: 20 }, (_, number) => String(number)));
  assertEquals(await exitCode(server), 0);
});

Deno.test("a second signal ends the process at once", async () => {
  await using server = await startChild(["--drain-s", "600"]);
  const clients = [await Client.open(server.socketUrl()), await Client.open(server.socketUrl())];
  await signal(server, "SIGTERM");
  await Promise.any(clients.map((client) => client.closed()));
  assertEquals(clients.filter(isOpen).length, 1);
  server.kill("SIGINT");
  assertEquals(await exitCode(server), 1);
  for (const client of clients) await client.closed();
});

Deno.test("a signal that comes twice at once stops the server once; one that comes later ends it", async () => {
  await using server = await startChild(["--drain-s", "0"]);
  server.kill("SIGINT");
  await signal(server, "SIGINT");
  await server.stdout.find((line) => line.endsWith(" stopped"));
  assertEquals(await exitCode(server), 0);

  await using draining = await startChild(["--drain-s", "0"]);
  using mute = await RawConnection.open(draining.port); // The server waits for it.
  await mute.handshake();
  await signal(draining, "SIGTERM");
  let code: number | undefined;
  draining.status.then((status) => code = status.code);
  await eventually(() => {
    draining.killIfRunning("SIGTERM");
    return code;
  }, (code) => code !== undefined);
  assertEquals(code, 1);
});

Deno.test("clients that do not answer, read or finish do not delay the end", async () => {
  await using server = await startChild(["--drain-s", "0"]);
  const stuck = await Promise.all(Array.from({ length: 4 }, () => RawConnection.open(server.port)));
  const [mute, deaf, halfway] = stuck as [RawConnection, RawConnection, RawConnection];
  await mute.handshake();
  await deaf.request(["GET /events HTTP/1.1", "Host: localhost"]);
  await deaf.head();
  await halfway.write(
    "POST /channels/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
  );
  await resetDuringHandshake(server.port);
  const body = ".".repeat(65_000);
  for (let count = 0; count < 100; count++) {
    await server.fetch("/channels/broadcast", { method: "POST", body });
  }
  await signal(server, "SIGTERM");
  assertEquals(await exitCode(server), 0);
  for (const connection of stuck) connection[Symbol.dispose]();
});
