import { assertEquals } from "@std/assert";
import { readDoc } from "./support/docs.ts";
import { type Import, listFiles, readImports, ROOT } from "./support/modules.ts";

const BASE = ["core", "config", "observe"];
const MIDDLE = ["hub", "http", "cluster", "auth", "broker", ...BASE];

/** What each layer may import besides itself. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  config: ["core", "observe"],
  observe: ["core"],
  broker: BASE,
  auth: BASE,
  hub: ["broker", ...BASE],
  cluster: ["hub", "broker", ...BASE],
  http: ["hub", "auth", "broker", ...BASE],
  api: MIDDLE,
  protocols: MIDDLE,
  net: MIDDLE,
  cli: ["protocols", "net", ...MIDDLE],
  server: ["api", "protocols", "net", ...MIDDLE],
  workers: ["server", "api", "protocols", "net", ...MIDDLE],
  main: ["workers", "cli", "server", "api", "protocols", "net", ...MIDDLE],
};

/** Files that use neither a socket nor the system. */
const PURE = /^lib\/(core\/|protocols\/\w+\/(codec\d?|encoder|decoder|attachments)\.ts$)/;
const GIVEN = ["config", "observe"];
const GET_GIVEN = ["auth", "broker", "hub", "http", "api", "protocols"];

/** What a reader can grasp at once. */
const LINES_MAX = 300;
/** Files that are longer, and must not grow. */
const LINES_KNOWN: Readonly<Record<string, number>> = {
  "static/client.js": 512,
};

/** Names that only some files may use. */
const RESERVED: readonly { name: RegExp; mayUse: (path: string) => boolean }[] = [
  { name: /\bDeno\.(args|env|exit)\b/, mayUse: (path) => path === "main.ts" },
  { name: /\bconsole\./, mayUse: (path) => path === "lib/observe/log.ts" },
  { name: /\b(Deno|Response|WebSocket)\b/, mayUse: (path) => !PURE.test(path) },
];

/** The layer of a file; undefined if it is not part of the program, or belongs nowhere. */
function layerOf(path: string): string | undefined {
  if (path === "main.ts") return "main";
  const [, folder] = path.match(/^lib\/([^/]+)\/.+\.ts$/) ?? [];
  if (folder !== undefined) return folder in LAYERS ? folder : undefined;
  return /^lib\/[^/]+\.ts$/.test(path) ? "server" : undefined;
}

/** Reports whether a file may import from outside the program: the version, the client, its types. */
function isOutside(path: string, target: string, typeOnly: boolean): boolean {
  if (target === "deno.json") return path === "lib/version.ts";
  if (target === "static/hark.d.ts") return typeOnly;
  return path === "lib/client.ts" && target === "static/client.js";
}

/** What is wrong with one import of a file of the program; undefined if nothing is. */
function importProblem(path: string, { specifier, target, typeOnly }: Import): string | undefined {
  const from = layerOf(path);
  if (from === undefined) return `${path} belongs to no layer`;
  if (specifier.startsWith("@std/") || target.startsWith("node:")) {
    return PURE.test(path) ? `${path} is pure, yet imports ${specifier}` : undefined;
  }
  if (isOutside(path, target, typeOnly)) return undefined;

  const to = layerOf(target);
  if (to === undefined) return `${path} imports ${specifier}, which is no part of the program`;
  if (to !== from && !LAYERS[from]?.includes(to)) {
    return `${path} imports ${target}, which is above`;
  }
  if (GIVEN.includes(to) && !typeOnly && GET_GIVEN.includes(from)) {
    return `${path} imports ${target} at run time: pass it in, import its type`;
  }
  return undefined;
}

function nameProblems(path: string, source: string): string[] {
  const code = withoutTexts(source);
  return RESERVED.filter(({ name, mayUse }) => !mayUse(path) && name.test(code))
    .map(({ name }) => `${path} uses ${code.match(name)?.[0]}`);
}

/** The source without comments and string literals, exact enough to find names in it. */
function withoutTexts(source: string): string {
  return source.replace(
    /\/\*[^]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g,
    " ",
  );
}

