import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Config,
  ConfigError,
  type OptionKey,
  OPTIONS,
  parseConfig,
  type Sources,
} from "../../lib/config/config.ts";
import { flagName, OPTION_ROWS, variableName } from "../../lib/config/options.ts";
import { SECRET, valuesOf } from "./option_values.ts";

function run(
  args: string[],
  env: Record<string, string> = {},
): { config: Config; sources: Sources } {
  const parsed = parseConfig(args, env);
  assert(parsed.kind === "run");
  return { config: parsed.config, sources: parsed.sources };
}

function problems(args: string[], env: Record<string, string> = {}): readonly string[] {
  return assertThrows(() => parseConfig(args, env), ConfigError).problems;
}

const SECRETS: readonly OptionKey[] = [
  "publishKey",
  "metricsKey",
  "tokenSecret",
  "clusterSecret",
  "pusherApp",
];

const CASES = OPTION_ROWS.map(([key]) => ({
  key,
  flag: `--${flagName(key)}`,
  variable: variableName(key),
  ...valuesOf(key),
}));
const DEFAULTS = Object.fromEntries(OPTION_ROWS.map(([key, row]) => [key, row.default]));
const ALL_DEFAULT = Object.fromEntries(OPTION_ROWS.map(([key]) => [key, "default"]));

Deno.test("an option's flag and variable are its name", () => {
  assertEquals([flagName("outboundBytesMax"), variableName("outboundBytesMax")], [
    "outbound-bytes-max",
    "HARK_OUTBOUND_BYTES_MAX",
  ]);
  assertEquals(variableName("publishKey"), "HARK_PUBLISH_KEYS");
});

Deno.test("parseConfig() accepts an address for other nodes only with a shared log and a secret", () => {
  const advertise = "--advertise=http://[::1]:3001";
  const log = "--advertise is for nodes that share a log: give --redis too";
  const secret = "--advertise needs a secret that all nodes have: give HARK_CLUSTER_SECRET";
  assertEquals(problems([advertise]), [log, secret]);
  assertEquals(problems([advertise, "--redis=redis://localhost"]), [secret]);
  const args = [advertise, "--redis=redis://localhost", `--cluster-secret=${SECRET}`];
  assertEquals(run(args).config.advertise, "http://[::1]:3001");
});

Deno.test("parseConfig() refuses two apps of Pusher with the same id or key", () => {
  assertEquals(problems(["--pusher-app=1:k:s3cret,2:k:t,1:l:u"]), [
    "--pusher-app: two apps have the id 1",
    "--pusher-app: two apps have the key k",
  ]);
  assertEquals(run(["--host=0.0.0.0", "--pusher-app=1:k:s"]).config.pusherApp, ["1:k:s"]);
});

Deno.test("parseConfig() takes the default of every option", () => {
  assertEquals<unknown>(parseConfig([], {}), {
    kind: "run",
    config: DEFAULTS,
    sources: ALL_DEFAULT,
  });
});

Deno.test("parseConfig() takes every option as a flag", () => {
  for (const { key, flag, right } of CASES) {
    for (const [text, value] of Object.entries(right)) {
      const expected = {
        config: { ...DEFAULTS, [key]: value },
        sources: { ...ALL_DEFAULT, [key]: "flag" },
      };
      assertEquals<unknown>(run([`${flag}=${text}`]), expected);
      if (typeof value !== "boolean") assertEquals<unknown>(run([flag, text]), expected);
    }
  }
});

Deno.test("parseConfig() takes every option from the environment", () => {
  for (const { key, variable, right } of CASES) {
    for (const [text, value] of Object.entries(right)) {
      assertEquals<unknown>(run([], { [variable]: text }), {
        config: { ...DEFAULTS, [key]: value },
        sources: { ...ALL_DEFAULT, [key]: "environment" },
      });
    }
  }
});

Deno.test("parseConfig() refuses every wrong value, as a flag and as a variable", () => {
  for (const { key, flag, variable, wrong } of CASES) {
    const { expected } = OPTIONS[key];
    for (const text of wrong) {
      const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
      const got = SECRETS.includes(key) ? "" : `, got ${JSON.stringify(shown)}`;
      assertEquals(problems([`${flag}=${text}`]), [`${flag}: expected ${expected}${got}`]);
      assertEquals(problems([], { [variable]: text }), [`${variable}: expected ${expected}${got}`]);
    }
  }
});

