import { assertEquals, assertMatch } from "@std/assert";
import { readClaims } from "../../lib/auth/claims.ts";
import { secretKey, verifyToken } from "../../lib/auth/jwt.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { startServer } from "../support/server.ts";
import { run } from "../support/shell.ts";
import { NOW_S, SECRET } from "../support/tokens.ts";

const env = { HARK_TOKEN_SECRET: SECRET };

/** The claims of the token that the command prints. */
async function claimsOf(args: string[], variables: Record<string, string> = env) {
  const { code, out, said } = await run("token", args, { env: variables, clock: new FakeClock() });
  assertEquals([code, out.length, said], [0, 1, []]);
  return await verifyToken(out[0]!, () => secretKey(SECRET));
}

Deno.test("token signs the permissions of a client, for an hour", async () => {
  assertEquals(await claimsOf([]), {
    iat: NOW_S,
    exp: NOW_S + 3600,
    hark: { subscribe: [], publish: [] },
  });
  const args = [
    "--subscribe",
    "user.42.*",
    "--publish",
    "chat",
    "--user",
    "42",
    "--expires",
    "15m",
  ];
  assertEquals(await claimsOf(args), {
    sub: "42",
    iat: NOW_S,
    exp: NOW_S + 900,
    hark: { subscribe: ["user.42.*"], publish: ["chat"] },
  });
});

Deno.test("token takes several channels, as a list or one by one", async () => {
  const args = ["--subscribe", "a, b.*", "--subscribe=c", "--publish", "*", "--publish", "d:*,"];
  assertEquals((await claimsOf(args)).hark, {
    subscribe: ["a", "b.*", "c"],
    publish: ["*", "d:*"],
  });
});

Deno.test("token takes secret, audience and issuer as the server does, a flag before a variable", async () => {
  const variables = {
    HARK_TOKEN_SECRET: "not this one, which is as long as any",
    HARK_TOKEN_AUDIENCE: "hark",
    HARK_TOKEN_ISSUER: "https://issuer.example",
  };
  const flags = ["--token-secret", SECRET, "--token-audience", "other"];
  const { aud, iss } = await claimsOf(flags, variables);
  assertEquals([aud, iss], ["other", "https://issuer.example"]);
});

Deno.test("token takes every unit of time", async () => {
  const cases: Record<string, number> = {
    "1s": 1,
    "90m": 5400,
    "36h": 129_600,
    "366d": 31_622_400,
  };
  for (const [text, seconds] of Object.entries(cases)) {
    assertEquals((await claimsOf(["--expires", text])).exp, NOW_S + seconds, text);
  }
});

Deno.test("token says what is wrong, and never the secret", async () => {
  const secret = "--token-secret or HARK_TOKEN_SECRET: expected 32 bytes or more";
  const time = "--expires: expected a number and s, m, h or d, up to 366d, such as 15m";
  const user = "--user: expected 1 to 128 characters with no control character";
  const cases: readonly [args: string[], variables: Record<string, string>, said: string][] = [
    [[], {}, secret],
    [[], { HARK_TOKEN_SECRET: "s3cret" }, secret],
    [["--token-secret", "s3cret"], env, secret],
    [["--expires", "0s"], env, time],
    [["--expires", "1"], env, time],
    [["--expires", "-1h"], env, time],
    [["--expires", "1.5h"], env, time],
    [["--expires", "367d"], env, time],
    [["--expires", "1w"], env, time],
    [["--expires", ""], env, time],
    [["--user", ""], env, user],
    [["--user", "a\nb"], env, user],
    [["--user", "x".repeat(129)], env, user],
    [["extra"], env, "Expected flags alone"],
    [["--subscribe"], env, "--subscribe needs a value"],
    [
      ["--publish", Array.from({ length: 101 }, (_, number) => `c${number}`).join()],
      env,
      "--publish: expected at most 100 channels and patterns",
    ],
  ];
  for (const [args, variables, expected] of cases) {
    const { code, out, said } = await run("token", args, { env: variables });
    assertEquals([code, out, said], [2, [], [`${expected}\nSee hark token --help`]]);
  }
  const { code, said } = await run("token", ["--subscribe", "a*"], { env });
  assertEquals(code, 2);
  assertMatch(said[0]!, /^--subscribe: Cannot subscribe: expected a channel .* got "a\*"\n/);
});

Deno.test("the server accepts all that token accepts", async () => {
  const args = ["--user", "x".repeat(128), "--subscribe", "a.*", "--expires", "366d"];
  const claims = await claimsOf(args);
  const expected = { tokenAudience: "", tokenIssuer: "" };
  assertEquals(readClaims(claims, expected, NOW_S * 1000).subscribe, ["a.*"]);

  await using server = await startServer({ tokenSecret: SECRET });
  const { out: [token] } = await run("token", ["--subscribe", "news"], { env });
  assertEquals((await server.fetch(`/channels/news?token=${token}`)).status, 200);
  assertEquals((await server.fetch(`/channels/other?token=${token}`)).status, 403);
});

Deno.test("tail and publish take a token as their key", async () => {
  await using server = await startServer({ tokenSecret: SECRET });
  const { out: [token = ""] } = await run("token", ["--publish", "chat"], { env });
  const target = { HARK_URL: server.url, HARK_KEY: token };
  assertEquals((await run("publish", ["--channel", "chat", "hello"], { env: target })).code, 0);
  const refused = await run("publish", ["--channel", "news", "hello"], { env: target });
  assertEquals(refused, {
    code: 1,
    out: [],
    said: ["Not allowed on channel news: it takes a key, or a token whose hark.publish has it"],
  });
  const tail = await run("tail", ["chat"], { env: target });
  assertEquals([tail.code, tail.said], [1, ["Cannot go on: the answer was 403"]]);
});

Deno.test("token --help lists every flag", async () => {
  const { code, out } = await run("token", ["--help"]);
  assertEquals(code, 0);
  const flags = [...out.join("\n").matchAll(/^ {2}(?:-h, )?--([a-z-]+)/gm)].map(([, name]) => name);
  assertEquals(flags, [
    ...["subscribe", "publish", "user", "expires"],
    ...["token-secret", "token-audience", "token-issuer", "help"],
  ]);
});
