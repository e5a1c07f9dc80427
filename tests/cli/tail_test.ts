import { assertEquals, assertMatch } from "@std/assert";
import { withStandIns } from "../fuzz/scripted.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Inbox } from "../support/inbox.ts";
import { Proxy } from "../support/proxy.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { CommandRun, run } from "../support/shell.ts";

/** Publishes as `application/json` unless it is bytes, and returns the answer. */
async function publish(
  server: TestServer,
  target: string,
  body: string | Uint8Array<ArrayBuffer>,
): Promise<{ id: string; time: number }> {
  const type = typeof body === "string" ? "application/json" : "application/octet-stream";
  const headers = { "content-type": type };
  const answer = await server.fetch(`/channels/${target}`, { method: "POST", headers, body });
  if (answer.status !== 200) throw new Error(answer.body);
  return JSON.parse(answer.body);
}

/** Resolves once the log has reported so many sessions. */
async function connected(server: TestServer, count = 1): Promise<void> {
  for (let seen = 0; seen < count; seen++) {
    await server.log.find(({ message }) => message === "new connection");
  }
}

/** Ends a tail while its server runs: nobody reads the next message. */
async function end(tail: CommandRun, server: TestServer, channel: string): Promise<number> {
  tail.stopReading();
  await publish(server, channel, '"the end"');
  return await tail.code();
}

interface ScriptedSocket {
  readonly url: URL;
  readonly headers: Headers;
  readonly socket: WebSocket;
  readonly received: Inbox<string>;
}

