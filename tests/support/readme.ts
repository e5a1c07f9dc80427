import { type Disconnect, DISCONNECTS } from "../../lib/core/errors.ts";
import { optionsTable } from "../../lib/help.ts";
import { HarkMetrics } from "../../lib/metrics.ts";

/** The parts of README.md that are made of the code, by the name in their `<!-- name -->` marks. */
export function readmeParts(): ReadonlyMap<string, string> {
  return new Map([
    ["options", optionsTable()],
    ["codes", codesTable()],
    ["metrics", metricsTable()],
  ]);
}

/** The text between `<!-- name -->` and `<!-- /name -->`; undefined if there are no such marks. */
export function partOf(readme: string, name: string): string | undefined {
  return between(name).exec(readme)?.[2];
}

/** The text with that part replaced. */
export function withPart(readme: string, name: string, part: string): string {
  return readme.replace(between(name), (_, start, _old, end) => start + part + end);
}

function between(name: string): RegExp {
  return new RegExp(`(<!-- ${name} -->\n\n)(.*?)(\n\n<!-- /${name} -->)`, "s");
}

function codesTable(): string {
  const rows = Object.values(DISCONNECTS).map((disconnect: Disconnect) => [
    String(disconnect.code),
    disconnect.reason,
    disconnect.code < 4500 ? "yes" : "no",
  ]);
  return markdownTable([["Code", "Reason", "Come back?"], ...rows]);
}

function metricsTable(): string {
  const metrics = new HarkMetrics({ version: "", memory: () => ({ rss: 0, heap: 0 }) });
  const rows = metrics.describe().map(({ name, type, help }) => [`\`${name}\``, type, help]);
  return markdownTable([["Metric", "Type", "Meaning"], ...rows]);
}

function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)));
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
