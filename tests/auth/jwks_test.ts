import { assertEquals, assertRejects } from "@std/assert";
import { Jwks, type JwksOptions } from "../../lib/auth/jwks.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { deadline } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { makeKeys } from "../support/tokens.ts";

const SOURCE = "https://issuer.example/.well-known/jwks.json?secret=s3cret";
const SHOWN = "https://issuer.example/.well-known/jwks.json";
const KEYS = await Promise.all(["a", "b", "c"].map((id) => makeKeys("ES256", id)));
const [A, B, C] = KEYS.map(({ jwk }) => jwk);
const UNKNOWN = "Cannot use this token: its key is unknown";
const NO_KEYS = "Cannot check tokens now, as their keys cannot be had: retry";
/** How long `Jwks` waits for an answer, in milliseconds. */
const TIMEOUT_MS = 5000;

type Answer = (request: Request) => Response | Promise<Response>;

const answerKeys = (...keys: unknown[]): Answer => () => Response.json({ keys });

/** A server with keys on a real socket, as an issuer has one. */
class Issuer implements AsyncDisposable {
  answer: Answer;
  /** Method, path and accepted type of each request. */
  readonly requests: string[][] = [];
  readonly clock = new FakeClock();
  readonly failures: string[] = [];
  readonly jwks: Jwks;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(answer: Answer) {
    this.answer = answer;
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(options, (request) => {
      const { method, url, headers } = request;
      this.requests.push([method, new URL(url).pathname, headers.get("accept") ?? ""]);
      return this.answer(request);
    });
    this.jwks = new Jwks({
      source: SOURCE,
      clock: this.clock,
      onFailure: (why) => void this.failures.push(why),
      fetch: (url, init) => fetch(this.#own(String(url)), init),
    });
  }

  #own(url: string): string {
    return url.replace("https://issuer.example", `http://127.0.0.1:${this.#server.addr.port}`);
  }

  /** The id of the key that is found, or the refusal. */
  async find(id?: string): Promise<string | undefined> {
    try {
      return `key ${(await deadline(this.jwks.find(id))).id}`;
    } catch (error) {
      if (error instanceof Refusal) return error.message;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.jwks.close();
    await this.#server.shutdown();
  }
}

Deno.test("Jwks asks an issuer for its keys once, however many tokens come", async () => {
  await using issuer = new Issuer(answerKeys(A, B));
  const found = await Promise.all(["a", "b", "a", "b"].map((id) => issuer.find(id)));
  assertEquals(found, ["key a", "key b", "key a", "key b"]);
  assertEquals(await issuer.find("a"), "key a");
  assertEquals(issuer.requests, [
    ["GET", "/.well-known/jwks.json", "application/jwk-set+json, application/json"],
  ]);
  assertEquals(issuer.failures, []);
});

Deno.test("Jwks.start() asks an issuer at once, and does not wait for the answer", async () => {
  await using issuer = new Issuer(answerKeys(A));
  await issuer.jwks.start();
  assertEquals(await issuer.find("a"), "key a");
  assertEquals(issuer.requests.length, 1);
});

Deno.test("Jwks checks a token without a kid with the only key", async () => {
  await using issuer = new Issuer(answerKeys(A));
  assertEquals(await issuer.find(), "key a");
  await using several = new Issuer(answerKeys(A, B));
  assertEquals(await several.find(), "Cannot use this token: it names no key, by a kid");
  assertEquals(several.requests.length, 1);
});

Deno.test("Jwks asks again for a key that it does not know, at most once a minute", async () => {
  await using issuer = new Issuer(answerKeys(A));
  assertEquals(await issuer.find("a"), "key a");
  issuer.answer = answerKeys(A, B);
  assertEquals(await issuer.find("b"), UNKNOWN);
  assertEquals(issuer.requests.length, 1);

  issuer.clock.advance(60_000);
  assertEquals(await Promise.all(["b", "x", "b", "a"].map((id) => issuer.find(id))), [
    ...["key b", UNKNOWN, "key b", "key a"],
  ]);
  assertEquals(issuer.requests.length, 2);
  for (let number = 0; number < 100; number++) {
    assertEquals(await issuer.find(`x${number}`), UNKNOWN);
  }
  issuer.clock.advance(59_999);
  assertEquals(await issuer.find("x"), UNKNOWN);
  assertEquals(issuer.requests.length, 2);
  issuer.clock.advance(1);
  assertEquals(await issuer.find("x"), UNKNOWN);
  assertEquals(issuer.requests.length, 3);
});

Deno.test("Jwks forgets a key that was withdrawn, and nobody waits for that", async () => {
  await using issuer = new Issuer(answerKeys(A, B));
  assertEquals(await issuer.find("a"), "key a");
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: answer, resolve: release } = Promise.withResolvers<Response>();
  issuer.answer = () => (ask(), answer);
  issuer.clock.advance(600_001);
  assertEquals(await issuer.find("a"), "key a");
  await deadline(asked);
  assertEquals(await issuer.find("a"), "key a");
  release(Response.json({ keys: [B, C] }));
  assertEquals(await issuer.find("c"), "key c");
  assertEquals(await issuer.find("a"), UNKNOWN);
  assertEquals(issuer.requests.length, 2);
});

