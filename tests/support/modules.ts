import { assertEquals } from "@std/assert";
import { fromFileUrl, relative } from "@std/path";

/** The repository's folder. */
export const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** One import of a module. */
export interface Import {
  /** As it is written: `../core/channel.ts`, `@std/path`. */
  readonly specifier: string;
  /** A file's path in the repository, or the URL of what is no file of it. */
  readonly target: string;
  /** Whether it is gone once the types are. */
  readonly typeOnly: boolean;
}

interface InfoModule {
  readonly specifier: string;
  readonly error?: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

/** The imports of `paths` and of all they lead to, by path in the repository. */
export async function readImports(paths: readonly string[]): Promise<Map<string, Import[]>> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const imports = paths.map((path) => `import ${JSON.stringify(urlOf(path))};\n`);
    await Deno.writeTextFile(entry, imports.join(""));
    const modules = (await denoInfo(entry)).filter(({ specifier }) => !specifier.endsWith(entry));
    assertEquals(modules.filter(({ error }) => error !== undefined), []);
    return new Map(modules.map((module) => [placeOf(module.specifier), importsOf(module)]));
  } finally {
    await Deno.remove(entry);
  }
}

/** The paths of all files of a folder of the repository, sorted; none if there is no such folder. */
export async function listFiles(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const { name, isDirectory } of await entriesOf(`${ROOT}${folder}`)) {
    if (isDirectory) paths.push(...await listFiles(`${folder}/${name}`));
    else paths.push(`${folder}/${name}`);
  }
  return paths.sort();
}

async function entriesOf(folder: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function denoInfo(entry: string): Promise<readonly InfoModule[]> {
  const args = ["info", "--json", "--config", `${ROOT}deno.json`, entry];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT })
    .output();
  assertEquals(success, true, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

function importsOf({ dependencies = [] }: InfoModule): Import[] {
  return dependencies.map(({ specifier, code, type }) => ({
    specifier,
    target: placeOf(code?.specifier ?? type?.specifier ?? specifier),
    typeOnly: code === undefined,
  }));
}

function urlOf(path: string): string {
  return new URL(path, new URL("../../", import.meta.url)).href;
}

function placeOf(url: string): string {
  return url.startsWith("file:") ? relative(ROOT, fromFileUrl(url)) : url;
}
