import { assertEquals, assertThrows } from "@std/assert";
import { BOUNDS } from "../../lib/bounds.ts";
import { ConfigError, parseConfig } from "../../lib/config/config.ts";
import { LINES_PER_PEER_MAX } from "../../lib/observe/log.ts";

function problems(args: string[], env: Record<string, string> = {}): readonly string[] {
  return assertThrows(() => parseConfig(args, env), ConfigError).problems;
}

const { newcomersMax, ...bounds } = BOUNDS;

/** The options that were removed, and the value that each has now. */
const FIXED = Object.entries({
  ...bounds,
  handshakesMax: newcomersMax,
  logLinesPerAddressMax: LINES_PER_PEER_MAX,
}).map(([key, value]) => {
  return { name: key.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`), value };
});

Deno.test("parseConfig() says of a removed option which value is fixed now", () => {
  for (const { name, value } of FIXED) {
    const flag = `--${name}`;
    const variable = `HARK_${name.toUpperCase().replaceAll("-", "_")}`;
    const expected = [`${flag} was removed: it is always ${value} now`];
    assertEquals(problems([`${flag}=7`]), expected);
    assertEquals(problems([flag, "7"]), expected);
    assertEquals(problems([flag, "--open"]), expected);
    assertEquals(problems([], { [variable]: "7" }), [
      `${variable} was removed: it is always ${value} now`,
    ]);
  }
});

Deno.test("parseConfig() says of removed options which one replaced them", () => {
  const why = "was removed: --heartbeat-s, in seconds, replaced it";
  assertEquals(problems(["--ping-interval-ms", "7", "--sse-heartbeat-ms=7"]), [
    `--ping-interval-ms ${why}`,
    `--sse-heartbeat-ms ${why}`,
  ]);
  assertEquals(problems([], { HARK_IDLE_TIMEOUT_S: "0" }), [
    "HARK_IDLE_TIMEOUT_S was removed: HARK_HEARTBEAT_S, in seconds, replaced it",
  ]);
});

Deno.test("parseConfig() names all removed options at once, among other problems", () => {
  assertEquals(problems(["--handshakes-max", "7", "--prot", "--presence-max"], { HARK_X: "" }), [
    "--handshakes-max was removed: it is always 2000 now",
    'unknown flag "--prot", did you mean --port?',
    "--presence-max was removed: it is always 1000 now",
    'unknown variable "HARK_X"',
  ]);
});

Deno.test("parseConfig() knows a removed option by its whole name alone", () => {
  const lines: [string[], Record<string, string>, string][] = [
    [["--no-handshakes-max"], {}, 'unknown flag "--no-handshakes-max"'],
    [["-handshakes-max"], {}, 'unknown flag "-handshakes-max"'],
    [[], { HARK_HANDSHAKES: "1" }, 'unknown variable "HARK_HANDSHAKES"'],
    [["--publish-key", "--handshakes-max"], {}, "--publish-key needs a value: --publish-key=KEY"],
  ];
  for (const [args, env, expected] of lines) assertEquals(problems(args, env)[0], expected);
  assertEquals(
    problems(["--publish-key", "--handshakes-max"])[1],
    "unknown flag after --publish-key",
  );
});
