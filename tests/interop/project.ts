/** Front-end projects for tests. */

const STATIC = new URL("../../static/", import.meta.url);
const FILES = ["client.js", "client.d.ts", "hark.d.ts"];

/** A folder with the client's files and these. */
export async function project(files: Record<string, string>): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "hark-frontend-" });
  for (const name of FILES) await Deno.copyFile(new URL(name, STATIC), `${folder}/${name}`);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  return folder;
}

/** Runs a script by Node, and returns what it says. Throws if it fails. */
export async function run(cwd: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("node", { args, cwd }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success) throw new Error(`${args[0]} failed: ${output}`);
  return output;
}