const FAILURES: readonly [answer: Answer, why: string][] = [
  [() => new Response(null, { status: 500 }), "the answer was 500"],
  [() => new Response("{}", { status: 404 }), "the answer was 404"],
  [() => new Response(null, { status: 204 }), "the answer was 204"],
  [() => Response.redirect("http://evil.example/"), "the answer was 302"],
  [() => new Response("<h1>s3cret</h1>"), "expected JSON"],
  [() => new Response("{}"), 'expected a JWKS, {"keys":[…]}'],
  [
    () => Response.json({ keys: [{ kty: "oct", kid: "a", k: "A".repeat(43) }] }),
    "expected a key for HS256, ES256, RS256 or EdDSA, found none that is usable",
  ],
  [() => Response.json({ keys: Array(101).fill(A) }), "expected at most 100 keys"],
  [() => new Response(" ".repeat(262_145)), "expected at most 262144 bytes"],
  [() => new Response(endless()), "expected at most 262144 bytes"],
  [() => new Response(Uint8Array.of(0xff)), "The encoded data is not valid"],
];

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(" ".repeat(10_000))),
  });
}

Deno.test("Jwks keeps its keys whatever an issuer answers later, and reports what was wrong", async () => {
  for (const [answer, why] of FAILURES) {
    await using issuer = new Issuer(answerKeys(A));
    assertEquals(await issuer.find("a"), "key a");
    issuer.answer = answer;
    issuer.clock.advance(60_000);
    assertEquals(await issuer.find("b"), UNKNOWN);
    assertEquals(issuer.failures, [`Cannot read the keys of ${SHOWN}: ${why}`]);
    assertEquals([await issuer.find("a"), issuer.requests.length], ["key a", 2]);
  }
});

Deno.test("Jwks without keys calls no token wrong, and asks again after 5 seconds", async () => {
  for (const [answer, why] of FAILURES) {
    await using issuer = new Issuer(answer);
    const error = await assertRejects(() => deadline(issuer.jwks.find("a")), Refusal);
    assertEquals([error.type, error.message, error.retryAfterS], ["unavailable", NO_KEYS, 5]);
    assertEquals(issuer.failures, [`Cannot read the keys of ${SHOWN}: ${why}`]);
    issuer.answer = answerKeys(A);
    issuer.clock.advance(4999);
    assertEquals([await issuer.find("a"), issuer.requests.length], [NO_KEYS, 1]);
    issuer.clock.advance(1);
    assertEquals([await issuer.find("a"), issuer.requests.length], ["key a", 2]);
  }
});

Deno.test("Jwks waits 5 seconds for an answer that does not begin, or does not end", async () => {
  for (const begins of [false, true]) {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: over, resolve: finish } = Promise.withResolvers<void>();
    const never = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"keys":[')),
      cancel: () => finish(),
    });
    await using issuer = new Issuer(async ({ signal }) => {
      ask();
      if (begins) return new Response(never);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      finish();
      return new Response();
    });
    const finding = issuer.find("a");
    await deadline(asked);
    issuer.clock.advance(TIMEOUT_MS - 1);
    issuer.clock.advance(1);
    assertEquals(await finding, NO_KEYS);
    await deadline(over);
    assertEquals(issuer.failures, [`Cannot read the keys of ${SHOWN}: no answer in time`]);
    assertEquals(issuer.clock.timers, 0);
  }
});

