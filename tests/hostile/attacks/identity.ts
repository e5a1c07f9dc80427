import { assert, assertEquals, assertMatch } from "@std/assert";
import { signToken } from "../../../lib/auth/jwt.ts";
import { makeCertificate, TemporaryFolder } from "../../support/certificates.ts";
import { issue, makeKeys, SECRET } from "../../support/tokens.ts";
import type { Attack } from "../attack.ts";
import { closeOf, Crowd, HARK_HEADERS, repeat, tally } from "../attackers.ts";
import type { Target } from "../target.ts";

const KEY = "a-key-of-the-test-0123456789";
const HOUR_MS = 3_600_000;
const WITHOUT_KEYS_MS = 5000;
const A_MINUTE_MS = 60_000;

/** Who says what the keys are, and can be made to say anything. */
class Issuer implements AsyncDisposable {
  answer: () => Response | Promise<Response> = () => new Response("not yet", { status: 503 });
  requests = 0;
  /** An answer that does not come before the end. */
  readonly never: Promise<Response>;
  readonly #end: () => void;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly #folder: TemporaryFolder;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  static async start(): Promise<Issuer> {
    const folder = new TemporaryFolder();
    return new Issuer(folder, await makeCertificate(folder.path, "issuer"));
  }

  private constructor(
    folder: TemporaryFolder,
    { cert, key, certFile }: Awaited<ReturnType<typeof makeCertificate>>,
  ) {
    this.#folder = folder;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.never = promise;
    this.#end = () => resolve(new Response());
    const onListen = () => {};
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, cert, key, onListen }, () => {
      this.requests++;
      return this.answer();
    });
    const { port } = this.#server.addr;
    this.args = [
      "--token-jwks",
      `https://localhost:${port}/keys`,
      "--publish-key",
      KEY,
      "--public",
      "*",
    ];
    this.env = { DENO_CERT: certFile };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#server.shutdown();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** The statuses with which so many that show a token are answered at once. */
async function show(target: Target, token: string, count = 1): Promise<Record<string, number>> {
  const statuses = await repeat(count, count, async () => {
    return (await target.fetch("/channels/a", { headers: { authorization: `Bearer ${token}` } }))
      .status;
  });
  return tally(statuses);
}

/** Bytes without an end, of which only as many are made as are read. */
function endless(): Response {
  const chunk = new Uint8Array(65_536).fill(0x20);
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
}

function wrongKeys(): Attack {
  let issuer: Issuer;
  return {
    name: "an issuer of keys that is slow, huge or wrong",
    key: KEY,
    growthMiBMax: 60,
    setUp: async () => issuer = await Issuer.start(),
    async run(target) {
      const { signing, jwk } = await makeKeys("ES256", "a");
      const exp = Math.floor(Date.now() / 1000) + 10 * 3600;
      const token = await signToken({ exp }, signing);
      await target.stderr.find((line) => line.includes("the answer was 503"));
      const wrong: readonly Issuer["answer"][] = [
        () => issuer.never,
        endless,
        () => new Response("<html>", { headers: { "content-type": "text/html" } }),
        () => new Response(`{"keys":${"[".repeat(100_000)}`),
        () => new Response('{"keys":[{"kty":"__proto__"},null,1,"x",[]]}'),
        () => Response.redirect("http://localhost/keys", 302),
        () => new Response("down", { status: 500 }),
      ];
      for (const answer of wrong) {
        await target.passTime(WITHOUT_KEYS_MS);
        issuer.answer = answer;
        issuer.requests = 0;
        assertEquals(await show(target, token, 100), { 503: 100 }, String(answer));
        assertEquals(issuer.requests, 1, String(answer));
      }

      await target.passTime(A_MINUTE_MS);
      issuer.answer = () => Response.json({ keys: [jwk] });
      assertEquals(await show(target, token, 100), { 200: 100 });
      // Keys that nobody knows are asked for once a minute.
      await target.passTime(A_MINUTE_MS);
      issuer.requests = 0;
      const forged = await Promise.all(Array.from({ length: 100 }, (_, id) => {
        return signToken({ exp }, { ...signing, id: `forged ${id}` });
      }));
      const statuses = await Promise.all(forged.map((each) => show(target, each)));
      assertEquals(statuses, Array(100).fill({ 401: 1 }));
      assertEquals(issuer.requests, 1);
      // What is known stays, for as long as the issuer is away.
      issuer.answer = () => new Response("down", { status: 500 });
      await target.passTime(HOUR_MS);
      assertEquals(await show(target, token, 100), { 200: 100 });
    },
  };
}

/** The id of a message that is published. */
async function publish(target: Target): Promise<string> {
  const headers = { authorization: `Bearer ${KEY}` };
  const { status, body } = await target.fetch("/channels/a", {
    method: "POST",
    body: "x",
    headers,
  });
  assertEquals(status, 200, body);
  return JSON.parse(body).id;
}

const clockSteps: Attack = {
  name: "a wall clock that steps",
  key: KEY,
  target: { args: ["--token-secret", SECRET, "--publish-key", KEY, "--public", "*"] },
  growthMiBMax: 60,
  async run(target) {
    using crowd = new Crowd(target);
    const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
    const open = async (exp: number) => {
      const token = await issue({ exp, hark: { subscribe: ["a"] } });
      const connection = await crowd.open(`/ws?channel=a&token=${token}`, HARK_HEADERS);
      assertMatch(await connection.text(), /"expiresInMs":\d+/);
      return connection;
    };
    const [short, long] = [await open(inSeconds(1800)), await open(inSeconds(9 * 3600))];
    const ids = [await publish(target)];
    await target.stepClock(HOUR_MS);
    assertEquals(await closeOf(short), { code: 4002, reason: "token expired" });
    const expired = await issue({ exp: inSeconds(1800) });
    assertEquals(await show(target, expired), { 401: 1 });
    ids.push(await publish(target));
    for (const stepMs of [-3 * HOUR_MS, 5 * HOUR_MS, -24 * HOUR_MS]) {
      await target.stepClock(stepMs);
      ids.push(await publish(target));
    }
    assertEquals(await show(target, await issue({ nbf: inSeconds(0) })), { 401: 1 });
    // The order and what is kept do not go by the wall clock.
    const { publications, complete } = JSON.parse((await target.fetch("/channels/a")).body);
    assertEquals(publications.map(({ id }: { id: string }) => id), ids);
    assert(complete);
    assertEquals(
      JSON.parse(
        (await target.fetch("/sessions", {
          headers: { authorization: `Bearer ${KEY}` },
        })).body,
      ).sessions.length,
      6,
    );
    // Nobody's rate is used up by a clock that goes back.
    for (let more = 0; more < 100; more++) await publish(target);
    let events = await long.text();
    while (!events.includes(ids.at(-1)!)) events = await long.text();
    await target.stepClock(23 * HOUR_MS - 2 * HOUR_MS + 24 * HOUR_MS);
    assertEquals((await closeOf(long)).code, 4002);
  },
};

export const IDENTITY_ATTACKS: readonly Attack[] = [wrongKeys(), clockSteps];
