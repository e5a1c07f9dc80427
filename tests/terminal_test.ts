import { assertEquals } from "@std/assert";
import { deadline } from "./support/deadline.ts";
import { inheritedEnv, readLines } from "./support/child.ts";
import { Client } from "./support/socket.ts";

const CTRL_C = new Uint8Array([3]);
const ROOT = new URL("..", import.meta.url);

// In a terminal, which script(1) makes: every process in it gets Ctrl-C, and `deno task` forwards it.
Deno.test("Ctrl-C on the command of README stops the server, with exit code 0", async () => {
  await using terminal = new Deno.Command("script", {
    args: ["-qec", "exec deno task start --port 0 --drain-s 0", "/dev/null"],
    cwd: ROOT,
    clearEnv: true,
    env: { ...inheritedEnv(), NO_COLOR: "1", SHELL: "/bin/sh", PATH: pathOfThisDeno() },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keyboard = terminal.stdin.getWriter();
  const lines = readLines(terminal.stdout);
  const listening = await lines.find((line) => line.includes("listening on"));
  const [, port] = /listening on http:\/\/localhost:(\d+)/.exec(listening)!;
  const client = await Client.open(`ws://127.0.0.1:${port}/ws`);
  await client.text();
  await keyboard.write(CTRL_C);
  assertEquals((await client.closed()).code, 1001);
  await lines.find((line) => line.includes(" info  stopped"));
  assertEquals((await deadline(terminal.status)).code, 0);
  await keyboard.close();
  await lines.rest();
});

function pathOfThisDeno(): string {
  return `${Deno.execPath().replace(/\/[^/]*$/, "")}:${Deno.env.get("PATH")}`;
}