/** The pairs of files that lead to each other through imports, as `<path> <path>`. */
function circlesOf(imports: ReadonlyMap<string, readonly { target: string }[]>): string[] {
  const reached = new Map([...imports.keys()].map((path) => [path, reachedFrom(path, imports)]));
  return [...imports.keys()].flatMap((path) =>
    [...reached.get(path)!]
      .filter((other) => path < other && reached.get(other)?.has(path))
      .map((other) => `${path} ${other}`)
  ).sort();
}

/** All files that an import of `path` loads, directly or through others. */
function reachedFrom(
  path: string,
  imports: ReadonlyMap<string, readonly { target: string }[]>,
): Set<string> {
  const reached = new Set<string>();
  const waiting = [path];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const { target } of imports.get(next) ?? []) {
      if (reached.has(target)) continue;
      reached.add(target);
      waiting.push(target);
    }
  }
  return reached;
}

function lengthProblem(path: string, source: string): string | undefined {
  const lines = source.split("\n").length - 1;
  const max = LINES_KNOWN[path] ?? LINES_MAX;
  return lines > max ? `${path} has ${lines} lines, more than ${max}` : undefined;
}

async function programFiles(): Promise<string[]> {
  const files = (await listFiles("lib")).filter((path) => path.endsWith(".ts"));
  return ["main.ts", ...files.filter((path) => !path.startsWith("lib/std/"))];
}

Deno.test("imports point down: main, server, protocols, hub, broker, core", async () => {
  const files = await programFiles();
  const imports = await readImports(files);
  assertEquals(files.filter((path) => layerOf(path) === undefined || !imports.has(path)), []);
  const problems = files.flatMap((path) =>
    (imports.get(path) ?? []).flatMap((each) => importProblem(path, each) ?? [])
  );
  assertEquals(problems, []);
});

/** How far to the right each layer stands in `a → {b → c, d} → e`: 0, 1, 2, 1 and 3. */
function ranksOf(line: string): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  let rank = 0;
  let first = 0;
  for (const token of line.match(/→|[{},]|[a-z]+/g) ?? []) {
    if (token === "→") rank++;
    else if (token === "{") first = rank;
    else if (token === ",") rank = first;
    else if (token === "}") rank = Math.max(...ranks.values());
    else ranks.set(token, rank);
  }
  return ranks;
}

Deno.test("imports only go to the right in the line of internals.md", async () => {
  const [line = ""] = /^`main → .*`$/m.exec(await readDoc("internals")) ?? [];
  const ranks = ranksOf(line);
  assertEquals([...ranks.keys()].sort(), Object.keys(LAYERS).sort());
  const wrong = Object.entries(LAYERS).flatMap(([from, layers]) =>
    layers.filter((to) => !(ranks.get(from)! < ranks.get(to)!)).map((to) => `${from} → ${to}`)
  );
  assertEquals(wrong, []);
});

Deno.test("no two files of the program import each other, directly or around others", async () => {
  assertEquals(circlesOf(await readImports(await programFiles())), []);
});

Deno.test("no file of the program or its page has more than 300 lines", async () => {
  const scripts = (await listFiles("static")).filter((path) => path.endsWith(".js"));
  const problems: string[] = [];
  for (const path of [...await programFiles(), ...scripts]) {
    const problem = lengthProblem(path, await Deno.readTextFile(`${ROOT}${path}`));
    if (problem !== undefined) problems.push(problem);
  }
  assertEquals(problems, []);
});

Deno.test("only main.ts uses the process, only log.ts the console, core and codecs neither", async () => {
  const problems: string[] = [];
  for (const path of await programFiles()) {
    problems.push(...nameProblems(path, await Deno.readTextFile(`${ROOT}${path}`)));
  }
  assertEquals(problems, []);
});

