import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { TemporaryFolder } from "../support/certificates.ts";
import { startChild } from "../support/child.ts";
import { commandOf, SCHEMATHESIS } from "./languages.ts";

// What schemathesis makes of /openapi.json, tried on a server: https://schemathesis.readthedocs.io

const KEY = "k".repeat(24);
const CONFIG = fromFileUrl(new URL("schemathesis.toml", import.meta.url));
/** Cases of each operation in each phase. */
const EXAMPLES = 10;
const command = await commandOf(SCHEMATHESIS);

const SERVERS = {
  "an open server": { env: {}, args: [] },
  "a server with a key and an app": {
    env: { HARK_PUBLISH_KEYS: KEY, HARK_PUSHER_APPS: "1:key:secret" },
    args: ["--header", `Authorization: Bearer ${KEY}`],
  },
};

for (const [name, { env, args }] of Object.entries(SERVERS)) {
  Deno.test({
    name: `schemathesis finds nothing wrong with ${name}`,
    ignore: command === undefined,
    async fn() {
      await using server = await startChild([], env);
      await using folder = new TemporaryFolder(); // It keeps what it has found there.
      const [program = "", ...first] = command!;
      const { success, stdout } = await new Deno.Command(program, {
        args: [
          ...first,
          ...["--no-color", "--config-file", CONFIG],
          ...["run", `${server.url}/openapi.json`],
          // A stream of events does not end.
          ...["--exclude-path", "/events"],
          ...["--max-examples", String(EXAMPLES), "--seed", "1", "--no-shrink"],
          ...["--request-timeout", "10", ...args],
        ],
        cwd: folder.path,
        stderr: "null",
        env: { COLUMNS: "120" },
      }).output();
      const report = new TextDecoder().decode(stdout);
      assertEquals(success, true, report);
      assertMatch(report, /[1-9]\d{2,} generated/, report);
    },
  });
}
