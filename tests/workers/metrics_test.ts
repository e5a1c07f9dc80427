import { assertEquals } from "@std/assert";
import { HarkMetrics } from "../../lib/observe/hark_metrics.ts";
import { UNANSWERED_MAX, WorkersMetrics } from "../../lib/workers/metrics.ts";
import { eventually } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { startWorkers } from "../support/workers.ts";

const ONLY_GROWS = /_(total|bucket|count|sum)(\{|$)/;

function makeMetrics(): HarkMetrics {
  return new HarkMetrics({ version: "1", memory: () => ({ rss: 1, heap: 1 }) });
}

/** Workers that count by hand; one that is frozen does not answer. */
class Workers {
  readonly clock = new FakeClock();
  readonly #workers = new Map<string, HarkMetrics>();
  readonly frozen = new Set<string>();
  lagMs = 0;
  readonly own = makeMetrics();
  readonly silent: string[] = [];
  readonly metrics = new WorkersMetrics({
    clock: this.clock,
    own: this.own,
    keeper: this,
    onSilent: (node) => this.silent.push(node),
  });

  start(node: string): HarkMetrics {
    this.metrics.watch(node);
    const metrics = makeMetrics();
    metrics.journalUp.set(1);
    this.#workers.set(node, metrics);
    return metrics;
  }

  die(node: string): void {
    this.cut(node);
    this.metrics.unwatch(node);
  }

  /** Ends the link of a worker, but not its process. Returns what links it again. */
  cut(node: string): () => void {
    const metrics = this.#workers.get(node)!;
    this.#workers.delete(node);
    this.metrics.left(node);
    return () => void this.#workers.set(node, metrics);
  }

  async pass(seconds: number): Promise<void> {
    for (let count = 0; count < seconds; count++) await this.clock.pass(1000);
  }

  stats() {
    return { channels: 1, publications: 1, bytes: 1, idempotencyKeys: 7 };
  }

  async ask(_: string, onAnswer: (node: string, answer: unknown) => void): Promise<void> {
    for (const [node, metrics] of this.#workers) {
      if (!this.frozen.has(node)) onAnswer(node, metrics.render());
    }
    if (this.frozen.size > 0) await new Promise(() => {});
  }

  async read(): Promise<Map<string, number>> {
    const rendered = this.metrics.render();
    if (this.frozen.size > 0) this.clock.advance(1000);
    const lines = (await rendered).split("\n").filter((line) => !line.startsWith("#"));
    return new Map(lines.map((line) => {
      const [series = "", value] = line.split(/ (?=\S+$)/);
      return [series, Number(value)] as const;
    }));
  }
}

Deno.test("counters of a dead worker stay, and its gauges go", async () => {
  const workers = new Workers();
  const [one, two] = [workers.start("1"), workers.start("2")];
  for (const [each, count] of [[one, 3], [two, 4]] as const) {
    each.publications.add(count);
    each.sessions.with("sse").set(count);
    each.publishSeconds.observe(count);
  }
  const read = async () => {
    const found = await workers.read();
    const names = ["publications_total", 'sessions{transport="sse"}', "publish_seconds_sum"];
    return names.map((name) => found.get(`hark_${name}`));
  };
  assertEquals(await read(), [7, 7, 7]);
  workers.die("1");
  assertEquals(await read(), [7, 4, 7]);
  workers.start("3").publications.add(1);
  workers.die("2");
  workers.die("3");
  assertEquals(await read(), [7, undefined, 7]);
  workers.start("4").publications.add(2);
  workers.clock.advance(1000); // It is asked now and then, also if nobody reads.
  workers.die("4");
  assertEquals(await read(), [9, undefined, 7]);
  workers.metrics.close();
  assertEquals(workers.clock.timers, 0);
});

Deno.test("a frozen worker counts with its last answer", async () => {
  const workers = new Workers();
  const [one, two] = [workers.start("1"), workers.start("2")];
  one.publications.add(1);
  two.publications.add(2);
  assertEquals((await workers.read()).get("hark_publications_total"), 3);
  two.publications.add(10);
  one.publications.add(10);
  workers.frozen.add("2");
  assertEquals((await workers.read()).get("hark_publications_total"), 13);
  workers.metrics.close();
});

Deno.test("a worker that leaves 30 questions unanswered is reported, once", async () => {
  const workers = new Workers();
  for (const node of ["1", "2", "3"]) workers.start(node);
  await workers.pass(1);
  workers.frozen.add("2").add("3");
  await workers.pass(UNANSWERED_MAX - 1);
  workers.frozen.delete("3");
  await workers.pass(1);
  assertEquals(workers.silent, []);
  await workers.pass(1);
  assertEquals(workers.silent, ["2"]);
  await workers.pass(UNANSWERED_MAX);
  assertEquals(workers.silent, ["2"]);
  workers.metrics.close();
});

Deno.test("a worker is watched from when it is ready until its process ends, also without a link", async () => {
  const workers = new Workers();
  for (const node of ["frozen", "cut", "back", "late", "dead"]) workers.start(node);
  workers.frozen.add("frozen").add("back");
  await workers.pass(UNANSWERED_MAX / 2);
  workers.cut("cut");
  workers.cut("back")();
  const link = workers.cut("late");
  workers.die("dead");
  await workers.pass(UNANSWERED_MAX / 2 - 1);
  link();
  await workers.pass(1);
  assertEquals(workers.silent, []);
  await workers.pass(1);
  assertEquals(workers.silent, ["frozen", "back"]);
  await workers.pass(UNANSWERED_MAX);
  assertEquals(workers.silent, ["frozen", "back", "cut"]);
  workers.metrics.close();
});

Deno.test("the state of the log is counted once, by the parent", async () => {
  const workers = new Workers();
  const all = [workers.start("1"), workers.start("2")];
  workers.metrics.health(false);
  workers.lagMs = 1500;
  assertEquals((await workers.read()).get("hark_journal_up"), 0);
  workers.metrics.health(true);
  for (const each of [workers.own, ...all]) {
    each.reconnects.inc();
    each.reloads.inc();
    each.gaps.inc();
    each.appendSeconds.observe(0.5);
    each.inUse.with("idempotency_keys_max").set(5);
    each.inUse.with("connections_max").set(5);
  }
  const found = await workers.read();
  const names = [
    ...["journal_up", "reconnects_total", "reloads_total", "gaps_total", "append_seconds_sum"],
    "feed_lag_seconds",
    ...['in_use{bound="idempotency_keys_max"}', 'in_use{bound="connections_max"}'],
  ];
  assertEquals(names.map((name) => found.get(`hark_${name}`)), [1, 1, 1, 1, 0.5, 1.5, 7, 15]);
  workers.metrics.close();
});

Deno.test("no counter of a server falls when one of its workers is killed and started again", async () => {
  await using server = await startWorkers(3);
  for (let n = 0; n < 30; n++) await server.publish("a", "x");
  let last = await server.metrics();
  assertEquals(last.get("hark_publications_total"), 30);
  const again = async () => {
    // A scrape in the hands of the worker that is killed gets no answer.
    const now = await server.metrics().catch((error) => {
      if (error instanceof TypeError) return last;
      throw error;
    });
    const fallen = [...last].filter(([series, value]) => {
      return ONLY_GROWS.test(series) && !((now.get(series) ?? 0) >= value);
    });
    assertEquals(fallen, []);
    last = now;
    return now;
  };
  for (const pid of server.pids.slice(0, 2)) {
    Deno.kill(pid, "SIGKILL");
    await eventually(again, (metrics) => metrics.get("hark_nodes") === 2);
    await eventually(again, (metrics) => metrics.get("hark_nodes") === 3);
  }
  assertEquals(last.get("hark_publications_total"), 30);
});