/** A WebSocket server with scripted messages. */
class ScriptedServer implements AsyncDisposable {
  readonly sockets: Inbox<ScriptedSocket> = new Inbox();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(protocol = "hark.v1") {
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    this.#server = Deno.serve(options, (request) => {
      const url = new URL(request.url);
      const headers = new Headers(request.headers);
      const received = new Inbox<string>();
      const { socket, response } = Deno.upgradeWebSocket(request, protocol ? { protocol } : {});
      socket.onmessage = ({ data }) => received.push(data);
      socket.onopen = () => this.sockets.push({ url, headers, socket, received });
      return response;
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function welcome(position: string, fields: Record<string, unknown> = {}): string {
  return JSON.stringify([{ type: "welcome", client: "c", position, ...fields }]);
}

function message(id: string, fields: Record<string, unknown> = {}): string {
  const all = { type: "message", id, channel: "ci", event: "e", data: 1, time: 0, ...fields };
  return JSON.stringify([all]);
}

Deno.test("tail prints time, channel, event and data of its channels alone", async () => {
  await using server = await startServer();
  const tail = new CommandRun("tail", ["--url", server.url, "ci", "sensor.*"]);
  await connected(server);
  await server.broadcast("not asked for");
  const first = await publish(server, "ci", '{"message": "done", "id": 12345678901234567890}');
  await publish(server, "other", "1");
  const second = await publish(server, "sensor.kitchen?event=reading", "21.50");
  const third = await publish(server, "ci", Uint8Array.of(0, 255));
  const time = (sent: { time: number }) => new Date(sent.time).toISOString();
  assertEquals(await tail.out.take(3), [
    `${time(first)} ci message {"message":"done","id":12345678901234567890}`,
    `${time(second)} sensor.kitchen reading 21.50`,
    `${time(third)} ci message {"base64":"AP8="}`,
  ]);
  assertEquals(await end(tail, server, "ci"), 0);
  assertEquals([tail.out.takeAll(), tail.said.takeAll()], [[], []]);
});

Deno.test("tail --json prints one object a line, from --since on", async () => {
  await using server = await startServer();
  const sent = [
    await publish(server, "ci", "1"),
    await publish(server, "ci?event=e", '{"a":\n[1.0]}'),
    await publish(server, "ci", Uint8Array.of(1)),
  ];
  const args = ["--url", server.url, "--json", "--since", sent[0]!.id, "ci"];
  const tail = new CommandRun("tail", args);
  const [, second, third] = sent;
  assertEquals(await tail.out.take(2), [
    `{"id":"${second!.id}","channel":"ci","event":"e","data":{"a":[1.0]},"time":${second!.time}}`,
    `{"id":"${third!.id}","channel":"ci","event":"message","base64":"AQ==","time":${third!.time}}`,
  ]);
  assertEquals(await end(tail, server, "ci"), 0);
});

Deno.test("tail --since all prints the messages that are kept, and reports no gap", async () => {
  for (const since of ["all", "1h", new Date(0).toISOString()]) {
    await using server = await startServer({ historyCount: 2 });
    for (const data of ["1", "2", "3"]) await publish(server, "n", data);
    const args = ["--url", server.url, "--json", "--since", since, "n"];
    const tail = new CommandRun("tail", args);
    const lines = await tail.out.take(2);
    assertEquals(lines.map((line) => JSON.parse(line).data), [2, 3], since);
    assertEquals(await end(tail, server, "n"), 0);
    assertEquals(tail.said.takeAll(), []);
  }
});

Deno.test("tail prints everyone's messages if it is asked for broadcast, or for all", async () => {
  await using server = await startServer();
  for (const channel of ["broadcast", "*"]) {
    const tail = new CommandRun("tail", ["--url", server.url, channel]);
    await connected(server);
    await server.broadcast("hello");
    assertMatch(await tail.out.next(), / broadcast message {"message":"hello"}$/);
    assertEquals(await end(tail, server, "broadcast"), 0);
  }
});

Deno.test("tail lets no message command the terminal or break its line", async () => {
  await using server = await startServer();
  const hostile = "\u001b[2J\n\u202e\u2028\u0085";
  for (const flags of [[], ["--json"]]) {
    const tail = new CommandRun("tail", ["--url", server.url, ...flags, "ci"]);
    await connected(server);
    await publish(server, `ci?event=${encodeURIComponent("\u202eevent")}`, JSON.stringify(hostile));
    const line = await tail.out.next();
    assertMatch(line, /^[\x20-\x7e]+$/);
    if (flags.length > 0) {
      const { event, data } = JSON.parse(line);
      assertEquals([event, data], ["\u202eevent", hostile]);
    }
    assertEquals(await end(tail, server, "ci"), 0);
  }
});

Deno.test("tail reconnects after every loss and misses nothing", async () => {
  await using server = await startServer();
  await using proxy = new Proxy(server.port);
  const url = `http://127.0.0.1:${proxy.port}`;
  const tail = new CommandRun("tail", ["--url", url, "--json", "n"], { clock: new FakeClock() });
  await connected(server);
  const data: number[] = [];
  for (let round = 0; round < 5; round++) {
    await publish(server, "n", String(round));
    if (round % 2 === 0) data.push(JSON.parse(await tail.out.next()).data);
    proxy.cut();
    await publish(server, "n", String(round + 0.5));
    assertMatch(await tail.said.next(), /^Not connected: .* \(trying again in \d+\.\d s\)$/);
    await connected(server);
    assertEquals(await tail.said.next(), "Connected again");
    const missed = await tail.out.take(round % 2 === 0 ? 1 : 2);
    data.push(...missed.map((line) => JSON.parse(line).data));
  }
  assertEquals(data, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]);
  assertEquals(await end(tail, server, "n"), 0);
});

Deno.test("tail says when messages are gone, and prints those that are kept", async () => {
  await using server = await startServer({ historyCount: 2 });
  const { id } = await publish(server, "n", "1");
  for (const data of ["2", "3", "4"]) await publish(server, "n", data);
  const tail = new CommandRun("tail", ["--url", server.url, "--json", "--since", id, "n"]);
  const lines = await tail.out.take(2);
  assertEquals(lines.map((line) => JSON.parse(line).data), [3, 4]);
  assertEquals(tail.said.takeAll(), [`Some messages after ${id} are gone: here is what is kept`]);
  assertEquals(await end(tail, server, "n"), 0);
});

Deno.test("tail waits for a server that is not there yet", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const url = `http://127.0.0.1:${port}`;
  const tail = new CommandRun("tail", ["--url", url, "ci"], { clock: new FakeClock() });
  assertMatch(await tail.said.next(), /^Not connected: .* \(trying again in \d+\.\d s\)$/);
  await using server = await startServer({ port });
  await tail.said.find((line) => line === "Connected again");
  await publish(server, "ci", "1");
  assertMatch(await tail.out.next(), / ci message 1$/);
  assertEquals(await end(tail, server, "ci"), 0);
});

