import { assert, assertEquals, assertMatch } from "@std/assert";
import { TemporaryFolder } from "./support/certificates.ts";
import { fenced, readDoc } from "./support/docs.ts";
import { startServer, type TestServer } from "./support/server.ts";

// The commands of README.md and the pages, run as they stand but for the port and for which deno is meant.

const README = await Deno.readTextFile(new URL("../README.md", import.meta.url));
const PUBLISH = await readDoc("publish");
const ROOT = new URL("..", import.meta.url);
/** When a command that receives has failed. */
const STREAM_S_MAX = 30;

Deno.test("the commands that send are acknowledged", async () => {
  await using server = await startServer();
  const lines = [part(README, "Start"), part(README, "Send"), PUBLISH].flatMap(commands)
    .filter((line) => !isStream(line));
  assert(lines.length >= 20, "the pages have lost their commands");
  for (const line of lines) {
    const { code, stdout, stderr } = await run(server, "sh", line);
    assertEquals([code, /problem/.test(stdout)], [0, false], `${line}\n${stdout}${stderr}`);
  }
});

Deno.test("the commands that receive get what is sent", async () => {
  await using server = await startServer();
  await send(server);
  const lines = [
    ...commands(part(README, "Start")).filter(isStream),
    ...commands(part(README, "Receive")),
    ...commands(PUBLISH).filter(isStream),
  ];
  assertEquals(lines.map(isStream), [true, true, true, false, true]);
  for (const line of lines) {
    const running = run(server, "sh", isStream(line) ? untilSeen(line) : line);
    const { stdout, stderr } = await sendingDuring(server, running);
    assert(stdout.includes("seen"), `${line}\n${stdout}${stderr}`);
  }
});

Deno.test("README.md's Python is acknowledged", async () => {
  await using server = await startServer();
  const [script = ""] = fenced(part(README, "Send"), "python");
  const { code, stdout, stderr } = await run(server, "python3", script);
  assertEquals([code, JSON.parse(stdout || "{}").channel], [0, "ci"], stderr);
});

Deno.test("README.md's JavaScript gets what is sent, events with names of their own too", async () => {
  await using server = await startServer();
  await using folder = new TemporaryFolder();
  const { body } = await server.fetch("/client.js");
  await Deno.writeTextFile(`${folder.path}/client.mjs`, body);
  const [client = "", native = ""] = fenced(part(README, "Receive"), "js");
  const inNode = fenced(part(await readDoc("client"), "In Node"), "js")[0] ?? "";
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

Deno.test("security.md's token lets its bearer receive what it says, and nothing else", async () => {
  const [script = ""] = fenced(part(await readDoc("security"), "Who may receive"), "sh");
  const { stdout, stderr } = await run(undefined, "sh", `${script}echo "$HARK_TOKEN_SECRET"`);
  const [token = "", tokenSecret = ""] = stdout.trim().split("\n");
  await using server = await startServer({ tokenSecret });
  const statuses = ["user.42.inbox", "user.43.inbox"].map(async (channel) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await server.fetch(`/channels/${channel}`, { headers })).status;
  });
  assertEquals(await Promise.all(statuses), [200, 403], stderr);
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

/** The lines of the shell blocks of a text, but for those that start or test a server. */
function commands(text: string): string[] {
  const lines = fenced(text, "sh").flatMap((block) => block.trim().split("\n"));
  return lines.filter((line) => !/^npx -y deno task (start|test) +#/.test(line));
}

/** What stands under a heading of the second level. */
function part(page: string, heading: string): string {
  return new RegExp(`\n## ${heading}\n(.*?)\n## `, "s").exec(page)?.[1] ?? "";
}

function onto({ port }: TestServer, script: string): string {
  return script.replaceAll("localhost:3000", `127.0.0.1:${port}`);
}

async function run(server: TestServer | undefined, program: string, script: string) {
  const text = (server ? onto(server, script) : script).replaceAll(
    "npx -y deno task",
    `'${Deno.execPath()}' task`,
  );
  const command = new Deno.Command(program, {
    args: ["-c", text],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...(server && { HARK_URL: server.url }) },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: err! };
}