Deno.test("no package from npm and no URL is imported outside tests/interop", async () => {
  const tests = (await listFiles("tests")).filter((path) =>
    path.endsWith(".ts") && !path.startsWith("tests/interop/")
  );
  const imports = await readImports([...await programFiles(), ...tests]);
  const foreign = [...imports].flatMap(([path, list]) =>
    list.filter(({ specifier, target }) =>
      !/^https:\/\/jsr\.io\/@std\//.test(path) &&
      (/^(npm|https?):/.test(target) || /^(npm|jsr|https?):/.test(specifier))
    ).map(({ specifier }) => `${path} imports ${specifier}`)
  );
  assertEquals(foreign, []);
});

const wrongImports: [path: string, target: string, typeOnly: boolean, problem: string][] = [
  ["lib/core/clock.ts", "lib/hub/hub.ts", true, "which is above"],
  ["lib/protocols/sse/codec.ts", "lib/server.ts", true, "which is above"],
  ["lib/broker/memory.ts", "lib/hub/hub.ts", false, "which is above"],
  ["lib/hub/hub.ts", "lib/http/router.ts", true, "which is above"],
  ["lib/protocols/sse/transport.ts", "lib/api/publish.ts", false, "which is above"],
  ["lib/server.ts", "main.ts", false, "which is above"],
  ["lib/auth/keys.ts", "lib/http/origin.ts", true, "which is above"],
  ["lib/protocols/sse/transport.ts", "lib/observe/log.ts", false, "at run time"],
  ["lib/core/clock.ts", "node:util", false, "is pure"],
  ["lib/protocols/sse/codec.ts", "node:util", false, "is pure"],
  ["lib/elsewhere/a.ts", "lib/core/clock.ts", false, "belongs to no layer"],
  ["lib/http/router.ts", "tests/support/modules.ts", true, "no part of the program"],
  ["lib/server.ts", "npm:ws", false, "no part of the program"],
  ["lib/server.ts", "deno.json", false, "no part of the program"],
  ["lib/server.ts", "static/client.js", false, "no part of the program"],
  ["lib/cli/link.ts", "static/hark.d.ts", false, "no part of the program"],
];

Deno.test("an import that points up, sideways or out is reported", () => {
  for (const [path, target, typeOnly, problem] of wrongImports) {
    const found = importProblem(path, { specifier: target, target, typeOnly }) ?? "nothing";
    assertEquals(found.startsWith(path) && found.includes(problem), true, found);
  }
});

Deno.test("files that import each other are reported, also around others", () => {
  const imports = { a: ["b", "x"], b: ["a", "c"], c: ["d"], d: ["e"], e: ["c"], f: ["a"] };
  const targets = Object.entries(imports).map(([path, list]) =>
    [path, list.map((target) => ({ target }))] as const
  );
  assertEquals(circlesOf(new Map(targets)), ["a b", "c d", "c e", "d e"]);
});

Deno.test("a file that is too long is reported, and one known to be once it grows", () => {
  const [[path, lines] = ["", 0]] = Object.entries(LINES_KNOWN);
  assertEquals(lengthProblem("lib/a.ts", "\n".repeat(300)), undefined);
  assertEquals(
    lengthProblem("lib/a.ts", "\n".repeat(301)),
    "lib/a.ts has 301 lines, more than 300",
  );
  if (path === "") return;
  assertEquals(lengthProblem(path, "\n".repeat(lines)), undefined);
  assertEquals(
    lengthProblem(path, "\n".repeat(lines + 1)),
    `${path} has ${lines + 1} lines, more than ${lines}`,
  );
});

Deno.test("a reserved name is reported in code, and not in text", () => {
  const source = 'const port = Deno.env.get("PORT"); console.log(port);';
  assertEquals(nameProblems("lib/core/clock.ts", source), [
    "lib/core/clock.ts uses Deno.env",
    "lib/core/clock.ts uses console.",
    "lib/core/clock.ts uses Deno",
  ]);
  assertEquals(nameProblems("lib/observe/log.ts", "console.log(1)"), []);
  assertEquals(nameProblems("main.ts", "Deno.exit(1)"), []);
  const texts = '/** A Response. */ const a = "WebSocket"; // Deno\nconst b = `console.`;';
  assertEquals(nameProblems("lib/core/clock.ts", texts), []);
});
