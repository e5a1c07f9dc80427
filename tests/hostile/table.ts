/** Carries out every attack and prints what it did as a Markdown table: `deno task abuse`. */
import { print } from "../../lib/observe/log.ts";
import { carryOut, mib, type Outcome } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";

const COLUMNS: readonly (readonly [string, (outcome: Outcome) => string])[] = [
  ["attack", ({ name }) => name],
  ["before, MiB", ({ before }) => mib(before)],
  ["peak, MiB", ({ peak }) => mib(peak)],
  ["after, MiB", ({ after }) => mib(after)],
  ["recovery, ms", ({ recoveryMs }) => recoveryMs.toFixed(0)],
  ["slowest delivery to others, ms", ({ deliveryMs }) => deliveryMs.toFixed(0)],
];

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

const wanted = Deno.args.join(" ");
print(row(COLUMNS.map(([name]) => name)));
print(row(COLUMNS.map((_, at) => at === 0 ? "---" : "--:")));
for (const attack of ATTACKS.filter(({ name }) => name.includes(wanted))) {
  const outcome = await carryOut(attack);
  print(row(COLUMNS.map(([, cell]) => cell(outcome))));
}
