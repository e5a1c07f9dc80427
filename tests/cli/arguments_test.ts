import { assertEquals, assertThrows } from "@std/assert";
import { parseArguments, UsageError } from "../../lib/cli/arguments.ts";
import { readTarget } from "../../lib/cli/target.ts";

const SYNTAX = { values: ["channel", "url", "key"], switches: ["json"] };

function parse(...args: string[]) {
  const { values, switches, operands } = parseArguments(args, SYNTAX);
  return { values: Object.fromEntries(values), switches: [...switches], operands };
}

Deno.test("parseArguments() separates flags from operands, wherever they stand", () => {
  assertEquals(parse(), { values: {}, switches: [], operands: [] });
  assertEquals(parse("a", "--json", "--channel", "ci", "b", "--url=http://x/?a=b"), {
    values: { channel: "ci", url: "http://x/?a=b" },
    switches: ["json"],
    operands: ["a", "b"],
  });
  assertEquals(parse("-"), { values: {}, switches: [], operands: ["-"] });
  assertEquals(parse("--json", "--", "--json", "--", "-x"), {
    values: {},
    switches: ["json"],
    operands: ["--json", "--", "-x"],
  });
  assertEquals(parse("--channel", "--json", "--channel=").values, { channel: "" });
  assertEquals(parse("-h", "--help").switches, ["help"]);
});

Deno.test("parseArguments() says which flag is wrong", () => {
  const unknown = (flag: string) => `Unknown flag ${flag}: put -- before a text that begins with -`;
  const wrong: readonly (readonly [string[], string])[] = [
    [["--chanel", "ci"], "Unknown flag --chanel, did you mean --channel?"],
    [["-j"], unknown("-j")],
    [["---json"], "Unknown flag -json, did you mean --json?"],
    [["--constructor"], unknown("--constructor")],
    [["--a\u001b[0m"], unknown("--a\\u001b[0m")],
    [["--channel"], "--channel needs a value"],
    [["--json=1"], "--json takes no value"],
    [["--help=1"], "--help takes no value"],
  ];
  for (const [args, message] of wrong) {
    assertEquals(assertThrows(() => parse(...args), UsageError).message, message);
  }
});

function target(args: string[], env: Record<string, string> = {}) {
  using target = readTarget(parseArguments(args, SYNTAX), env);
  return [target.url.href, target.headers.authorization];
}

Deno.test("readTarget() prefers flags to variables, and variables to the default", () => {
  const env = { HARK_URL: "https://push.example.com/hark", HARK_KEY: "variable" };
  assertEquals(target([]), ["http://localhost:3000/", undefined]);
  assertEquals(target([], env), ["https://push.example.com/hark/", "Bearer variable"]);
  assertEquals(target(["--url", "http://[::1]:80", "--key", "flag"], env), [
    "http://[::1]/",
    "Bearer flag",
  ]);
  assertEquals(target(["--key="], { HARK_URL: "", HARK_KEY: "k" }), [
    "http://localhost:3000/",
    undefined,
  ]);
});

Deno.test("readTarget() says what is wrong, and never shows the key", () => {
  const url = "expected an http or https URL, such as http://localhost:3000, or unix: and a path";
  const key = "expected printable ASCII with no space";
  const wrong: readonly (readonly [string[], Record<string, string>, string])[] = [
    [["--url", "localhost:3000"], {}, `--url: ${url}`],
    [["--url", "ws://localhost"], {}, `--url: ${url}`],
    [["--url", "http://localhost/?a"], {}, `--url: ${url}`],
    [["--url="], {}, `--url: ${url}`],
    [[], { HARK_URL: "nonsense" }, `HARK_URL: ${url}`],
    [["--key", "sec ret"], {}, `--key: ${key}`],
    [[], { HARK_KEY: "sec\nret" }, `HARK_KEY: ${key}`],
  ];
  for (const [args, env, message] of wrong) {
    assertEquals(assertThrows(() => target(args, env), UsageError).message, message);
  }
});
