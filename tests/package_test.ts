import { assert, assertEquals, assertMatch } from "@std/assert";
import { toFileUrl } from "@std/path";
import { serveDir } from "@std/http/file-server";
import type * as declared from "../lib/client.ts";
import * as served from "../static/client.js";
import { deadline } from "./support/deadline.ts";
import { fenced, readDoc } from "./support/docs.ts";
import { ROOT } from "./support/modules.ts";
import { readLines } from "./support/child.ts";

const FILES = ["deno.json", "main.ts", "LICENSE", "README.md", "lib", "static"];

const CACHE = Deno.makeTempDirSync({ prefix: "hark-" });
Deno.test.afterAll(() => Deno.removeSync(CACHE, { recursive: true }));

/** Runs deno in a folder, without the user's settings. */
function deno(folder: string, ...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { NO_COLOR: "1", DENO_DIR: CACHE },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function output(command: Deno.Command): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await deadline(command.output());
  return { code, text: [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("") };
}

Deno.test("the package can be published, with no slow types", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const copy = `${folder}/package`;
    await Deno.mkdir(copy);
    const files = FILES.map((name) => ROOT + name);
    assertEquals((await output(new Deno.Command("cp", { args: ["-r", ...files, copy] }))).code, 0);
    // The stand-ins for @std are not part of it.
    await Deno.rename(`${copy}/lib/std`, `${folder}/std`);
    const config = {
      ...JSON.parse(await Deno.readTextFile(`${copy}/deno.json`)),
      links: ["../std/*"],
    };
    await Deno.writeTextFile(`${copy}/deno.json`, JSON.stringify(config));
    const args = ["publish", "--dry-run", "--allow-dirty", "--no-check"];
    const { code, text } = await output(deno(copy, ...args));
    assertEquals([code, /slow-type|warning/.test(text)], [0, false], text);
    const paths = ["lib/mod.ts", "lib/client.ts", "static/client.js", "static/client.d.ts"];
    for (const path of [...paths, "static/hark.d.ts", "deno.json", "README.md"]) {
      assert(text.includes(`/${path} (`), `${path} is missing:\n${text}`);
    }
    assertEquals(/lib\/std|tests\//.test(text), false, text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Runs embed.md's program in a folder of its own, with a package whose files are at `base`. */
async function embed(base: string, permissions: string[], run: (url: string) => Promise<void>) {
  const [program = ""] = fenced(await readDoc("embed"), "ts");
  assertMatch(program, /port: 8080/);
  const folder = await Deno.makeTempDir();
  try {
    const imports = {
      "@hark/server": `${base}lib/mod.ts`,
      "@std/http/file-server": `${base}lib/std/http/file_server.ts`,
      "@std/path": `${base}lib/std/path/mod.ts`,
    };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports, lock: false }));
    await Deno.writeTextFile(`${folder}/main.ts`, program.replace("port: 8080", "port: 0"));
    // A dependency is not type-checked here: `deno task check` does that.
    if (base.startsWith("http:")) {
      const { code, text } = await output(deno(folder, "check", ...allowImport(base), "main.ts"));
      assertEquals(code, 0, text);
    }
    const args = ["run", "--no-prompt", "--quiet", ...permissions, ...allowImport(base), "main.ts"];
    await using process = deno(folder, ...args).spawn();
    const [out, err] = [readLines(process.stdout), readLines(process.stderr)];
    const line = await out.find((line) => line.includes("listening"));
    await run(/http:\S+/.exec(line)![0]);
    process.kill("SIGTERM");
    assertEquals([(await deadline(process.status)).code, await err.rest()], [0, []]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function allowImport(base: string): string[] {
  return base.startsWith("http:") ? [`--allow-import=${new URL(base).host}`] : [];
}

/** The status of the page, after a message was published. */
async function tryOut(url: string): Promise<number> {
  const published = await fetch(`${url}/broadcast/hello`);
  assertEquals(await published.json(), { message: "hello" });
  const page = await fetch(url);
  await page.body?.cancel();
  return page.status;
}

Deno.test("embed.md's program embeds a server, which serves the page", async () => {
  const base = toFileUrl(ROOT).href;
  await embed(base, ["--allow-net", "--allow-read"], async (url) => {
    assertEquals(await tryOut(url), 200);
  });
});

Deno.test("embed.md's program embeds a server from a URL, which has no page", async () => {
  const files = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const response = await serveDir(request, { fsRoot: ROOT, quiet: true });
    if (new URL(request.url).pathname.endsWith(".ts")) {
      response.headers.set("content-type", "application/typescript");
    }
    return response;
  });
  await embed(`http://127.0.0.1:${files.addr.port}/`, ["--allow-net"], async (url) => {
    assertEquals(await tryOut(url), 404);
  });
  await files.shutdown();
});

Deno.test("the client's declared types are those of its module", () => {
  const checked: typeof declared = served;
  assertEquals(Object.keys(checked).sort(), ["Hark", "HarkError", "connect"]);
});
