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
  /** Called with the id of a worker that has left `UNANSWERED_MAX` questions unanswered. */
  readonly onSilent: (node: string) => void;
}

/** How often workers are asked: when one dies, what it has counted since then is lost. */
const ASK_INTERVAL_MS = 1000;
/** A worker that takes longer counts with its last answer. */
const ANSWER_TIMEOUT_MS = 1000;
/** Counted rather than timed: nothing is asked while the whole machine is frozen. */
export const UNANSWERED_MAX = 30;

/**
 * The metrics of a parent and of all workers as those of one server. Counters never fall: the last answer of
 * a worker that died stays counted. As the sink of the log it records whether that is up.
 */
export class WorkersMetrics implements Sink {
  readonly #options: WorkersMetricsOptions;
  readonly #timers: readonly Timer[];
  /** The last answer of each worker, by its id. */
  readonly #answers = new Map<string, string>();
  /** How often each watched worker was asked, or had no link, since it last answered. */
  readonly #unanswered = new Map<string, number>();
  /** The counters of all workers that are gone. */
  #gone = "";

  constructor(options: WorkersMetricsOptions) {
    const { clock, own } = this.#options = options;
    own.journalUp.set(1);
    this.#timers = [
      every(clock, ASK_INTERVAL_MS, () => this.#tick()),
      probeLoop(clock, (delayS) => own.eventLoopDelaySeconds.set(delayS)),
    ];
  }

  /** Asks all workers, and merges their answers with the metrics of this process. */
  async render(): Promise<string> {
    await this.#ask();
    const { keeper, own } = this.#options;
    own.feedLagSeconds.set(keeper.lagMs / 1000);
    own.inUse.with("idempotency_keys_max").set(keeper.stats().idempotencyKeys);
    return own.renderWith([...this.#answers.values(), this.#gone]);
  }

  /** A process with this id is ready: from now on it has to answer, also while its link is cut. */
  watch(node: string): void {
    this.#unanswered.set(node, 0);
  }

  /** The process with this id has ended. */
  unwatch(node: string): void {
    this.#unanswered.delete(node);
  }

  /** The link of the worker with this id is gone, and mostly the worker too. */
  left(node: string): void {
    const counted = countersOf(this.#answers.get(node) ?? "");
    this.#answers.delete(node);
    this.#gone = mergeMetrics([this.#gone, counted], {});
  }

  deliver(): void {}

  reset(): void {}

  health(isUp: boolean): void {
    this.#options.own.journalUp.set(isUp ? 1 : 0);
  }

  /** Stops asking. */
  close(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  #tick(): void {
    for (const [node, count] of this.#unanswered) {
      if (count === UNANSWERED_MAX) this.#options.onSilent(node);
      this.#unanswered.set(node, count + 1);
    }
    void this.#ask();
  }

  async #ask(): Promise<void> {
    const { clock, keeper } = this.#options;
    const asked = keeper.ask("metrics", (node, text) => {
      this.#answers.set(node, String(text));
      if (this.#unanswered.has(node)) this.#unanswered.set(node, 0);
    });
    await within(clock, ANSWER_TIMEOUT_MS, asked);
  }
}
