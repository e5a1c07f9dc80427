import { exists } from "../support/files.ts";

/** Tools from the npm registry that tests need and users do not. */

/** The packages, pinned. */
const PACKAGES = [
  "axe-core@4.10.3",
  "react@19.2.0",
  "react-dom@19.2.0",
  "typescript@5.9.3",
  "vite@7.1.12",
  "vue@3.5.22",
];

let installed: Promise<string> | undefined;

/** The folder of the packages, which are installed if no test before has done that. */
export async function toolsFolder(): Promise<string> {
  installed ??= install();
  return `${await installed}/node_modules`;
}

async function install(): Promise<string> {
  const folder = `${Deno.env.get("TMPDIR") ?? "/tmp"}/hark-tools-${PACKAGES.join("+")}`;
  if (await exists(folder)) return folder;
  const fresh = await Deno.makeTempDir({ prefix: "hark-tools-" });
  const args = ["install", "--prefix", fresh, "--no-audit", "--no-fund", ...PACKAGES];
  const { success, stderr } = await new Deno.Command("npm", { args, cwd: fresh }).output();
  if (!success) throw new Error(`npm failed: ${new TextDecoder().decode(stderr)}`);
  await Deno.rename(fresh, folder);
  return folder;
}