Deno.test("parseConfig() says which values are right", () => {
  const expected: [string, string][] = [
    ["--port=x", '--port: expected an integer from 0 to 65535, got "x"'],
    ["--log=x", '--log: expected text or json, got "x"'],
    ["--log-level=x", '--log-level: expected debug, info, warn or error, got "x"'],
    ["--open=x", '--open: expected true or false, got "x"'],
    [
      "--origins=x",
      "--origins: expected origins with no path, such as https://example.com or " +
      'https://*.example.com, got "x"',
    ],
    [
      "--socketio-path=x",
      '--socketio-path: expected a path that begins and ends with /, such as /socket.io/, got "x"',
    ],
    [
      `--port=${"9".repeat(101)}`,
      `--port: expected an integer from 0 to 65535, got "${"9".repeat(100)}…"`,
    ],
  ];
  for (const [arg, problem] of expected) assertEquals(problems([arg]), [problem]);
});

Deno.test("parseConfig() lets a flag win over the environment", () => {
  const { config, sources } = run(["--port", "1", "--publish-key", "flag"], {
    HARK_PORT: "2",
    HARK_DRAIN_S: "3",
    HARK_PUBLISH_KEYS: "variable",
  });
  assertEquals<unknown>(
    [config.port, config.drainS, config.publishKey, config.welcome],
    [1, 3, ["flag"], "Welcome to my server"],
  );
  assertEquals(
    [sources.port, sources.drainS, sources.publishKey, sources.welcome],
    ["flag", "environment", "flag", "default"],
  );
});

Deno.test("parseConfig() joins a list given several times, and takes the last of anything else", () => {
  const { config } = run([
    ...["--origins", "https://a.example,https://b.example", "--port=1"],
    ...["--origins=https://c.example", "--port", "2", "--open", "--no-open"],
  ]);
  assertEquals(config.origins, ["https://a.example", "https://b.example", "https://c.example"]);
  assertEquals([config.port, config.open], [2, false]);
});

Deno.test("parseConfig() takes switches with no value", () => {
  assertEquals(run(["--open"]).config.open, true);
  assertEquals(run(["--no-open"], { HARK_OPEN: "1" }).config.open, false);
  assertEquals(run(["--no-socketio"]).config.socketio, false);
  assertEquals(run(["--socketio"], { HARK_SOCKETIO: "false" }).config.socketio, true);
});

Deno.test("parseConfig() takes a value that begins with a dash", () => {
  assertEquals(run(["--welcome", "-"]).config.welcome, "-");
  assertEquals(run(["--welcome", "-hello"]).config.welcome, "-hello");
  assertEquals(run(["--welcome=--hello=you"]).config.welcome, "--hello=you");
});

Deno.test("parseConfig() leaves other programs' variables alone", () => {
  assertEquals<unknown>(run([], { PATH: "/bin", PORT: "x", HARKEN: "x", hark_port: "x" }), {
    config: DEFAULTS,
    sources: ALL_DEFAULT,
  });
});

Deno.test("parseConfig() refuses unknown names, and suggests similar ones", () => {
  const expected: [string[], string[]][] = [
    [["--prot=80"], ['unknown flag "--prot", did you mean --port?']],
    [["--origin=x"], ['unknown flag "--origin", did you mean --origins?']],
    [["-port=80"], ['unknown flag "-port", did you mean --port?']],
    [["--no-socket-io"], ['unknown flag "--no-socket-io", did you mean --no-socketio?']],
    [["--outboundBytesMax=1"], ['unknown flag "--outboundBytesMax"']],
    [["--replicas"], ['unknown flag "--replicas"']],
    [["--no-port"], ['unknown flag "--no-port", did you mean --port?']],
    [["-p"], ['unknown flag "-p"']],
    [["-"], ['unknown flag "-"']],
    [["--"], ['unknown flag "--"']],
    [["--\x1b[31m\n"], ['unknown flag "--\\u001b[31m\\n"']],
    [["--__proto__"], ['unknown flag "--__proto__"']],
    [["serve"], ['unexpected argument "serve"']],
    [["--open", "80"], ['unexpected argument "80"']],
    [[""], ['unexpected argument ""']],
  ];
  for (const [args, list] of expected) assertEquals(problems(args), list);
  const others = { HARK_URL: "http://localhost", HARK_KEY: "k", PORT: "x" };
  assertEquals(problems([], { ...others, HARK_PROT: "80", HARK_REPLICAS: "x", HARK_: "" }), [
    'unknown variable "HARK_PROT", did you mean HARK_PORT?',
    'unknown variable "HARK_REPLICAS"',
    'unknown variable "HARK_"',
  ]);
});

Deno.test("parseConfig() refuses a flag without its value, and a negated one with it", () => {
  assertEquals(problems(["--port"]), ["--port needs a value: --port=N"]);
  assertEquals(problems(["--host", "--open"]), ["--host needs a value: --host=ADDRESS"]);
  assertEquals(problems(["--no-open=true"]), ["--no-open takes no value"]);
});

