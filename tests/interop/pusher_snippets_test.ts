import { assert, assertEquals } from "@std/assert";
import { TemporaryFolder } from "../support/certificates.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { fenced, readDoc } from "../support/docs.ts";
import { APP, ask, PusherPeer, trigger } from "../support/pusher.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { packageFolder, type PACKAGES } from "./clients.ts";
import { commandOf, SCRIPT_RUNNERS } from "./languages.ts";

// The programs of the page about Pusher, run as they stand but for the port.

const PAGE = await readDoc("pusher");
const [PUSHER_JS = "", ECHO = "", NODE = ""] = fenced(PAGE, "js");
const [PYTHON = ""] = fenced(PAGE, "python");
const [GO = ""] = fenced(PAGE, "go");

function onto(server: TestServer, script: string): string {
  const moved = script.replaceAll("3000", `${server.port}`);
  assert(moved !== script, script);
  return moved;
}

/** Echo looks for Pusher there, as pages have it. */
const WINDOW = "--import=data:text/javascript,globalThis.window=globalThis";

/** A script that finds the packages of npm that it imports. */
async function nodeScript(script: string, folder: string): Promise<string> {
  const name: keyof typeof PACKAGES = "pusher-js";
  const modules = (await packageFolder(name)).replace(/\/[^/]+$/, "");
  await Deno.symlink(modules, `${folder}/node_modules`);
  await Deno.writeTextFile(`${folder}/script.mjs`, script);
  return `${folder}/script.mjs`;
}

Deno.test("the page's scripts for pusher-js and Echo get what is triggered", async () => {
  for (const script of [PUSHER_JS, ECHO]) {
    await using server = await startServer({ pusherApp: [APP] });
    await using folder = new TemporaryFolder();
    const path = await nodeScript(onto(server, script), folder.path);
    const process = new Deno.Command("node", { args: [WINDOW, path], stdout: "piped" }).spawn();
    await eventually(
      async () => (await ask(server, "/channels/ci")).body,
      (body) => JSON.parse(body).occupied,
    );
    await trigger(server, "ci", '{"seen":true}', { name: "message" });
    const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await deadline(reader.read());
    assertEquals(value, "{ seen: true }\n", script);
    await reader.cancel();
    process.kill("SIGKILL");
    await process.status;
  }
});

const runners = {
  Node: { script: NODE, command: ["node"] },
  Python: { script: PYTHON, command: await commandOf(SCRIPT_RUNNERS.python) },
  Go: { script: GO, command: await commandOf(SCRIPT_RUNNERS.go) },
};

for (const [language, { script, command }] of Object.entries(runners)) {
  Deno.test({
    name: `the page's script in ${language} triggers`,
    ignore: command === undefined,
    async fn() {
      await using server = await startServer({ pusherApp: [APP] });
      await using peer = await PusherPeer.open(server);
      await peer.subscribe("ci");
      await using folder = new TemporaryFolder();
      const path = language === "Node"
        ? await nodeScript(onto(server, script), folder.path)
        : `${folder.path}/script.${language === "Go" ? "go" : "py"}`;
      if (language !== "Node") await Deno.writeTextFile(path, onto(server, script));
      const [program = "", ...args] = command!;
      const { success, stderr } = await new Deno.Command(program, { args: [...args, path] })
        .output();
      assertEquals([success, new TextDecoder().decode(stderr)], [true, ""], script);
      assertEquals(await peer.events(1), [["deploy", { sha: "abc" }]]);
    },
  });
}
