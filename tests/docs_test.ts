import { assert, assertEquals } from "@std/assert";
import { readDoc } from "./support/docs.ts";
import { usage } from "../lib/config/help.ts";
import { OPTION_ROWS } from "../lib/config/options.ts";
import { HarkMetrics } from "../lib/observe/hark_metrics.ts";
import { listFiles, ROOT } from "./support/modules.ts";
import { startServer } from "./support/server.ts";

/** The headings of a page, as a link to one names it. */
function anchorsOf(page: string): string[] {
  const headings = page.replaceAll(/^```.*?^```$/gms, "").matchAll(/^#+ (.+)$/gm);
  return Array.from(
    headings,
    ([, text = ""]) => text.toLowerCase().replaceAll(/[^\w\s-]/g, "").replaceAll(" ", "-"),
  );
}

/** The names of all problems that the code has. */
async function problemNames(): Promise<Set<string>> {
  const files = (await listFiles("lib")).filter((path) => path.endsWith(".ts"));
  const sources = await Promise.all(files.map((path) => Deno.readTextFile(`${ROOT}${path}`)));
  const calls = /(?:\bproblem\(\s*\d+,|\bnew Refusal\()\s*"([a-z-]+)"/g;
  return new Set(
    sources.flatMap((source) => Array.from(source.matchAll(calls), ([, name]) => name!)),
  );
}

Deno.test("errors.md has a part for every problem, and no other", async () => {
  const [title, ...parts] = anchorsOf(await readDoc("errors"));
  assertEquals(title, "errors");
  assertEquals(parts.toSorted(), [...await problemNames()].sort());
});

Deno.test("a problem's help is a page of the server", async () => {
  await using server = await startServer();
  for (const path of ["/nothing", "/sessions?limit=0", "/ws"]) {
    const { help } = JSON.parse((await server.fetch(path)).body);
    const { status, body } = await server.fetch(help);
    assertEquals(status, 200, help);
    assert(anchorsOf(body).includes(help.split("#")[1]), help);
  }
});

Deno.test("every link of README and of the pages leads to a file and a heading that are there", async () => {
  const pages = (await listFiles("static/docs")).filter((path) => path.endsWith(".md"));
  const broken: string[] = [];
  for (const path of ["README.md", ...pages]) {
    const text = await Deno.readTextFile(ROOT + path);
    for (const [, link = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const { pathname, hash } = new URL(link, `file:///${path}`);
      const target = await Deno.readTextFile(ROOT + pathname).catch(() => undefined);
      const isThere = target !== undefined &&
        (hash === "" || anchorsOf(target).includes(hash.slice(1)));
      if (!isThere) broken.push(`${path}: ${link}`);
    }
  }
  assertEquals(broken, []);
});

Deno.test("the list of pages has each, in README too", async () => {
  const names = (await listFiles("static/docs")).map((path) => path.split("/").at(-1)!);
  const isPage = (name: string) => name.endsWith(".md") && name !== "README.md";
  for (const [list, folder] of [["README.md", "static/docs/"], ["static/docs/README.md", ""]]) {
    const text = await Deno.readTextFile(ROOT + list);
    const missing = names.filter(isPage).filter((name) => !text.includes(`](${folder}${name})`));
    assertEquals(missing, [], list);
  }
});

Deno.test("dashboard and alert rules ask for metrics that there are", async () => {
  const metrics = new HarkMetrics({ version: "", memory: () => ({ rss: 0, heap: 0 }) });
  const known = new Set(metrics.describe().map(({ name }) => name));
  for (const [name, min] of [["grafana.json", 15], ["alerts.yaml", 5]] as const) {
    const text = await Deno.readTextFile(`${ROOT}static/docs/${name}`);
    const asked = new Set(
      text.match(/\bhark_[a-z_]+/g)?.map((name) => name.replace(/_bucket$/, "")),
    );
    assert(asked.size >= min, name);
    assertEquals([...asked].filter((metric) => !known.has(metric)), [], name);
  }
});

Deno.test("operate.md says what to do at each alert", async () => {
  const rules = await Deno.readTextFile(`${ROOT}static/docs/alerts.yaml`);
  const names = Array.from(rules.matchAll(/- alert: (\w+)/g), ([, name]) => name);
  const rows = (await readDoc("operate")).matchAll(/^\| `(Hark\w+)`/gm);
  assertEquals(Array.from(rows, ([, name]) => name).sort(), names.sort());
});

Deno.test("internals.md names every folder and file of lib/, and no file that is not there", async () => {
  const page = await readDoc("internals");
  const files = await listFiles("lib");
  const parts = new Set(files.map((path) => path.replace(/^(lib\/[^/]+)\/.*/, "$1/")));
  assertEquals([...parts].filter((part) => !page.includes(`\`${part}\``)), []);
  const named = Array.from(page.matchAll(/`((?:[a-z_]+\/)*[a-z_]+\.ts)`/g), ([, path]) => path!);
  const known = [...files, ...await listFiles("tests"), "main.ts"];
  assertEquals(named.filter((path) => !known.some((each) => `/${each}`.endsWith(`/${path}`))), []);
});

Deno.test("README.md has at most 180 lines", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  assert(readme.split("\n").length <= 181);
});

/** Flags of other programs, and of Hark's commands, that the pages name. */
const OTHER_FLAGS = /^--(allow-[a-z]+|quiet|ca|seed|seconds|http2|all|help|json|url|key)$/;

Deno.test("every option that the pages name is one", async () => {
  const flags = new Set(OPTION_ROWS.map(([key]) => usage(key).split(" ")[0]));
  const pages = (await listFiles("static/docs")).filter((path) => path.endsWith(".md"));
  for (const path of ["README.md", ...pages]) {
    const text = (await Deno.readTextFile(ROOT + path)).replaceAll(/^```.*?^```$/gms, "");
    const named = Array.from(text.matchAll(/`(--[a-z0-9-]+)/g), ([, flag = ""]) => flag);
    const unknown = named.filter((flag) => !flags.has(flag) && !OTHER_FLAGS.test(flag));
    assertEquals(unknown, [], path);
  }
});
