import { assertEquals, assertRejects } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import { BodyReader } from "../../lib/http/body.ts";
import { refusalProblem } from "../../lib/http/problem.ts";
import { deadline } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Inbox } from "../support/inbox.ts";
import { random, randomBytes } from "../support/random.ts";

const encoder = new TextEncoder();

/** A request whose body a test writes. */
function openRequest(): {
  request: Request;
  body: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
} {
  let body!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      body = controller;
    },
  });
  return { request: new Request("http://localhost/", { method: "POST", body: stream }), body };
}

async function refusalOf(
  reading: Promise<unknown>,
): Promise<readonly [string, string, number | undefined]> {
  const { type, message, retryAfterS } = await assertRejects(() => deadline(reading), Refusal);
  return [type, message, retryAfterS];
}

interface BodyServer {
  readonly port: number;
  readonly clock: FakeClock;
  /** What happens to each body in turn: "begun", then its text or the type of its refusal. */
  readonly told: Inbox<string>;
}

/** Runs a server on real sockets that reads bodies of at most 10 bytes and answers them. */
async function withServer(use: (server: BodyServer) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  const bodies = new BodyReader({ clock, bytesMax: 1000, timeoutMs: 30_000 });
  const told = new Inbox<string>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const reading = bodies.read(request, 10);
    told.push("begun");
    return reading.then((body) => {
      told.push(new TextDecoder().decode(body));
      return new Response(body);
    }, (refusal: Refusal) => {
      told.push(refusal.type);
      return refusalProblem(refusal);
    });
  });
  try {
    await use({ port: server.addr.port, clock, told });
  } finally {
    bodies.close();
    await server.shutdown();
  }
}

/** Sends a request as it is given, and no more after it; returns the answer's first line. */
async function exchange(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ port, hostname: "127.0.0.1" });
  await connection.write(encoder.encode(text));
  const buffer = new Uint8Array(1024);
  const length = await deadline(connection.read(buffer));
  return new TextDecoder().decode(buffer.subarray(0, length ?? 0)).split("\r\n")[0]!;
}

const LENGTH = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ";
const CHUNKED = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
const TOO_LARGE = "HTTP/1.1 413 Payload Too Large";

Deno.test("read() returns the bytes, however they are cut", async () => {
  const next = random(7);
  const bodies = new BodyReader({ clock: new FakeClock(), bytesMax: 1_000_000, timeoutMs: 30_000 });
  for (let round = 0; round < 50; round++) {
    const { request, body } = openRequest();
    const chunks = Array.from({ length: round }, () => randomBytes(next, 300));
    for (const chunk of chunks) if (chunk.length > 0) body.enqueue(chunk);
    body.close();
    const expected = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
    assertEquals(await bodies.read(request, expected.length), expected);
  }
});

Deno.test("read() returns no bytes if there is no body", async () => {
  const bodies = new BodyReader({ clock: new FakeClock(), bytesMax: 10, timeoutMs: 30_000 });
  assertEquals(await bodies.read(new Request("http://localhost/"), 10), new Uint8Array());
});

Deno.test("read() takes bodies up to the bound, and not one byte more", async () => {
  await withServer(async ({ port, told }) => {
    const exact = [
      `${LENGTH}10\r\n\r\n0123456789`,
      `${CHUNKED}4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n`,
    ];
    for (const request of exact) {
      assertEquals(await exchange(port, request), "HTTP/1.1 200 OK");
      assertEquals(await told.take(2), ["begun", "0123456789"]);
    }
    const more = [
      `${LENGTH}11\r\n\r\n01234567890`,
      `${CHUNKED}4\r\n0123\r\n7\r\n4567890\r\n`,
    ];
    for (const request of more) assertEquals(await exchange(port, request), TOO_LARGE);
  });
});

Deno.test("read() refuses a body that says it is too large before any of it has come", async () => {
  await withServer(async ({ port }) => {
    assertEquals(await exchange(port, `${LENGTH}11\r\n\r\n`), TOO_LARGE);
    assertEquals(await exchange(port, `${LENGTH}18446744073709551615\r\n\r\n`), TOO_LARGE);
  });
});

Deno.test("read() refuses a body that is cut or broken", async () => {
  await withServer(async ({ port, told }) => {
    for (const cut of [`${LENGTH}10\r\n\r\nabc`, `${CHUNKED}4\r\nab`, `${CHUNKED}3\r\nabc\r\nzz`]) {
      const connection = await Deno.connect({ port, hostname: "127.0.0.1" });
      await connection.write(encoder.encode(cut));
      const begun = await told.next();
      connection.close();
      assertEquals([begun, await told.next()], ["begun", "bad-request"]);
    }
  });
  const bodies = new BodyReader({ clock: new FakeClock(), bytesMax: 10, timeoutMs: 30_000 });
  const { request, body } = openRequest();
  body.error(new TypeError("cut"));
  assertEquals(await refusalOf(bodies.read(request, 10)), [
    "bad-request",
    "Cannot read the body: it ended before it was complete",
    undefined,
  ]);
});

