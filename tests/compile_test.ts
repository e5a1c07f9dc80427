import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import denoJson from "../deno.json" with { type: "json" };
import { listFiles, readImports, ROOT } from "./support/modules.ts";

const { include } = denoJson.compile;

function isIncluded(path: string): boolean {
  return include.some((each) => each === path || (each.endsWith("/") && path.startsWith(each)));
}

/** The files that `source`, found at `path`, starts as workers. */
function workersOf(path: string, source: string): string[] {
  const targets = source.matchAll(/new URL\(\s*"([^"]+)",\s*import\.meta\.url,?\s*\)/g);
  return [...targets].map(([, target = ""]) => join(dirname(path), target))
    .filter((target) => target.endsWith(".ts"));
}

Deno.test("the program is made of its own files, @std and what Deno has built in", async () => {
  const imports = await readImports(["main.ts"]);
  const foreign = [...imports.keys()].filter((path) =>
    !/^(main\.ts$|deno\.json$|static\/hark\.d\.ts$|lib\/|\.std\/|node:|https:\/\/jsr\.io\/@std\/)/
      .test(path)
  );
  assertEquals(foreign, []);
  assert(imports.has("main.ts"));
});

Deno.test("the compiled program holds every file of static/", async () => {
  const files = await listFiles("static");
  assert(files.length > 0);
  assertEquals(files.filter((path) => !isIncluded(path)), []);
});

Deno.test("the compiled program holds the file of every worker", async () => {
  const missing: string[] = [];
  for (const path of ["main.ts", ...await listFiles("lib")]) {
    const workers = workersOf(path, await Deno.readTextFile(`${ROOT}${path}`));
    missing.push(...workers.filter((worker) => !isIncluded(worker)));
  }
  assertEquals(missing, []);
  assertEquals(
    workersOf("lib/broker/a.ts", 'new Worker(new URL("./b.ts", import.meta.url))'),
    ["lib/broker/b.ts"],
  );
});

Deno.test("what is included is there", async () => {
  for (const path of include) {
    const { isDirectory } = await Deno.stat(`${ROOT}${path}`);
    assertEquals(isDirectory, path.endsWith("/"), path);
  }
});

Deno.test("no task grants all permissions, and the compiled program gets those of start", () => {
  const { tasks } = denoJson;
  for (const [name, { command }] of Object.entries(tasks)) {
    assert(!/(^|\s)(-A|--allow-all)\b/.test(command), name);
  }
  assertEquals(permissionsOf(tasks.compile.command), permissionsOf(tasks.start.command));
  assertEquals(permissionsOf(tasks.dev.command), permissionsOf(tasks.start.command));
});

function permissionsOf(command: string): string[] {
  const flags = command.match(/--(allow|deny|no-prompt)\S*/g) ?? [];
  assert(flags.length > 0, command);
  return flags.sort();
}