Deno.test("parseConfig() reports all problems at once", () => {
  const error = assertThrows(
    () =>
      parseConfig(["--prot=80", "serve", "--port=x", "--store-sync", "--host=0.0.0.0"], {
        HARK_DRAIN_S: "-1",
        HARK_PORT: "y",
        HARK_NOTHING: "",
      }),
    ConfigError,
  );
  const expected = [
    'unknown flag "--prot", did you mean --port?',
    'unexpected argument after "--prot"',
    "--store-sync needs a value: --store-sync=MODE",
    'unknown variable "HARK_NOTHING"',
    'HARK_PORT: expected an integer from 0 to 65535, got "y"',
    '--port: expected an integer from 0 to 65535, got "x"',
    'HARK_DRAIN_S: expected an integer from 0 to 600, got "-1"',
    "anyone who reaches 0.0.0.0 could publish: set a key with --publish-key KEY, or mean it with --open",
  ];
  assertEquals(error.problems, expected);
  assertEquals(error.message, `Cannot read the options:\n  ${expected.join("\n  ")}`);
  assertEquals(error.name, "ConfigError");
});

Deno.test("parseConfig() shows no secret in an error", () => {
  const lines: [string[], Record<string, string>?][] = [
    [["--publish-key=s3cret word"]],
    [["--publish-key", "s3cret word"]],
    [["--publish-key", "first", "s3cret"]],
    [["--publish-kye", "s3cret"]],
    [["--publish-kye=s3cret"]],
    [["-publish-key", "s3cret"]],
    [["--token-secret", "s3cret"]],
    [["--token-secret", SECRET, "s3cret"]],
    [[], { HARK_TOKEN_SECRET: "s3cret" }],
    [[], { HARK_PUBLISH_KEYS: "s3cret word" }],
    [[], { HARK_PUBLISH_KEY: "s3cret" }],
    [["--publish-key", "--s3cret"]],
    [["--token-secret", "--s3cret=", "s3cret"]],
    [["--token-jwks", "http://bob:s3cret@issuer.example/keys.json"]],
    [["--token-jwks", "https:bob:s3cret@[issuer.example"]],
    [["--token-jwks", "https://issuer.example/?a=b", "s3cret"]],
    [[], { HARK_TOKEN_JWKS: "http://issuer.example/keys.json?api_key=s3cret" }],
    [["https://issuer.example/keys.json?api_key=s3cret"]],
    [["--host", "https://bob:s3cret@push.example"]],
    [["--origins", "https://bob:s3cret@app.example"]],
    [["--origins", "https://app.example,https://app.example?key=s3cret,s3cret"]],
    [[], { HARK_PUBLIC_HOST: "https://bob:s3cret@push.example" }],
  ];
  for (const [args, env] of lines) assert(!problems(args, env).join().includes("s3cret"));
});

Deno.test("parseConfig() shows the parts of a wrong URL that are no secret", () => {
  const expected = "expected a file name, or a URL that begins with https://";
  assertEquals(problems([], { HARK_TOKEN_JWKS: "http://bob:x@issuer.example/keys.json?y" }), [
    `HARK_TOKEN_JWKS: ${expected}, got "http://issuer.example/keys.json"`,
  ]);
  assertEquals(problems(["--token-jwks=https:issuer"]), [
    `--token-jwks: ${expected}, got "https:issuer"`,
  ]);
  const [problem = ""] = problems(["--origins", "https://a.example,http://b.example/?x,y"]);
  assert(problem.endsWith(', got "https://a.example,http://b.example/,…"'), problem);
});

Deno.test("parseConfig() wants a key or --open where others can reach the server", () => {
  const hosts = ["0.0.0.0", "::", "192.168.1.7", "push.example.com", "127.evil.example"];
  for (const host of hosts) {
    assertEquals(problems(["--host", host]), [
      `anyone who reaches ${host} could publish: set a key with --publish-key KEY, or mean it with --open`,
    ]);
    assertEquals(problems([], { HARK_HOST: host, HARK_OPEN: "0" }).length, 1);
    assertEquals(run(["--host", host, "--open"]).config.host, host);
    assertEquals(run(["--host", host, "--publish-key", "k"]).config.host, host);
    assertEquals(run(["--host", host], { HARK_PUBLISH_KEYS: "k" }).config.host, host);
    assertEquals(run(["--host", host], { HARK_TOKEN_SECRET: SECRET }).config.host, host);
    assertEquals(run(["--host", host, "--token-jwks", "keys.json"]).config.host, host);
  }
});

