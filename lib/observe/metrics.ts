/**
 * Counts and measures in Prometheus' text format.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format (0.0.4)
 */

/** A metric for its reader. */
export interface MetricDescription {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
}

/** A metric; its name follows from its field in the registry. */
abstract class Metric {
  abstract readonly type: MetricDescription["type"];
  readonly help: string;

  constructor(help: string) {
    this.help = help;
  }

  /** Its lines under this name, without HELP and TYPE. */
  abstract render(name: string): string[];
}

const LABEL_VALUES_MAX = 64;
/** Stands for all values that a label has no room for. */
const OTHER_VALUES = "other";

abstract class Value extends Metric {
  protected number = 0;

  get value(): number {
    return this.number;
  }

  inc(): void {
    this.number++;
  }

  override render(name: string): string[] {
    return [`${name} ${formatNumber(this.number)}`];
  }
}

/** A number that only grows. */
export class Counter extends Value {
  override readonly type = "counter";

  /** @param amount not negative */
  add(amount: number): void {
    this.number += amount;
  }
}

/** A number that goes up and down. */
export class Gauge extends Value {
  override readonly type = "gauge";

  dec(): void {
    this.number--;
  }

  set(value: number): void {
    this.number = value;
  }
}

/** Counts how many values fell into which range. */
export class Histogram extends Metric {
  override readonly type = "histogram";
  readonly #bounds: readonly number[];
  /** One for each bound, and one for the values above them all. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds the upper bound of each bucket, growing */
  constructor(help: string, bounds: readonly number[]) {
    super(help);
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }

  override render(name: string): string[] {
    let count = 0;
    const buckets = [...this.#bounds, Infinity].map((bound, at) => {
      count += this.#counts[at]!;
      return `${name}_bucket{le="${formatNumber(bound)}"} ${count}`;
    });
    return [...buckets, `${name}_sum ${formatNumber(this.#sum)}`, `${name}_count ${count}`];
  }
}

/** One metric for each value of a label. */
export class Labelled<Child extends Counter | Gauge> extends Metric {
  override readonly type: Child["type"];
  readonly #label: string;
  readonly #create: (help: string) => Child;
  readonly #children = new Map<string, Child>();

  /** `create` makes the metric of one value of the label. */
  constructor(
    type: Child["type"],
    help: string,
    label: string,
    create: (help: string) => Child,
  ) {
    super(help);
    this.type = type;
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
    const child = this.#create(this.help);
    this.#children.set(value, child);
    return child;
  }

  override render(name: string): string[] {
    return Array.from(this.#children, ([label, { value }]) => {
      return `${name}{${this.#label}="${escapeLabel(label)}"} ${formatNumber(value)}`;
    }).sort();
  }
}

/** Makes a counter, or one for each value of a label. */
export function counter(help: string): Counter;
export function counter(help: string, label: string): Labelled<Counter>;
export function counter(help: string, label?: string): Counter | Labelled<Counter> {
  if (label === undefined) return new Counter(help);
  return new Labelled("counter", help, label, (help) => new Counter(help));
}

/** Makes a gauge, or one for each value of a label. */
export function gauge(help: string): Gauge;
export function gauge(help: string, label: string): Labelled<Gauge>;
export function gauge(help: string, label?: string): Gauge | Labelled<Gauge> {
  if (label === undefined) return new Gauge(help);
  return new Labelled("gauge", help, label, (help) => new Gauge(help));
}

/**
 * The metrics that are its fields, in their order. Names follow from the fields': `journalUp` is
 * `hark_journal_up`, and a counter's name ends in `_total`.
 */
export abstract class Registry {
  /** The media type of what `render()` returns. */
  readonly contentType: string = "text/plain; version=0.0.4; charset=utf-8";

  /** Lists the metrics under their full names. */
  describe(): MetricDescription[] {
    return this.#metrics().map(([name, { type, help }]) => ({ name, type, help }));
  }

  /** All metrics as text. */
  render(): string {
    const lines = this.#metrics().flatMap(([name, metric]) => [
      `# HELP ${name} ${escapeHelp(metric.help)}`,
      `# TYPE ${name} ${metric.type}`,
      ...metric.render(name),
    ]);
    return lines.map((line) => `${line}\n`).join("");
  }

  #metrics(): [name: string, metric: Metric][] {
    return Object.entries(this).flatMap(([field, value]) =>
      value instanceof Metric ? [[nameOf(field, value), value]] : []
    );
  }
}

function nameOf(field: string, { type }: Metric): string {
  const name = field.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
  return `hark_${name}${type === "counter" ? "_total" : ""}`;
}

/** Formats a number. */
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
