import { assert, assertEquals, assertMatch } from "@std/assert";
import { flagName, type OptionKey, OPTIONS } from "../../lib/config/options.ts";
import { makeCertificate, TemporaryFolder } from "../support/certificates.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { run } from "../support/shell.ts";
import { makeKeys } from "../support/tokens.ts";

type Env = Record<string, string>;

const KEY = "k".repeat(16);
const SECRET = "s".repeat(32);
const KEYED = { HARK_PUBLISH_KEYS: KEY };

/** Runs `hark check`; resolves to its output by the titles of its parts. */
async function check(args: readonly string[], env: Env = {}, clock = new FakeClock()) {
  const { code, out, said } = await run("check", args, { env, clock });
  const parts = new Map<string, string[]>();
  for (const line of out) {
    if (/^\S.*:$/.test(line)) parts.set(line.slice(0, -1), []);
    else if (line !== "") [...parts.values()].at(-1)!.push(line.trim());
  }
  return { code, said, parts, text: out.join("\n") };
}

Deno.test("hark check finds nothing unwise in no options at all", async () => {
  const { code, said, parts } = await check([]);
  assertEquals([code, said, [...parts.keys()]], [0, [], ["Unwise", "Who may", "Options given"]]);
  assertEquals(parts.get("Unwise"), ["nothing"]);
  assertEquals(parts.get("Who may"), [
    "reach it             programs of this machine: localhost, port 3000, by http",
    "publish              anyone, but for pages of other sites",
    "receive              anyone: every channel",
    "look after it        anyone, but for pages of other sites: /channels; programs of this machine: /sessions",
    "watch it             anyone who reaches it: /count, /healthz, /readyz, /metrics",
    "be a trusted page    those of its own",
    "use Socket.IO        anyone who may receive",
    "use Pusher           nobody",
    "say who a client is  nobody",
  ]);
  assertEquals(parts.get("Options given"), ["none; --all shows the defaults"]);
});

Deno.test("hark check shows the options that are given, without --all", async () => {
  const { parts } = await check(["--port", "80"], { HARK_PUBLISH_KEYS: KEY });
  assertEquals(parts.get("Options given"), [
    "--port         flag               80",
    "--publish-key  HARK_PUBLISH_KEYS  1, not shown",
  ]);
});

Deno.test("hark check says who may read metrics", async () => {
  const cases: [Record<string, string>, string][] = [
    [{ HARK_PUBLISH_KEYS: KEY }, "whoever shows a publish key"],
    [{ HARK_METRICS_KEY: KEY }, "whoever shows the metrics key"],
    [
      { HARK_METRICS_KEY: KEY, HARK_PUBLISH_KEYS: KEY },
      "whoever shows the metrics key or a publish key",
    ],
    [{ HARK_TOKEN_SECRET: "s".repeat(32) }, "nobody"],
  ];
  for (const [env, who] of cases) {
    const { parts } = await check([], env);
    const line =
      `watch it             anyone who reaches it: /count, /healthz, /readyz; ${who}: /metrics`;
    assertEquals(parts.get("Who may")![4], line);
  }
});

Deno.test("hark check shows every option, and where its value comes from", async () => {
  const env = { HARK_DRAIN_S: "7", HARK_PUBLISH_KEYS: `${KEY},${KEY}2`, HARK_URL: "x" };
  const { parts } = await check(["--port", "80", "--all", "--public=a,b"], env);
  const rows = new Map(
    parts.get("Options")!.map((line) => {
      const [flag = "", source = "", ...value] = line.split(/ +/);
      return [flag, [source, value.join(" ")]];
    }),
  );
  const flags = (Object.keys(OPTIONS) as OptionKey[]).map((key) => `--${flagName(key)}`);
  assertEquals([...rows.keys()], flags);
  assertEquals(rows.get("--port"), ["flag", "80"]);
  assertEquals(rows.get("--public"), ["flag", "a,b"]);
  assertEquals(rows.get("--drain-s"), ["HARK_DRAIN_S", "7"]);
  assertEquals(rows.get("--publish-key"), ["HARK_PUBLISH_KEYS", "2, not shown"]);
  assertEquals(rows.get("--host"), ["default", "localhost"]);
  assertEquals(rows.get("--store"), ["default", "none"]);
  assertEquals(rows.get("--welcome"), ["default", "Welcome to my server"]);
});