Deno.test("parseConfig() reports a bad key alone, not that there is none", () => {
  const { expected } = OPTIONS.publishKey;
  assertEquals(problems(["--host=0.0.0.0", "--publish-key="]), [
    `--publish-key: expected ${expected}`,
  ]);
});

Deno.test("parseConfig() wants one way to check tokens, and one where something is expected of them", () => {
  const both = "tokens are signed with one or the other: give --token-secret or --token-jwks";
  assertEquals(problems(["--token-secret", SECRET], { HARK_TOKEN_JWKS: "keys.json" }), [both]);
  const args = ["--token-audience", "hark", "--token-issuer", "https://issuer.example"];
  assertEquals(problems(args), [
    "--token-audience needs --token-secret or --token-jwks",
    "--token-issuer needs --token-secret or --token-jwks",
  ]);
  for (const source of ["--token-secret", "--token-jwks"]) {
    const { tokenAudience, tokenIssuer } = run([...args, source, SECRET]).config;
    assertEquals([tokenAudience, tokenIssuer], ["hark", "https://issuer.example"]);
  }
  const { expected } = OPTIONS.tokenSecret;
  assertEquals(problems([...args, "--token-secret="]), [`--token-secret: expected ${expected}`]);
});

Deno.test("parseConfig() wants a trusted proxy where its header is named", () => {
  for (const name of ["Forwarded", "cf-connecting-ip"]) {
    const args = ["--forwarded-header", name];
    assertEquals(problems(args), [
      "--forwarded-header needs --trust-proxy: without it no header is read",
    ]);
    assertEquals(run([...args, "--trust-proxy", "1"]).config.forwardedHeader, name);
  }
});

Deno.test("parseConfig() wants one place to listen, and a certificate with its key", () => {
  const listen = ["--listen", "unix:/run/hark.sock"];
  const place = "--listen takes the place of an address: give it, or --host and --port";
  const pair = "a certificate is of no use without its key: give --tls-cert and --tls-key";
  const both = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
  assertEquals(run(listen).config.listen, "unix:/run/hark.sock");
  assertEquals(run(both).config.tlsCert, "cert.pem");
  assertEquals(problems([...listen, "--port", "3000"]), [place]);
  assertEquals(problems(listen, { HARK_HOST: "::1" }), [place]);
  assertEquals(problems(["--tls-cert", "cert.pem"]), [pair]);
  assertEquals(problems([], { HARK_TLS_KEY: "key.pem" }), [pair]);
  assertEquals(problems([...listen, ...both]), [
    "nobody speaks TLS on a Unix socket: give --listen, or --tls-cert and --tls-key",
  ]);
});

Deno.test("parseConfig() gives help and version whatever else is wrong", () => {
  const env = { HARK_PORT: "x" };
  const kindOf = (args: string[]) => parseConfig(args, env).kind;
  assertEquals(kindOf(["--help"]), "help");
  assertEquals(kindOf(["--nonsense", "-h"]), "help");
  assertEquals(kindOf(["--version", "--help"]), "help");
  assertEquals(parseConfig(["--version", "--port=x"], env), { kind: "version" });
});

/** Reads the options for the help. */
function help(args: string[], env: Record<string, string> = {}) {
  const parsed = parseConfig(["--help", ...args], env);
  assert(parsed.kind === "help");
  return parsed;
}

Deno.test("parseConfig() reads every option for the help too, with all problems", () => {
  const right = help(["--history-count", "7"], { HARK_PORT: "8123" });
  assertEquals([right.config.historyCount, right.config.port], [7, 8123]);
  assertEquals([right.sources.historyCount, right.sources.port], ["flag", "environment"]);
  assertEquals([right.problems, right.wrong.size], [[], 0]);

  const wrong = help(["--drain-s", "x", "--port", "80", "--prot"], { HARK_PORT: "y" });
  assertEquals([...wrong.wrong], ["drainS"]);
  assertEquals([wrong.config.drainS, wrong.sources.drainS, wrong.config.port], [5, "flag", 80]);
  assertEquals(wrong.problems.length, 3);
  assertEquals(help(["--version"]).problems, []);
});

Deno.test("parseConfig() refuses workers on a Unix socket, and says why", () => {
  for (const workers of ["2", "auto"]) {
    const args = ["--workers", workers, "--listen", "unix:/run/a"];
    assertEquals(problems(args), [
      "a Unix socket has one process: give --listen, or --workers",
    ]);
  }
  assertEquals(parseConfig(["--workers", "2", "--redis", "redis://h"], {}).kind, "run");
});
