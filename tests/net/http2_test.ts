import { assert, assertEquals } from "@std/assert";
import denoJson from "../../deno.json" with { type: "json" };
import { deadline } from "../support/deadline.ts";
import { readDoc } from "../support/docs.ts";
import { RawConnection } from "../support/raw.ts";
import { ChildServer, inheritedEnv, readLines } from "../support/child.ts";

const ROOT = new URL("../../", import.meta.url);
const { start, dev, compile } = denoJson.tasks;
const STREAMS = 200;

/** A frame of RFC 9113 section 4.1. */
function frame(type: number, flags: number, stream: number, payload: readonly number[]): number[] {
  return [0, 0, payload.length, type, flags, 0, 0, stream >> 8, stream & 0xff, ...payload];
}

/** Requests that are each cancelled at once (CVE-2023-44487, "rapid reset"). */
function rapidReset(): Uint8Array<ArrayBuffer> {
  const [HEADERS, RST_STREAM, SETTINGS] = [1, 3, 4];
  const bytes = [...new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")];
  bytes.push(...frame(SETTINGS!, 0, 0, []));
  const get = [0x82, 0x86, 0x84, 0x41, 9, ...new TextEncoder().encode("localhost")];
  for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
    bytes.push(...frame(HEADERS!, 5, stream, get), ...frame(RST_STREAM!, 0, stream, [0, 0, 0, 8]));
  }
  return new Uint8Array(bytes);
}

/** Starts the program as the task `start` does, on a free port. */
async function startTask(): Promise<ChildServer> {
  const [, ...args] = start.command.split(" ");
  const process = new Deno.Command(Deno.execPath(), {
    args: [...args, "--port", "0"],
    cwd: ROOT,
    clearEnv: true,
    env: inheritedEnv(),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [out, err] = [readLines(process.stdout), readLines(process.stderr)];
  const listening = await out.find((line) => line.includes("listening on"));
  return new ChildServer(process, Number(/:(\d+) /.exec(listening)![1]), out, err);
}

Deno.test("a rapid reset of HTTP/2 is refused, and prints nothing outside the log", async () => {
  await using server = await startTask();
  for (let count = 0; count < 3; count++) {
    using connection = await RawConnection.open(server.port);
    await connection.write(rapidReset());
    assert(new TextDecoder().decode(await connection.rest()).endsWith("too_many_resets"));
  }
  assertEquals((await server.fetch("/count")).status, 200);
  server.kill("SIGTERM");
  assertEquals((await deadline(server.status)).code, 0);
  assertEquals(await server.stderr.rest(), []);
});

Deno.test("every command that runs the server keeps Deno's own lines out of the log", async () => {
  const page = await readDoc("operate");
  const commands = [
    ...[start, dev, compile].map(({ command }) => command),
    ...[/^ExecStart=.*$/m, /^CMD .*$/m].map((pattern) => pattern.exec(page)![0]),
  ];
  const isQuiet = (command: string) => /--quiet|--log-level=error/.test(command);
  assertEquals(commands.filter((command) => !isQuiet(command)), []);
});
