import { assertEquals } from "@std/assert";
import { HarkMetrics } from "../../lib/observe/hark_metrics.ts";
import { countersOf, mergeMetrics } from "../../lib/observe/merge.ts";

Deno.test("numbers of one name and the same labels become one, by the rule of their metric", () => {
  const text = (...lines: string[]) => lines.map((line) => `${line}\n`).join("");
  const one = text(
    ...["# HELP a_total A.", "# TYPE a_total counter", 'a_total{r="x y"} 1', 'a_total{r="z"} 5'],
    ...["# HELP g G.", "# TYPE g gauge", "g 3"],
    ...["# HELP m M.", "# TYPE m gauge", "m 3"],
    ...["# HELP n N.", "# TYPE n gauge", "n 1"],
    ...["# HELP h H.", "# TYPE h histogram", 'h_bucket{le="1"} 1', 'h_bucket{le="+Inf"} 2'],
    ...["h_sum 2.5", "h_count 2"],
  );
  const other = text(
    ...["# HELP a_total A.", "# TYPE a_total counter", 'a_total{r="new"} 7', 'a_total{r="x y"} 2'],
    ...["# HELP g G.", "# TYPE g gauge", "g 4"],
    ...["# HELP m M.", "# TYPE m gauge", "m 4"],
    ...["# HELP n N.", "# TYPE n gauge", "n 0"],
    ...["# HELP h H.", "# TYPE h histogram", 'h_bucket{le="1"} 0', 'h_bucket{le="+Inf"} 1'],
    ...["h_sum +Inf", "h_count 1"],
  );
  assertEquals(
    mergeMetrics([one, other], { m: "max", n: "min" }),
    text(
      ...["# HELP a_total A.", "# TYPE a_total counter", 'a_total{r="x y"} 3', 'a_total{r="z"} 5'],
      ...['a_total{r="new"} 7', "# HELP g G.", "# TYPE g gauge", "g 7"],
      ...["# HELP m M.", "# TYPE m gauge", "m 4"],
      ...["# HELP n N.", "# TYPE n gauge", "n 0"],
      ...["# HELP h H.", "# TYPE h histogram", 'h_bucket{le="1"} 1', 'h_bucket{le="+Inf"} 3'],
      ...["h_sum +Inf", "h_count 3"],
    ),
  );
});

Deno.test("the metrics of a single process stay as they are", () => {
  const metrics = new HarkMetrics({ version: '1 "x"\\\n', memory: () => ({ rss: 1, heap: 2 }) });
  metrics.rejected.with("a b# HELP c").inc();
  metrics.publishSeconds.observe(0.3);
  metrics.eventLoopDelaySeconds.set(-Infinity);
  const text = metrics.render();
  assertEquals(mergeMetrics([text], {}), text);
});

Deno.test("two servers' metrics are one server's", () => {
  const [one, other] = [1, 2].map((count) => {
    const metrics = new HarkMetrics({ version: "1", memory: () => ({ rss: 10, heap: 5 }) });
    metrics.sessions.with("sse").set(count);
    metrics.publications.add(count);
    metrics.historyPublications.set(7);
    metrics.journalUp.set(count - 1);
    return metrics;
  });
  const lines = one!.renderWith([other!.render()]).split("\n");
  const expected = [
    'hark_sessions{transport="sse"} 3',
    "hark_publications_total 3",
    "hark_history_publications 7",
    "hark_journal_up 0",
    'hark_build_info{version="1"} 1',
    'hark_process_memory_bytes{kind="rss"} 20',
  ];
  assertEquals(expected.filter((line) => !lines.includes(line)), []);
  assertEquals(one!.renderWith([]), one!.render());
});

Deno.test("a rule may be that of some labels alone, or that the first number counts", () => {
  const text = (a: number, b: number, c: number) =>
    `# HELP g G.\n# TYPE g gauge\ng{l="a"} ${a}\ng{l="b"} ${b}\n` +
    `# HELP c_total C.\n# TYPE c_total counter\nc_total ${c}\n`;
  const rules = { 'g{l="b"}': "max", c_total: "first" } as const;
  assertEquals(mergeMetrics([text(1, 2, 3), text(10, 20, 30)], rules), text(11, 20, 3));
});

Deno.test("countersOf() keeps counters and histograms alone", () => {
  const metrics = new HarkMetrics({ version: "1", memory: () => ({ rss: 1, heap: 2 }) });
  metrics.sessions.with("sse").set(1);
  metrics.publications.add(2);
  const names = Array.from(
    countersOf(metrics.render()).matchAll(/^# TYPE (\S+)/gm),
    ([, name]) => name,
  );
  const grown = metrics.describe().filter(({ type }) => type !== "gauge").map(({ name }) => name);
  assertEquals(names, grown);
  assertEquals(countersOf(""), "");
});

Deno.test("a sum is the same in any order, and whole numbers stay exact", () => {
  const text = (value: number) => `# HELP s S.\n# TYPE s counter\ns ${value}\n`;
  const sum = (...values: number[]) => mergeMetrics(values.map(text), {});
  assertEquals(sum(0.1, 0.2, 0.3), sum(0.3, 0.2, 0.1));
  assertEquals(sum(0.0015125239999983933, 0.1), text(0.101512524));
  assertEquals(sum(2 ** 53 - 3, 2), text(2 ** 53 - 1));
});