Deno.test("Jwks.close() aborts reading, and reports no failure", async () => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  await using issuer = new Issuer(({ signal }) => {
    ask();
    return new Promise((resolve) =>
      signal.addEventListener("abort", () => resolve(new Response()))
    );
  });
  const finding = issuer.find("a");
  await deadline(asked);
  issuer.jwks.close();
  assertEquals(await finding, NO_KEYS);
  assertEquals([issuer.failures, issuer.clock.timers], [[], 0]);
});

Deno.test("Jwks reports an issuer that cannot be reached", async () => {
  const failures: string[] = [];
  const jwks = new Jwks({
    source: SOURCE,
    clock: new FakeClock(),
    fetch: () => Promise.reject(new TypeError("connection refused")),
    onFailure: (why) => void failures.push(why),
  });
  await assertRejects(() => jwks.find("a"), Refusal, NO_KEYS);
  assertEquals(failures, [`Cannot read the keys of ${SHOWN}: connection refused`]);
});

Deno.test("Jwks reads a file, with secrets in it, and again for a key that it does not know", async () => {
  const source = await Deno.makeTempFile();
  try {
    const { jwk: secret } = await makeKeys("HS256", "s");
    const failures: string[] = [];
    const clock = new FakeClock();
    const options: JwksOptions = { source, clock, fetch, onFailure: (why) => failures.push(why) };
    await Deno.writeTextFile(source, JSON.stringify({ keys: [A, secret] }));
    const jwks = new Jwks(options);
    await jwks.start();
    assertEquals([(await jwks.find("a")).id, (await jwks.find("s")).algorithm], ["a", "HS256"]);

    clock.advance(60_000);
    await Deno.writeTextFile(source, JSON.stringify({ keys: [A, B] }));
    assertEquals((await jwks.find("b")).id, "b");
    await assertRejects(() => jwks.find("s"), Refusal, UNKNOWN);
    clock.advance(60_000);
    await Deno.writeTextFile(source, "broken");
    await assertRejects(() => jwks.find("s"), Refusal, UNKNOWN);
    assertEquals((await jwks.find("b")).id, "b");
    assertEquals(failures, [`Cannot read the keys of ${source}: expected JSON`]);
  } finally {
    await Deno.remove(source);
  }
});

Deno.test("Jwks.renew() reads a file at once, or after what is being read", async () => {
  const source = await Deno.makeTempFile();
  try {
    const write = (...keys: unknown[]) => Deno.writeTextFile(source, JSON.stringify({ keys }));
    const clock = new FakeClock();
    const jwks = new Jwks({ source, clock, fetch, onFailure: () => {} });
    await write(A);
    await jwks.start();
    await write(B);
    await jwks.renew();
    assertEquals((await jwks.find("b")).id, "b");
    await assertRejects(() => jwks.find("a"), Refusal, UNKNOWN);

    const renewals = [jwks.renew(), jwks.renew()];
    await write(C);
    renewals.push(jwks.renew());
    assertEquals((await jwks.find("c")).id, "c");
    await Promise.allSettled(renewals);
    assertEquals((await jwks.find("c")).id, "c");

    await Deno.remove(source);
    await assertRejects(() => jwks.renew(), SyntaxError, "No such file");
    await write(A);
    assertEquals((await jwks.find("c")).id, "c");
  } finally {
    await Deno.remove(source);
  }
});

Deno.test("Jwks.start() rejects a file that is missing, wrong or huge", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const start = async (name: string, text?: string) => {
      const source = `${folder}/${name}`;
      if (text !== undefined) await Deno.writeTextFile(source, text);
      const jwks = new Jwks({ source, clock: new FakeClock(), fetch, onFailure: () => {} });
      const { message } = await assertRejects(() => jwks.start(), SyntaxError);
      return message.replace(`Cannot read the keys of ${source}: `, "").split(":")[0];
    };
    assertEquals(await start("missing"), "No such file or directory (os error 2)");
    assertEquals(await start("wrong", "{}"), 'expected a JWKS, {"keys"');
    assertEquals(await start("huge", " ".repeat(300_000)), "expected at most 262144 bytes");
    assertEquals(await start("."), "Is a directory (os error 21)");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
