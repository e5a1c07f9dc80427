import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseConfig } from "../../lib/config/config.ts";
import { helpText, problemsText } from "../../lib/config/help.ts";
import type { Option } from "../../lib/config/option.ts";
import { flagName, type OptionKey, OPTIONS, variableName } from "../../lib/config/options.ts";
import { optionsTable } from "../support/readme.ts";

const KEYS = Object.keys(OPTIONS) as OptionKey[];

/** Reads the options for the help. */
function attempt(args: string[] = [], env: Record<string, string> = {}) {
  const parsed = parseConfig(["--help", ...args], env);
  assert(parsed.kind === "help");
  return parsed;
}

/** The help's line of an option or flag. */
function lineOf(flag: string, args: string[] = [], env: Record<string, string> = {}) {
  const lines = helpText(attempt(args, env)).split("\n");
  return lines.find((line) => line.startsWith(`  ${flag} `));
}

function usage(key: OptionKey): string {
  return key === "socketio" ? "--no-socketio" : `--${flagName(key)} ${OPTIONS[key].metavar}`.trim();
}

Deno.test("helpText() has a line for every option, under its group", () => {
  const lines = helpText(attempt()).split("\n");
  for (const key of KEYS) {
    const start = `  ${usage(key).padEnd(31)}  ${OPTIONS[key].help} (default: `;
    assertEquals(lines.filter((line) => line.startsWith(start)).length, 1, key);
  }
  assertEquals(lines.filter((line) => line.endsWith(":") && !line.startsWith(" ")), [
    ...["Listening:", "Tokens:", "Messages:", "Socket.IO:", "Pusher:"],
    ...[
      "Channels and history:",
      "Cluster:",
      "Bounds of a session:",
      "Connections:",
      "Log:",
      "Other:",
    ],
  ]);
  assertEquals(lines.filter((line) => line.length > 120 || line !== line.trimEnd()), []);
});

Deno.test("helpText() shows every value, and where it comes from", () => {
  assertEquals(
    lineOf("--port"),
    "  --port N                         port to listen on; 0 takes a free one (default: 3000)",
  );
  assertEquals(lineOf("-h,"), "  -h, --help                       show this");
  const cases: [flag: string, end: string, args: string[], env?: Record<string, string>][] = [
    ["--port", "(HARK_PORT: 8123)", [], { HARK_PORT: "8123" }],
    ["--history-count", "(flag: 7)", ["--history-count", "7"], { HARK_HISTORY_COUNT: "8" }],
    ["--publish-key", "(default: none)", []],
    ["--welcome", "(flag: none)", ["--welcome="]],
    ["--origins", "(flag: http://a.b,http://c.d)", [
      "--origins=http://a.b",
      "--origins=http://c.d",
    ]],
    ["--no-socketio", "(flag: false)", ["--no-socketio"]],
    ["--open", "(HARK_OPEN: true)", [], { HARK_OPEN: "1" }],
  ];
  for (const [flag, end, args, env] of cases) {
    assert(lineOf(flag, args, env)?.endsWith(` ${end}`), lineOf(flag, args, env));
  }
});

Deno.test("helpText() shows no secret, and nothing that commands a terminal", () => {
  const options = attempt(["--publish-key", "s3cret-a,s3cret-b", "--welcome", "\x1b[2J"], {
    HARK_TOKEN_SECRET: `s3cret${"x".repeat(32)}`,
    HARK_TOKEN_JWKS: "https://bob:s3cret@issuer.example/keys.json?api_key=s3cret",
  });
  const text = helpText(options) + problemsText(options);
  assert(!text.includes("s3cret"), text);
  assertMatch(text, /--publish-key KEY .*\(flag: 2, not shown\)$/m);
  assertMatch(text, /--token-secret SECRET .*\(HARK_TOKEN_SECRET: not shown\)$/m);
  assertMatch(text, /--token-jwks .*\(HARK_TOKEN_JWKS: https:\/\/issuer\.example\/keys\.json\)$/m);
  assertMatch(text, /--welcome .*\(flag: \\u001b\[2J\)$/m);
});

Deno.test("helpText() works whatever is wrong, and problemsText() lists that", () => {
  const options = attempt(["--prot", "--host", "0.0.0.0"], { HARK_PORT: "x" });
  assertEquals(helpText(options).split("\n").length, helpText(attempt()).split("\n").length);
  assert(lineOf("--port", [], { HARK_PORT: "x" })?.endsWith(" (HARK_PORT: wrong, see below)"));
  assertEquals(problemsText(options).split("\n"), [
    "A server would not start with these flags and variables:",
    '  unknown flag "--prot", did you mean --port?',
    '  HARK_PORT: expected an integer from 0 to 65535, got "x"',
    "  anyone who reaches 0.0.0.0 could publish: set a key with --publish-key KEY, or mean it with " +
    "--open",
  ]);
  assertEquals(problemsText(attempt()), "");
});

Deno.test("optionsTable() has an aligned row for every option", () => {
  const [head, rule, ...rows] = optionsTable().split("\n");
  assert(head && rule);
  const cells = (row: string) => row.split("|").slice(1, -1).map((cell) => cell.trim());
  assertEquals(cells(head), ["Flag", "Variable", "Default", "Meaning"]);
  assertEquals(cells(rule).join("").replaceAll("-", ""), "");
  const expected = KEYS.map((key) => {
    const { help, default: value }: Option<unknown> = OPTIONS[key];
    const isEmpty = value === "" || Array.isArray(value);
    const shown = isEmpty ? "" : `\`${value}\``;
    return [`\`${usage(key)}\``, `\`${variableName(key)}\``, shown, help];
  });
  assertEquals(rows.map(cells), expected);
  assertEquals(new Set([head, rule, ...rows].map((row) => row.length)).size, 1);
});
