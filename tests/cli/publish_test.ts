import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { FakeClock } from "../support/fake_clock.ts";
import { Inbox } from "../support/inbox.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { CommandRun, run } from "../support/shell.ts";
import { Client, HarkClient } from "../support/socket.ts";

const LINES_TYPE = "application/x-ndjson";

interface Sent {
  readonly path: string;
  readonly key: string;
  readonly type: string;
  readonly body: string;
}

/** A server with scripted answers, which keeps its requests. */
class ScriptedServer implements AsyncDisposable {
  readonly sent: Inbox<Sent> = new Inbox();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(answer: (sent: Sent, request: Request) => Response | Promise<Response>) {
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (
      request,
    ) => {
      const { url, headers } = request;
      const { pathname, search } = new URL(url);
      const sent = {
        path: pathname + search,
        key: headers.get("idempotency-key") ?? "",
        type: headers.get("content-type") ?? "",
        body: await request.text(),
      };
      this.sent.push(sent);
      return await answer(sent, request);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function acknowledge({ type, body }: Sent): Response {
  if (type !== LINES_TYPE) return Response.json({ id: "e-1" });
  return Response.json({ publications: body.split("\n").map(() => ({ id: "e-1" })) });
}

function refuse(status: number, detail: string, headers: Record<string, string> = {}): Response {
  return Response.json({ detail }, { status, headers });
}

/** Resolves to the history of a channel: event and data of each message. */
async function kept(server: TestServer, channel: string): Promise<[string, unknown][]> {
  const { body } = await server.fetch(`/channels/${channel}?limit=1000`);
  const { publications } = JSON.parse(body);
  return publications.map(({ event, data }: { event: string; data: unknown }) => [event, data]);
}

Deno.test("publish sends a text, or JSON as it is, to a channel", async () => {
  await using server = await startServer();
  const url = ["--url", server.url];
  const done = { code: 0, out: [], said: [] };
  assertEquals(await run("publish", [...url, "to all"]), done);
  assertEquals(await run("publish", [...url, "--channel", "ci", "--event", "built", "ok"]), done);
  assertEquals(await run("publish", [...url, "--channel=ci", "--json", '{"a":\n[1.0]}']), done);
  assertEquals(
    await run("publish", ["--channel", "ci", "--", "--json"], {
      env: { HARK_URL: server.url },
    }),
    done,
  );
  assertEquals(await kept(server, "broadcast"), [["message", { message: "to all" }]]);
  assertEquals(await kept(server, "ci"), [
    ["built", { message: "ok" }],
    ["message", { a: [1] }],
    ["message", { message: "--json" }],
  ]);
});

Deno.test("publish shows its key to the server, and prints its answer when it is refused", async () => {
  await using server = await startServer({ publishKey: ["s3cret"] });
  const args = ["--url", server.url, "--channel", "ci", "x"];
  const refused = await run("publish", args);
  assertEquals(refused, {
    code: 1,
    out: [],
    said: ["Cannot publish without a key: send it as Authorization: Bearer KEY or as ?key=KEY"],
  });
  const wrong = await run("publish", [...args, "--key", "wr0ng"]);
  assertEquals([wrong.code, wrong.said.join().includes("wr0ng")], [1, false]);
  assertEquals((await run("publish", [...args, "--key", "s3cret"])).code, 0);
  assertEquals((await run("publish", args, { env: { HARK_KEY: "s3cret" } })).code, 0);
  assertEquals((await kept(server, "ci")).length, 2);
});

Deno.test("publish refuses a wrong command line and sends nothing", async () => {
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [[], /^Expected a text to publish, or - for stdin\nSee hark publish --help$/],
    [["a", "b"], /^Expected one text: put it in quotes/],
    [["--chanel", "ci", "a"], /^Unknown flag --chanel, did you mean --channel\?/],
    [["--channel", "a b", "x"], /^Cannot use this as a channel: .* got "a b"\n/],
    [["--event", "open", "x"], /^Cannot use the event name "open"/],
    [["--json", "{"], /^Cannot publish the text: it is not JSON: Expected property name/],
    [["--url", "nowhere", "x"], /^--url: expected an http or https URL/],
  ];
  for (const [args, message] of wrong) {
    const { code, out, said } = await run("publish", args);
    assertEquals([code, out, said.length], [2, [], 1]);
    assertMatch(said[0]!, message);
  }
});

Deno.test("publish --help lists every flag", async () => {
  const { code, out, said } = await run("publish", ["--help"]);
  assertEquals([code, said], [0, []]);
  const flags = [...out.join("\n").matchAll(/^ +(?:-h, )?--(\w+)/gm)].map(([, name]) => name);
  assertEquals(flags, ["channel", "event", "json", "url", "ca", "key", "help"]);
});

Deno.test("publish - sends each line of stdin, however it is cut", async () => {
  await using server = await startServer();
  const bytes = new TextEncoder().encode("a\r\n\nü€😀\nlast");
  const stdin = Array.from(bytes, (byte) => Uint8Array.of(byte));
  const args = ["--url", server.url, "--channel", "ci", "-"];
  assertEquals(await run("publish", args, { stdin }), { code: 0, out: [], said: [] });
  assertEquals(
    (await kept(server, "ci")).map(([, data]) => data),
    ["a", "", "ü€😀", "last"].map((message) => ({ message })),
  );
  assertEquals((await run("publish", args, { stdin: [] })).code, 0);
  assertEquals((await kept(server, "ci")).length, 4);
});

Deno.test("publish - sends a line at once, and lines that came together together", async () => {
  await using server = await startServer();
  await using client = await HarkClient.open(server.socketUrl("/ws?channel=ci"));
  await client.event();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const command = new CommandRun("publish", ["--url", server.url, "--channel", "ci", "-"], {
    stdin: readable,
  });
  const encoder = new TextEncoder();
  for (const lines of [["1"], ["2", "3"], ["4"]]) {
    await writer.write(encoder.encode(lines.map((line) => `${line}\n`).join("")));
    const received = await client.events.take(lines.length);
    assertEquals(received.map(({ data }) => data), lines.map((message) => ({ message })));
  }
  await writer.close();
  assertEquals(await command.code(), 0);
});

Deno.test("publish - keeps the order of many lines in few requests", async () => {
  await using server = await startServer({ publishPerSecondMax: 10_000 });
  await using client = await Client.open(server.socketUrl("/ws?channel=ci"));
  await client.text();
  const lines = Array.from({ length: 3000 }, (_, index) => String(index));
  const args = ["--url", server.url, "--channel", "ci", "--json", "-"];
  assertEquals((await run("publish", args, { stdin: [`${lines.join("\n")}\n`] })).code, 0);
  const frames = await client.frames.take(3000);
  assertEquals(frames, lines);
  assertEquals((await server.metrics()).get("hark_publish_seconds_count"), 6);
});

Deno.test("publish - stops at the first line that is wrong, with those before it published", async () => {
  await using server = await startServer({ publishBytesMax: 100 });
  const send = async (channel: string, stdin: readonly (string | Uint8Array<ArrayBuffer>)[]) => {
    const args = ["--url", server.url, "--channel", channel, "--json", "-"];
    const { code, said } = await run("publish", args, { stdin });
    return { code, said, data: (await kept(server, channel)).map(([, data]) => data) };
  };
  assertEquals(await send("syntax", ['1\n\n"b"\n{c\n4\n']), {
    code: 1,
    said: [
      "Cannot publish line 4: it is not JSON: " +
      "Expected property name or '}' in JSON at position 1; the lines before it are published",
    ],
    data: [1, "b"],
  });
  assertEquals(await send("first", ["{\n"]), {
    code: 1,
    said: [
      "Cannot publish line 1: it is not JSON: Expected property name or '}' in JSON at position 1",
    ],
    data: [],
  });
  assertEquals(await send("large", ["1\n", `2\n3\n\n"${"x".repeat(100)}"\n6\n`]), {
    code: 1,
    said: [
      "Cannot publish line 5: Cannot take a body of more than 100 bytes" +
      "; the lines before it are published",
    ],
    data: [1, 2, 3],
  });
  assertEquals(await send("bytes", ["1\n", Uint8Array.of(0xff, 10)]), {
    code: 1,
    said: ["Cannot read stdin: it is not UTF-8"],
    data: [1],
  });
  assertEquals((await send("cut", ["1\n", Uint8Array.of(0x22, 0xe2, 0x82)])).code, 1);
});

Deno.test("publish - sends fewer lines at a time to a server that refuses as many", async () => {
  await using server = new ScriptedServer((sent) => {
    return sent.body.split("\n").length > 3 ? refuse(413, "too many") : acknowledge(sent);
  });
  const args = ["--url", server.url, "--json", "-"];
  const { code } = await run("publish", args, { stdin: ["1\n2\n3\n4\n5\n6\n7\n8\n9\n"] });
  const bodies = server.sent.takeAll().map(({ body }) => body.split("\n").join(""));
  assertEquals([code, bodies], [0, ["123456789", "12345", "123", "456", "789"]]);
});

Deno.test("publish tries again under the same Idempotency-Key, each message under its own", async () => {
  const now = { "retry-after": "0" };
  const answers = [
    () => refuse(503, "stopping", now),
    () => refuse(429, "too fast", now),
    () => new Response("<h1>Bad gateway</h1>\u001b", { status: 502, headers: now }),
    acknowledge,
  ];
  await using server = new ScriptedServer((sent) => (answers.shift() ?? acknowledge)(sent));
  const args = ["--url", server.url, "--channel", "a.b", "--event", "e&f", "x"];
  const said = ["stopping (trying again in 0.0 s)", "The answer was 502 (trying again in 0.0 s)"];
  assertEquals(await run("publish", args), { code: 0, out: [], said });
  const requests = server.sent.takeAll();
  const { key } = requests[0]!;
  assertMatch(key, /^[\x21-\x7e]{20,255}$/);
  const sent = {
    path: "/channels/a.b?event=e%26f",
    key,
    type: "application/json",
    body: '{"message":"x"}',
  };
  assertEquals(requests, [sent, sent, sent, sent]);
  await run("publish", args);
  assertNotEquals((await server.sent.next()).key, key);
});

Deno.test("publish does not publish twice when the acknowledgement is lost", async () => {
  await using server = await startServer();
  let lost = 0;
  await using proxy = new ScriptedServer(async ({ path, key, type, body }) => {
    const headers = { "idempotency-key": key, "content-type": type };
    const answer = await server.fetch(path, { method: "POST", headers, body });
    if (lost++ < 2) return refuse(504, "lost", { "retry-after": "0" });
    return new Response(answer.body, { status: answer.status });
  });
  const args = ["--url", proxy.url, "--channel", "ci", "-"];
  const { code } = await run("publish", args, { stdin: ["a\nb\nc\n"] });
  assertEquals([code, lost], [0, 3]);
  assertEquals(
    (await kept(server, "ci")).map(([, data]) => data),
    ["a", "b", "c"].map((message) => ({ message })),
  );
});

Deno.test("publish gives up after a while, and at once where trying again is of no use", async () => {
  await using down = new ScriptedServer(() => refuse(503, "down\u001b[2J"));
  const given = await run("publish", ["--url", down.url, "x"], { clock: new FakeClock() });
  assertEquals([given.code, given.said.length, down.sent.takeAll().length], [1, 6, 6]);
  assertEquals(given.said.at(-1), "down\\u001b[2J");
  for (const status of [301, 400, 404, 413, 422]) {
    await using server = new ScriptedServer(() => refuse(status, "no", { location: "/" }));
    const { code, said } = await run("publish", ["--url", server.url, "x"]);
    assertEquals([code, said, server.sent.takeAll().length], [1, ["no"], 1]);
  }
});

Deno.test("publish accepts only an acknowledgement as one", async () => {
  const answers = ["", "<html>", "{}", '{"publications":[]}', "null", "[]"];
  for (const answer of answers) {
    await using server = new ScriptedServer(() => new Response(answer));
    const { code, said } = await run("publish", ["--url", server.url, "x"]);
    assertEquals([code, said], [1, [
      "The server did not acknowledge: is it Hark, and --url right?",
    ]]);
  }
});

Deno.test("publish says why a server cannot be reached", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  const args = ["--url", url.replace("//", "//bob:hunter2@"), "x"];
  const { code, said } = await run("publish", args, { clock: new FakeClock() });
  assertEquals([code, said.length], [1, 6]);
  assertMatch(said.at(-1)!, new RegExp(`^Cannot reach ${url}/: .*Connection refused`));
});

Deno.test("publish does not wait for ever for an answer", async () => {
  const clock = new FakeClock();
  const held = Promise.withResolvers<Response>();
  await using server = new ScriptedServer((sent) => {
    return held.promise.then(() => acknowledge(sent));
  });
  const command = new CommandRun("publish", ["--url", server.url, "x"], { clock });
  await server.sent.next();
  clock.advance(30_000);
  assertMatch(await command.said.next(), /no answer in time \(trying again/);
  held.resolve(new Response());
  assertEquals(await command.code(), 0);
});
