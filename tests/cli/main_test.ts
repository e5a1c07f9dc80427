import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "../support/deadline.ts";
import { command, startChild } from "../support/child.ts";
import { startServer } from "../support/server.ts";

async function output(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await deadline(command(args, env).output());
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("the program publishes, and its exit code says whether that worked", async () => {
  await using server = await startServer();
  const env = { HARK_URL: server.url };
  const done = await output(["publish", "--channel", "ci", "done"], env);
  assertEquals(done, { code: 0, out: "", err: "" });
  const { body } = await server.fetch("/channels/ci");
  assertEquals(JSON.parse(body).publications[0].data, { message: "done" });
  const refused = await output(["publish", "x"], { ...env, HARK_URL: `${server.url}/nowhere` });
  assertEquals(refused, {
    code: 1,
    out: "",
    err: "There is nothing here: see /docs/ for the endpoints\n",
  });
  const wrong = await output(["publish", "a", "b"], env);
  assertEquals([wrong.code, wrong.out], [2, ""]);
  assertMatch(wrong.err, /^Expected one text: .*\nSee hark publish --help\n$/);
});

Deno.test("the program publishes the lines of its stdin", async () => {
  await using server = await startServer();
  const main = new URL("../../main.ts", import.meta.url).href;
  const args = ["run", "--quiet", "--no-prompt", "--allow-net", "--allow-env", "--allow-read"];
  const process = new Deno.Command(Deno.execPath(), {
    args: [...args, main, "publish", "--url", server.url, "--channel", "ci", "-"],
    stdin: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode("first\nsecond"));
  await writer.close();
  assertEquals((await deadline(process.status)).code, 0);
  const { body } = await server.fetch("/channels/ci");
  const { publications } = JSON.parse(body);
  assertEquals(
    publications.map(({ data }: { data: unknown }) => data),
    [{ message: "first" }, { message: "second" }],
  );
});

Deno.test("the program ends a tail when nobody reads it any more", async () => {
  await using server = await startServer();
  const process = command(["tail", "--url", server.url, "ci"]).spawn();
  await server.log.find(({ message }) => message === "new connection");
  const publish = () => server.fetch("/channels/ci", { method: "POST", body: "x" });
  await publish();
  const reader = process.stdout.getReader();
  const { value } = await deadline(reader.read());
  assertMatch(new TextDecoder().decode(value), /^\S+Z ci message {"message":"x"}\n$/);
  await reader.cancel();
  await publish();
  assertEquals((await deadline(process.status)).code, 0);
  assertEquals(await new Response(process.stderr).text(), "");
});

Deno.test("the server starts with or without its command, whatever the others' variables say", async () => {
  const env = { HARK_URL: "nonsense", HARK_KEY: "k" };
  await using child = await startChild([], env);
  assertEquals((await child.fetch("/channels/ci", { method: "POST", body: "x" })).status, 200);
  const [plain, named] = [await output(["--port", "x"]), await output(["start", "--port", "x"])];
  assertEquals(named, plain);
  assertMatch(plain.err, /--port: expected an integer/);
});

Deno.test("the program's --help lists every command", async () => {
  const { code, out } = await output(["--help"]);
  assertEquals(code, 0);
  const [, commands = ""] = out.split("\nCommands:\n");
  const names = [...commands.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name);
  assertEquals(names, ["start", "publish", "tail", "token", "check"]);
  const unknown = await output(["publsh", "x"]);
  assertEquals([unknown.code, unknown.out], [2, ""]);
});
