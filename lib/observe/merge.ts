import { formatNumber } from "./metrics.ts";

/** How to merge the numbers of several processes. */
export type MergeRule = "sum" | "max" | "min" | "first";

const RULES: Readonly<Record<MergeRule, (a: number, b: number) => number>> = {
  sum: (a, b) => toNanos(a + b),
  max: Math.max,
  min: Math.min,
  first: (a) => a,
};

/**
 * Merges the metrics of several processes, each in Prometheus' text format. Numbers of one name with the
 * same labels become one, by the rule that `rules` has for name and labels, or for the name, else summed.
 */
export function mergeMetrics(
  texts: readonly string[],
  rules: Readonly<Record<string, MergeRule>>,
): string {
  const merged = new Map<string, Map<string, number>>();
  for (const text of texts) {
    for (const [head, samples] of blocksOf(text)) {
      const numbers = merged.get(head) ?? new Map<string, number>();
      merged.set(head, numbers);
      const rule = rules[nameOf(head)] ?? "sum";
      for (const [series, value] of samples) {
        const merge = RULES[rules[series] ?? rule];
        const known = numbers.get(series);
        numbers.set(series, known === undefined ? value : merge(known, value));
      }
    }
  }
  return Array.from(merged, ([head, numbers]) => {
    const lines = Array.from(numbers, ([series, value]) => `${series} ${formatNumber(value)}\n`);
    return head + lines.join("");
  }).join("");
}

/** Returns the counters and histograms, which only grow, of a text in Prometheus' format. */
export function countersOf(text: string): string {
  return text.split(/^(?=# HELP )/m).filter((block) =>
    /^# TYPE \w+ (counter|histogram)$/m.test(block)
  )
    .join("");
}

/** Yields the lines with help and type of each metric, and its numbers by name and labels. */
function* blocksOf(text: string): Iterable<[head: string, samples: [string, number][]]> {
  for (const block of text.split(/^(?=# HELP )/m)) {
    const [help = "", type = "", ...lines] = block.split("\n");
    const samples = lines.filter((line) => line !== "").map((line): [string, number] => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), readNumber(line.slice(space + 1))];
    });
    if (type !== "") yield [`${help}\n${type}\n`, samples];
  }
}

function nameOf(head: string): string {
  return head.split(" ")[2]!;
}

function readNumber(text: string): number {
  return toNanos(Number(text.replace("Inf", "Infinity")));
}

/** Rounds to a billionth: then a sum is the same in any order, and no counter falls by a rounding. */
function toNanos(value: number): number {
  return Number.isInteger(value) ? value : Math.round(value * 1e9) / 1e9;
}