Deno.test("read() rejects a body that takes too long", async () => {
  await withServer(async ({ port, clock, told }) => {
    for (const cut of [`${LENGTH}10\r\n\r\nabc`, `${CHUNKED}3\r\nabc\r\n`, CHUNKED]) {
      const answer = exchange(port, cut);
      assertEquals(await told.next(), "begun");
      clock.advance(29_999);
      assertEquals(clock.timers, 1);
      clock.advance(1);
      assertEquals(await answer, "HTTP/1.1 408 Request Timeout");
      assertEquals([await told.next(), clock.timers], ["timeout", 0]);
    }
  });
});

Deno.test("read() takes no longer for a body that comes byte by byte", async () => {
  const clock = new FakeClock();
  const bodies = new BodyReader({ clock, bytesMax: 10_000, timeoutMs: 30_000 });
  const { request, body } = openRequest();
  const refused = refusalOf(bodies.read(request, 10_000));
  for (let second = 0; second < 30; second++) {
    body.enqueue(Uint8Array.of(second));
    await clock.pass(1000);
  }
  assertEquals(await refused, [
    "timeout",
    "Cannot wait for the body: it did not come within 30000 ms",
    undefined,
  ]);
});

const TOO_MUCH = ["over-limit", "The server is reading too much at a time: retry", 1] as const;

Deno.test("read() bounds what all bodies hold together, and gives the room back", async () => {
  const clock = new FakeClock();
  const bodies = new BodyReader({ clock, bytesMax: 10, timeoutMs: 30_000 });
  const first = openRequest();
  const reading = bodies.read(first.request, 10);
  first.body.enqueue(encoder.encode("1234"));
  await clock.settle();
  const second = openRequest();
  second.body.enqueue(encoder.encode("1234567"));
  assertEquals(await refusalOf(bodies.read(second.request, 10)), TOO_MUCH);
  first.body.close();
  assertEquals((await reading).length, 4);
  const third = openRequest();
  third.body.enqueue(encoder.encode("1234567890"));
  third.body.close();
  assertEquals((await bodies.read(third.request, 10)).length, 10);
});

Deno.test("read() rejects the largest body if there is no room, and small ones get through", async () => {
  const clock = new FakeClock();
  const bodies = new BodyReader({ clock, bytesMax: 20, timeoutMs: 30_000 });
  const begin = async (length: number) => {
    const { request, body } = openRequest();
    const outcome = bodies.read(request, 20).then(({ length }) => length, ({ type }) => type);
    body.enqueue(new Uint8Array(length));
    await clock.settle();
    return { outcome, end: () => body.close() };
  };
  const three = await begin(3);
  const nine = await begin(9);
  const eight = await begin(8);
  const five = await begin(5);
  assertEquals(await deadline(nine.outcome), "over-limit");
  // None of those that are left is larger than this one.
  assertEquals(await deadline((await begin(8)).outcome), "over-limit");
  for (const { end } of [five, three, eight]) end();
  assertEquals([await five.outcome, await three.outcome, await eight.outcome], [5, 3, 8]);
  clock.advance(30_000);
  assertEquals(clock.timers, 0);
});

Deno.test("read() times each body by itself, all of them with one timer", async () => {
  const clock = new FakeClock();
  const bodies = new BodyReader({ clock, bytesMax: 100, timeoutMs: 30_000 });
  const late: string[] = [];
  const begin = (name: string): void => {
    bodies.read(openRequest().request, 10).catch(({ type }) => void late.push(`${name} ${type}`));
  };
  const done = openRequest();
  done.body.close();
  assertEquals(await bodies.read(done.request, 10), new Uint8Array());
  await clock.pass(10_000);
  begin("first");
  await clock.pass(5000);
  begin("second");
  const steps = [[29_999 - 5000, []], [1, ["first timeout"]], [4999, ["first timeout"]]] as const;
  for (const [ms, expected] of steps) {
    await clock.pass(ms);
    assertEquals([late, clock.timers], [expected, 1]);
  }
  await clock.pass(1);
  assertEquals([late, clock.timers], [["first timeout", "second timeout"], 0]);
});

Deno.test("read() returns bytes that keep nothing larger in memory", async () => {
  const bodies = new BodyReader({ clock: new FakeClock(), bytesMax: 10_000, timeoutMs: 30_000 });
  const { request, body } = openRequest();
  body.enqueue(new Uint8Array(5000).subarray(7, 9));
  body.close();
  assertEquals((await bodies.read(request, 10)).buffer.byteLength, 2);
});

Deno.test("close() rejects bodies that are being read, and later ones", async () => {
  const clock = new FakeClock();
  const bodies = new BodyReader({ clock, bytesMax: 10, timeoutMs: 30_000 });
  const reading = bodies.read(openRequest().request, 10);
  bodies.close();
  const stopping = ["unavailable", "The server is stopping: retry", 1] as const;
  assertEquals(await refusalOf(reading), stopping);
  assertEquals(await refusalOf(bodies.read(openRequest().request, 10)), stopping);
  assertEquals(clock.timers, 0);
});
