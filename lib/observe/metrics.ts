/**
 * Counts and measures in Prometheus' text format.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format (0.0.4)
 */

/** What a metric is, for its reader. */
export interface MetricDescription {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
}

interface Metric extends MetricDescription {
  /** Its lines, without HELP and TYPE. */
  readonly render: (name: string) => string[];
}

const LABEL_VALUES_MAX = 64;
/** The label value that stands for all that a label has no room for. */
const OTHER_VALUES = "other";

/** A number that only grows. */
export class Counter {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  inc(): void {
    this.#value++;
  }

  /** @param amount not negative */
  add(amount: number): void {
    this.#value += amount;
  }
}

/** A number that comes and goes. */
export class Gauge {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  inc(): void {
    this.#value++;
  }

  dec(): void {
    this.#value--;
  }

  set(value: number): void {
    this.#value = value;
  }
}

/** How often values fell into which range. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** One for each bound, and one for what is above them all. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds the upper bound of each bucket, growing */
  constructor(bounds: readonly number[]) {
    if (!bounds.every((bound, at) => at === 0 || bound > bounds[at - 1]!)) {
      throw new RangeError(`Cannot make a histogram: expected growing bounds, got ${bounds}`);
    }
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }

  /** Its lines, under this name. */
  render(name: string): string[] {
    let count = 0;
    const buckets = [...this.#bounds, Infinity].map((bound, at) => {
      count += this.#counts[at]!;
      return `${name}_bucket{le="${formatNumber(bound)}"} ${count}`;
    });
    return [...buckets, `${name}_sum ${formatNumber(this.#sum)}`, `${name}_count ${count}`];
  }
}

/** One metric for each value of a label. */
export class Labelled<Child extends Counter | Gauge> {
  readonly #label: string;
  readonly #create: () => Child;
  readonly #children = new Map<string, Child>();

  constructor(label: string, create: () => Child) {
    this.#label = label;
    this.#create = create;
  }

  /**
   * The metric of one label value, always the same object: keep it where it is used often. Past 64
   * values, all new ones share the metric of the value `other`.
   */
  with(value: string): Child {
    const known = this.#children.get(value);
    if (known) return known;
    if (this.#children.size >= LABEL_VALUES_MAX && value !== OTHER_VALUES) {
      return this.with(OTHER_VALUES);
    }
    const child = this.#create();
    this.#children.set(value, child);
    return child;
  }

  /** Its lines, under this name. */
  render(name: string): string[] {
    const values = [...this.#children].map(([value, child]) => [value, child.value] as const);
    return renderLabelled(name, this.#label, values);
  }
}

/** The metrics of one server, in the order in which they were made. */
export class Registry {
  /** The media type of what `render()` returns. */
  static readonly contentType = "text/plain; version=0.0.4; charset=utf-8";

  readonly contentType = Registry.contentType;
  readonly #metrics = new Map<string, Metric>();

  /** Makes a counter, or one for each value of a label. The name gets `hark_` before it. */
  counter(name: string, help: string): Counter;
  counter(name: string, help: string, label: string): Labelled<Counter>;
  counter(name: string, help: string, label?: string): Counter | Labelled<Counter> {
    if (!name.endsWith("_total")) {
      throw new TypeError(`Cannot make counter ${name}: expected a name that ends in _total`);
    }
    const counter = label === undefined ? new Counter() : new Labelled(label, () => new Counter());
    this.#add({ name, type: "counter", help, render: renderer(counter) });
    return counter;
  }

  /** Makes a gauge, or one for each value of a label. The name gets `hark_` before it. */
  gauge(name: string, help: string): Gauge;
  gauge(name: string, help: string, label: string): Labelled<Gauge>;
  gauge(name: string, help: string, label?: string): Gauge | Labelled<Gauge> {
    const gauge = label === undefined ? new Gauge() : new Labelled(label, () => new Gauge());
    this.#add({ name, type: "gauge", help, render: renderer(gauge) });
    return gauge;
  }

  /** Makes a gauge that is measured whenever it is read: a number for each value of a label. */
  measured(
    name: string,
    help: string,
    label: string,
    measure: () => Readonly<Record<string, number>>,
  ): void {
    const render = (name: string) => renderLabelled(name, label, Object.entries(measure()));
    this.#add({ name, type: "gauge", help, render });
  }

  /** Makes a histogram. The name gets `hark_` before it. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const histogram = new Histogram(bounds);
    this.#add({ name, type: "histogram", help, render: (name) => histogram.render(name) });
    return histogram;
  }

  /** What metrics there are, under their full names. */
  describe(): MetricDescription[] {
    return [...this.#metrics.values()].map(({ name, type, help }) => ({ name, type, help }));
  }

  /** All metrics as text. */
  render(): string {
    const lines = [...this.#metrics.values()].flatMap(({ name, type, help, render }) => [
      `# HELP ${name} ${escapeHelp(help)}`,
      `# TYPE ${name} ${type}`,
      ...render(name),
    ]);
    return lines.map((line) => `${line}\n`).join("");
  }

  #add(metric: Metric): void {
    const name = `hark_${metric.name}`;
    if (!/^[a-z][a-z0-9_]*$/.test(metric.name)) {
      throw new TypeError(
        `Cannot make a metric: expected a name in snake_case, got ${metric.name}`,
      );
    }
    if (this.#metrics.has(name)) {
      throw new TypeError(`Cannot make metric ${name}: there is one of this name`);
    }
    this.#metrics.set(name, { ...metric, name });
  }
}

function renderer(metric: Counter | Gauge | Labelled<Counter | Gauge>): Metric["render"] {
  if (metric instanceof Labelled) return (name) => metric.render(name);
  return (name) => [`${name} ${formatNumber(metric.value)}`];
}

function renderLabelled(
  name: string,
  label: string,
  values: readonly (readonly [string, number])[],
): string[] {
  return values
    .map(([value, number]) => `${name}{${label}="${escapeLabel(value)}"} ${formatNumber(number)}`)
    .sort();
}

/** A number as the format has it. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return String(value).replace("Infinity", value > 0 ? "+Inf" : "Inf");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
