import { assert, assertEquals, assertMatch } from "@std/assert";
import { TemporaryFolder } from "./support/certificates.ts";
import { fenced, readDoc } from "./support/docs.ts";
import { startServer, type TestServer } from "./support/server.ts";

// The commands of README.md, run as they stand but for the port and for which deno is meant.

const README = await Deno.readTextFile(new URL("../README.md", import.meta.url));
const ROOT = new URL("..", import.meta.url);
/** When a command that receives has failed. */
const STREAM_S_MAX = 30;

Deno.test("README.md's commands that send are acknowledged", async () => {
  await using server = await startServer();
  const lines = [...commands("Start"), ...commands("Send")].filter((line) => !isStream(line));
  assert(lines.length >= 7, "README.md has lost its commands");
  for (const line of lines) {
    const { code, stdout, stderr } = await run(server, "sh", line);
    assertEquals([code, /problem/.test(stdout)], [0, false], `${line}\n${stdout}${stderr}`);
  }
});

Deno.test("README.md's commands that receive get what is sent", async () => {
  await using server = await startServer();
  await send(server);
  const lines = [...commands("Start").filter(isStream), ...commands("Receive")];
  assertEquals(lines.map(isStream), [true, true, true, false]);
  for (const line of lines) {
    const running = run(server, "sh", isStream(line) ? untilSeen(line) : line);
    const { stdout, stderr } = await sendingDuring(server, running);
    assert(stdout.includes("seen"), `${line}\n${stdout}${stderr}`);
  }
});

Deno.test("README.md's Python is acknowledged", async () => {
  await using server = await startServer();
  const [script = ""] = blocks("Send", "python");
  const { code, stdout, stderr } = await run(server, "python3", script);
  assertEquals([code, JSON.parse(stdout || "{}").channel], [0, "ci"], stderr);
});

Deno.test("README.md's JavaScript gets what is sent, events with names of their own too", async () => {
  await using server = await startServer();
  await using folder = new TemporaryFolder();
  const { body } = await server.fetch("/client.js");
  await Deno.writeTextFile(`${folder.path}/client.mjs`, body);
  const [client = "", native = ""] = blocks("Receive", "js");
  const [inNode = ""] = fenced(await readDoc("client"), "js");
  const deno = `'${Deno.execPath()}' run --no-lock --quiet -A`;
  const cases = [[deno, client], ["node", inNode], [deno, native]] as const;
  for (const [program, script] of cases) {
    await Deno.writeTextFile(`${folder.path}/script.mjs`, onto(server, script));
    const line = `${program} ${folder.path}/script.mjs`;
    const running = run(server, "sh", untilSeen(line, "reading.*seen"));
    const { stdout, stderr } = await sendingDuring(server, running);
    assertMatch(stdout, /reading.*seen/, `${script}\n${stdout}${stderr}`);
  }
});

/** Waits for a program, which is sent something again and again until it ends. */
async function sendingDuring<T>(server: TestServer, running: Promise<T>): Promise<T> {
  let sent = Promise.resolve();
  const sending = setInterval(() => sent = send(server), 100);
  try {
    return await running;
  } finally {
    clearInterval(sending);
    await sent;
  }
}

async function send(server: TestServer): Promise<void> {
  await server.broadcast("seen", "?channel=sensor.kitchen&event=reading");
  await server.broadcast("seen");
  await server.broadcast("seen", "?channel=ci");
}

/** Ends a stream once it has shown what is looked for. */
function untilSeen(line: string, what = "seen"): string {
  return `(timeout ${STREAM_S_MAX} ${line} & echo "$!"; wait) | ` +
    `(read -r pid; grep --max-count=1 '${what}'; kill "$pid")`;
}

function isStream(line: string): boolean {
  return line.includes("curl -N") || line.includes("start tail");
}

/** The lines of the shell blocks of a section, but for those that start or test a server. */
function commands(section: string): string[] {
  const lines = blocks(section, "sh").flatMap((block) => block.trim().split("\n"));
  return lines.filter((line) => !/^npx -y deno task (start|test) +#/.test(line));
}

function blocks(section: string, language: string): string[] {
  const [, text = ""] = new RegExp(`\n## ${section}\n(.*?)\n## `, "s").exec(README) ?? [];
  return fenced(text, language);
}

function onto({ port }: TestServer, script: string): string {
  return script.replaceAll("localhost:3000", `127.0.0.1:${port}`);
}

async function run(server: TestServer, program: string, script: string) {
  const text = onto(server, script).replaceAll("npx -y deno task", `'${Deno.execPath()}' task`);
  const command = new Deno.Command(program, {
    args: ["-c", text],
    cwd: ROOT,
    env: { HARK_URL: server.url, NO_COLOR: "1" },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: err! };
}
