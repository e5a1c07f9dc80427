import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError, parseConfig } from "../../lib/config/config.ts";
import { configure } from "../../lib/config/configure.ts";

Deno.test("configure() fills in the defaults of the command line", () => {
  const parsed = parseConfig([], {});
  assertEquals<unknown>({
    kind: "run",
    config: configure(),
    sources: parsed.kind === "run" && parsed.sources,
  }, parsed);
});

Deno.test("configure() takes values of every type, and ignores undefined ones", () => {
  const given = {
    port: 8080,
    socketio: false,
    welcome: "--hello=you",
    publishKey: ["one", "two"],
    origins: [],
    log: "json",
  } as const;
  assertEquals(configure({ ...given, store: undefined! }), { ...configure(), ...given });
});

Deno.test("configure() refuses what the command line does", () => {
  const wrong: [Parameters<typeof configure>[0], string[]][] = [
    [{ port: 65_536 }, ['--port: expected an integer from 0 to 65535, got "65536"']],
    [{ port: NaN }, ['--port: expected an integer from 0 to 65535, got "NaN"']],
    [{ prot: 80 } as object, ['unknown option "prot"']],
    [{ workers: "2" }, ["a server that a program embeds is one process: leave out workers"]],
    [{ toString: 1 } as object, ['unknown option "toString"']],
    [{ host: "0.0.0.0" }, [
      "anyone who reaches 0.0.0.0 could publish: set a key with --publish-key KEY, or mean it with --open",
    ]],
  ];
  for (const [given, problems] of wrong) {
    assertEquals(assertThrows(() => configure(given), ConfigError).problems, problems);
  }
});
