import { DRILLS } from "./drills.ts";
import { WORKERS_DRILLS } from "./workers.ts";

// Runs drills in full and prints what they came to: deno task drill [--short] [NAME...]

const size = Deno.args.includes("--short") ? "short" : "full";
const names = Deno.args.filter((arg) => arg !== "--short");
const all = [...DRILLS, ...WORKERS_DRILLS];
const unknown = names.filter((name) => !all.some((drill) => drill.name === name));
if (unknown.length > 0) {
  throw new Error(`No drill ${unknown.join(", ")}: there are ${all.map(({ name }) => name)}`);
}
for (const { name, what, isMissing, run } of all) {
  if (isMissing) throw new Error(`${name} needs a program that is not installed`);
  if (names.length > 0 && !names.includes(name)) continue;
  const figures = Object.entries(await run(size)).map(([name, value]) => `${name} ${value}`);
  // deno-lint-ignore no-console -- this is what it is for
  console.log(`${name} (${what}): ${figures.join(", ")}`);
}