Deno.test("tail refuses a wrong command line", async () => {
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [[], /^Expected a channel, or several\nSee hark tail --help$/],
    [["a b"], /^Cannot subscribe: expected a channel .* got "a b"/],
    [["a*"], /^Cannot subscribe/],
    [
      ["--since", "x", "a"],
      /^Cannot parse since: expected an id \(<epoch>-<offset>\), all, .*, got "x"/,
    ],
    [["--follow", "a"], /^Unknown flag --follow/],
    [["--url", "ws://x", "a"], /^--url: expected/],
  ];
  for (const [args, expected] of wrong) {
    const { code, out, said } = await run("tail", args);
    assertEquals([code, out, said.length], [2, [], 1]);
    assertMatch(said[0]!, expected);
  }
});

Deno.test("tail --help lists every flag", async () => {
  const { code, out, said } = await run("tail", ["-h"]);
  assertEquals([code, said], [0, []]);
  const flags = [...out.join("\n").matchAll(/^ +(?:-h, )?--(\w+)/gm)].map(([, name]) => name);
  assertEquals(flags, ["since", "json", "url", "ca", "key", "help"]);
});

Deno.test("tail asks for its channels, with its key in a header", async () => {
  await using server = new ScriptedServer();
  const args = ["--url", `${server.url}/hark`, "--key", "k", "--since", "e-1", "a", "b.*"];
  const tail = new CommandRun("tail", args);
  const { url, headers, socket } = await server.sockets.next();
  assertEquals(url.pathname + url.search, "/hark/ws?channel=a&channel=b.*&since=e-1");
  assertEquals(headers.get("authorization"), "Bearer k");
  socket.close(4501, "forbidden\u202e");
  assertEquals(await tail.code(), 1);
  assertEquals(tail.said.takeAll(), ["Cannot go on: forbidden\\u202e"]);
});

Deno.test("tail goes on from the last it had: a message, a reply, the welcome", async () => {
  await using server = new ScriptedServer();
  const clock = new FakeClock();
  const tail = new CommandRun("tail", ["--url", server.url, "ci"], { clock });
  const next = async (since: string | null) => {
    const { url, socket, received } = await server.sockets.next();
    assertEquals(url.searchParams.get("since"), since);
    return { socket, received };
  };
  const first = await next(null);
  first.socket.close();
  const second = await next(null);
  second.socket.send(welcome("e-5"));
  second.socket.close(1001);
  const third = await next("e-5");
  third.socket.send(message("e-7"));
  await tail.out.next();
  third.socket.close(4001);
  const fourth = await next("e-7");
  fourth.socket.send(message("e-8"));
  await tail.out.next();
  clock.advance(20_000);
  const { ref, ...probe } = JSON.parse(await fourth.received.next());
  assertEquals(probe, { type: "subscribe", channels: ["ci"] });
  fourth.socket.send(JSON.stringify([{ type: "ok", ref, position: "e-9" }]));
  fourth.socket.close();
  const fifth = await next("e-9");
  fifth.socket.send(message("e-10", { channel: "broadcast" }));
  fifth.socket.close();
  const sixth = await next("e-10");
  sixth.socket.close(4500);
  assertEquals(await tail.code(), 1);
});

