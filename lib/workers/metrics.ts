import type { Sink } from "../broker/broker.ts";
import type { LogKeeper } from "../broker/link/keeper.ts";
import { type Clock, every, type Timer, within } from "../core/clock.ts";
import type { HarkMetrics } from "../observe/hark_metrics.ts";
import { probeLoop } from "../observe/process.ts";
import { countersOf, mergeMetrics } from "../observe/merge.ts";

/** What merging the metrics of workers needs. */
export interface WorkersMetricsOptions {
  readonly clock: Clock;
  /** Those of the parent. */
  readonly own: HarkMetrics;
  readonly keeper: Pick<LogKeeper, "ask" | "stats" | "lagMs">;
}

/** How often workers are asked: what one has counted since then dies with it. */
const ASK_INTERVAL_MS = 1000;
/** A worker that takes longer to answer counts with what it said last. */
const ANSWER_TIMEOUT_MS = 1000;

/**
 * The metrics of a parent and of all workers as those of one server. Counters never fall: what a worker
 * has said before it died stays counted. Takes note, as the log's sink, of what becomes of the log.
 */
export class WorkersMetrics implements Sink {
  readonly #options: WorkersMetricsOptions;
  readonly #own: HarkMetrics;
  readonly #timers: readonly Timer[];
  /** What each worker said last, by its id. */
  readonly #said = new Map<string, string>();
  /** What all that are gone had counted. */
  #gone = "";

  constructor(options: WorkersMetricsOptions) {
    const { clock, own } = this.#options = options;
    this.#own = own;
    own.journalUp.set(1);
    this.#timers = [
      every(clock, ASK_INTERVAL_MS, () => void this.#ask()),
      probeLoop(clock, (delayS) => own.eventLoopDelaySeconds.set(delayS)),
    ];
  }

  /** Asks all workers, and makes one text of what they and this process say. */
  async render(): Promise<string> {
    await this.#ask();
    const { keeper } = this.#options;
    this.#own.feedLagSeconds.set(keeper.lagMs / 1000);
    this.#own.inUse.with("idempotency_keys_max").set(keeper.stats().idempotencyKeys);
    return this.#own.renderWith([...this.#said.values(), this.#gone]);
  }

  /** The worker of this id is gone. */
  left(node: string): void {
    const counted = countersOf(this.#said.get(node) ?? "");
    this.#said.delete(node);
    this.#gone = mergeMetrics([this.#gone, counted], {});
  }

  deliver(): void {}

  reset(): void {}

  health(isUp: boolean): void {
    this.#own.journalUp.set(isUp ? 1 : 0);
  }

  /** Asks nobody any more. */
  close(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  async #ask(): Promise<void> {
    const { clock, keeper } = this.#options;
    const asked = keeper.ask("metrics", (node, text) => this.#said.set(node, String(text)));
    await within(clock, ANSWER_TIMEOUT_MS, asked);
  }
}