Deno.test("hark check shows no secret, and nothing that could command a terminal", async () => {
  const keys = ["first-secret-key-1", "short-one", "second-secret-key"];
  const env = { HARK_PUBLISH_KEYS: keys.join(), HARK_WELCOME: "\x1b[2J\nbye" };
  const { text } = await check(["--token-secret", SECRET], env);
  for (const secret of [...keys, SECRET]) assert(!text.includes(secret));
  assertMatch(text, /--welcome .*\\u001b\[2J\\u000abye$/m);
});

Deno.test("hark check shows the parts of a URL that are no secret", async () => {
  const source = "https://bob:hunter2@issuer.example/keys.json?api_key=SECRET42";
  const { text } = await check([], { HARK_TOKEN_JWKS: source });
  assertMatch(text, /--token-jwks +HARK_TOKEN_JWKS +https:\/\/issuer\.example\/keys\.json$/m);
  const { said } = await check(["--token-jwks", source.replace("https", "http")]);
  assert(!/hunter2|SECRET42/.test(text + said), text + said);
});

/** Options and variables, in a FOLDER, and the beginning of each sentence about them. */
const UNWISE: readonly [string[], Env, string[]][] = [
  [["--public-host", "push.example.com"], KEYED, []],
  [["--trust-proxy", "1"], { HARK_TOKEN_SECRET: SECRET }, []],
  [["--listen", "unix:FOLDER/hark.sock", "--trust-proxy", "1"], KEYED, []],
  [["--origins", "https://app.example,http://localhost:5173"], {}, []],
  [["--host", "0.0.0.0", "--open"], {}, [
    "anyone with a way to 0.0.0.0",
    "keys, tokens and messages",
  ]],
  [["--host", "::", "--publish-key", KEY], {}, [
    "--publish-key is seen",
    "keys, tokens and messages",
  ]],
  [["--open"], KEYED, ["--open does nothing"]],
  [["--trust-proxy", "1"], {}, ["anyone that the proxy admits"]],
  [["--public-host", "push.example.com"], {}, ["anyone that the proxy admits"]],
  [["--listen", "unix:FOLDER/hark.sock"], KEYED, ["all clients behind the socket count as one"]],
  [["--host", "::", "--trust-proxy", "2"], KEYED, ["anyone who can reach it can claim"]],
  [["--origins", "http://app.example"], KEYED, ["pages of http://app.example"]],
  [["--origins", "http://*.app.example"], KEYED, ["pages of http://*.app.example"]],
  [["--origins", "capacitor://localhost,https://*.app.example,http://*.localhost"], KEYED, []],
  [["--origins", "null"], KEYED, ["any site can make a page whose origin is null"]],
  [[], { HARK_PUBLISH_KEYS: "k".repeat(15) }, ["a key with fewer than 16 characters"]],
  [[], { HARK_PUBLISH_KEYS: `${KEY},short` }, ["a key with fewer than 16 characters"]],
  [["--token-secret", SECRET], {}, ["--token-secret is seen"]],
  [["--pusher-app", "1:key:secret"], {}, ["--pusher-app is seen"]],
  [["--metrics-key", KEY], {}, ["--metrics-key is seen"]],
  [["--cluster-secret", SECRET], {}, ["--cluster-secret is seen"]],
  [["--public", "a,*"], { HARK_TOKEN_SECRET: SECRET }, ["tokens guard no channel"]],
  [["--public", "*"], KEYED, []],
  [["--token-jwks", "FOLDER/keys.json"], {}, ["tokens that were issued for other services"]],
  [["--token-jwks", "FOLDER/keys.json", "--token-audience", "hark"], {}, []],
  [["--connections-max", "200", "--trust-proxy", "1"], KEYED, ["one address may take"]],
  [["--connections-max", "200"], KEYED, []],
];

Deno.test("hark check says what is unwise, with exit code 1", async () => {
  await using folder = new TemporaryFolder();
  const { jwk } = await makeKeys("ES256");
  await Deno.writeTextFile(`${folder.path}/keys.json`, JSON.stringify({ keys: [jwk] }));
  for (const [given, env, expected] of UNWISE) {
    const args = given.map((arg) => arg.replace("FOLDER", folder.path));
    const { code, parts } = await check(args, env);
    const found = parts.get("Unwise")!;
    const what = `${args.join(" ")} ${JSON.stringify(env)}: ${found.join("\n")}`;
    assertEquals(code, expected.length > 0 ? 1 : 0, what);
    if (expected.length === 0) assertEquals(found, ["nothing"], what);
    else assertEquals(found.length, expected.length, what);
    expected.forEach((start, at) => assert(found[at]!.startsWith(`- ${start}`), what));
    for (const line of found) assertMatch(line, /^nothing$|: /);
  }
});

Deno.test("hark check says who may publish, receive and manage the server", async () => {
  const cases: [string[], Env, [publish: string, receive: string, manage: string]][] = [
    [[], KEYED, [
      "whoever shows the one key",
      "anyone: every channel",
      "whoever shows the one key: /channels, /sessions",
    ]],
    [["--public", "news.*"], { HARK_PUBLISH_KEYS: `${KEY},${KEY}2` }, [
      "whoever shows one of 2 keys",
      "anyone: news.*",
      "whoever shows one of 2 keys: /channels, /sessions",
    ]],
    [[], { HARK_TOKEN_SECRET: SECRET }, [
      "whoever shows a token, to the channels that it names",
      "whoever shows a token: the channels that it names",
      "nobody: /channels and /sessions take a key",
    ]],
    [["--public", "news.*"], { ...KEYED, HARK_TOKEN_SECRET: SECRET }, [
      "whoever shows the one key; whoever shows a token, to the channels that it names",
      "anyone: news.*; whoever shows a token: the channels that it names",
      "whoever shows the one key: /channels, /sessions",
    ]],
    [[], { HARK_PUSHER_APPS: "1:key:secret" }, [
      "whoever signs with the secret of an app of Pusher",
      "anyone: every channel that does not begin with private-, presence- or #",
      "nobody: /channels and /sessions take a key",
    ]],
  ];
  for (const [args, env, expected] of cases) {
    const { parts } = await check(args, env);
    const rows = new Map(parts.get("Who may")!.map((line) => {
      const [subject = "", what = ""] = line.split(/ {2,}/);
      return [subject, what];
    }));
    const found = ["publish", "receive", "look after it"].map((subject) => rows.get(subject));
    assertEquals<unknown>(found, expected);
  }
});

Deno.test("hark check looks at the certificate's end", async () => {
  await using folder = new TemporaryFolder();
  const { certFile, keyFile } = await makeCertificate(folder.path, "a");
  const args = ["--tls-cert", certFile, "--tls-key", keyFile];
  const clock = new FakeClock();
  clock.jump(Date.now() - clock.now());
  const { code, parts } = await check(args, {}, clock);
  assertEquals(code, 1);
  assertMatch(parts.get("Unwise")!.join(), /^- the certificate ends on \d{4}-\d\d-\d\d: renew it/);
  clock.jump(-20 * 86_400_000);
  assertEquals((await check(args, {}, clock)).code, 0);
  clock.jump(30 * 86_400_000);
  const late = await check(args, {}, clock);
  assertMatch(late.parts.get("Unwise")!.join(), /^- the certificate has ended on /);
});

Deno.test("hark check refuses options with which the server would not start, with exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [["--port", "x"], /^Cannot read the options:\n {2}--port: expected an integer /],
    [["--host", "0.0.0.0"], /could publish: set a key/],
    [["extra"], /unexpected argument "extra"/],
  ];
  for (const [args, problem] of cases) {
    const { code, said, text } = await check(args);
    assertEquals([code, text], [2, ""]);
    assertMatch(said.join(), problem);
    assertMatch(said.join(), /\nSee hark check --help$/);
  }
  const help = await run("check", ["--help"]);
  assertEquals([help.code, help.said], [0, []]);
  assertMatch(help.out.join(), /^Usage: hark check /);
});