Deno.test("tail's back-off begins anew once all that was missed has come", async () => {
  await withStandIns({ random: () => 1 }, async () => {
    await using server = new ScriptedServer();
    const clock = new FakeClock();
    const tail = new CommandRun("tail", ["--url", server.url, "--since", "e-1", "ci"], { clock });
    const waited: string[] = [];
    const rounds: ((server: ScriptedSocket) => Promise<void> | void)[] = [
      () => {},
      ({ socket }) => socket.send(welcome("e-1", { recovered: true })),
      async ({ socket, received }) => {
        socket.send(welcome("e-1", { recovered: true }));
        const { ref } = JSON.parse(await received.next());
        socket.send(JSON.stringify([{ type: "ok", ref }]));
      },
      () => {},
    ];
    for (const round of rounds) {
      const peer = await server.sockets.next();
      await round(peer);
      peer.socket.close(4001);
      waited.push(await tail.said.find((line) => line.startsWith("Not connected")));
    }
    assertEquals(waited.map((line) => /again in (\S+) s/.exec(line)![1]), [
      "0.5",
      "1.0",
      "0.5",
      "1.0",
    ]);
    (await server.sockets.next()).socket.close(4500);
    assertEquals(await tail.code(), 1);
  });
});

Deno.test("tail leaves a connection that gives no sign of life", async () => {
  await using server = new ScriptedServer();
  const clock = new FakeClock();
  const tail = new CommandRun("tail", ["--url", server.url, "ci"], { clock });
  const first = await server.sockets.next();
  first.socket.send(message("e-1"));
  await tail.out.next();
  clock.advance(20_000);
  await first.received.next();
  first.socket.send(message("e-2"));
  await tail.out.next();
  clock.advance(20_000);
  await first.received.next();
  clock.advance(20_000);
  assertMatch(await tail.said.next(), /^Not connected: no sign of life/);
  const { url, socket } = await server.sockets.next();
  assertEquals(url.searchParams.get("since"), "e-2");
  socket.close(4500);
  assertEquals(await tail.code(), 1);
});

Deno.test("tail gives up a server that does not answer the handshake, and tries again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}`;
  const clock = new FakeClock();
  const tail = new CommandRun("tail", ["--url", url, "ci"], { clock });
  using _silent = await listener.accept();
  clock.advance(10_000);
  assertMatch(await tail.said.next(), /^Not connected: no answer in time/);
  using again = await listener.accept();
  await again.write(
    new TextEncoder().encode("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
  );
  assertEquals(await tail.code(), 1);
  assertEquals(tail.said.takeAll(), ["Cannot go on: the answer was 403"]);
});

Deno.test("tail reports at once that a server is not Hark", async () => {
  const said = ["Cannot go on: the answer is not Hark's: is --url right?"];
  {
    await using server = new ScriptedServer("");
    assertEquals(await run("tail", ["--url", server.url, "ci"]), { code: 1, out: [], said });
  }
  for (const frame of ["hello", "{}", '"x"', new Uint8Array([1])]) {
    await using server = new ScriptedServer();
    const tail = new CommandRun("tail", ["--url", server.url, "ci"]);
    const { socket } = await server.sockets.next();
    socket.send(frame);
    assertEquals(await tail.code(), 1);
    assertEquals(tail.said.takeAll(), said);
  }
});

Deno.test("tail passes over events that it does not know", async () => {
  await using server = new ScriptedServer();
  const tail = new CommandRun("tail", ["--url", server.url, "ci"]);
  const { socket } = await server.sockets.next();
  const odd = [
    null,
    1,
    [],
    {},
    { type: "later" },
    { type: "message" },
    { type: "message", id: 1, channel: "ci", event: "e", data: 1, time: 1 },
    { type: "message", id: "e-1", channel: "ci", event: "e", time: 1 },
  ];
  socket.send(JSON.stringify(odd));
  socket.send(message("e-2", { time: 1e300 }));
  assertEquals(await tail.out.next(), "1e+300 ci e 1");
  socket.close(4502);
  assertEquals(await tail.code(), 1);
});
