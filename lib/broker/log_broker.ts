import { ExponentialBackoff, jittered } from "../core/backoff.ts";
import { type Clock, every, type Timer } from "../core/clock.ts";
import { Refusal } from "../core/errors.ts";
import type { Position, Publication } from "../core/publication.ts";
import { Arrivals } from "./arrivals.ts";
import type {
  Batch,
  Broker,
  BrokerStats,
  ChannelInfo,
  HistoryPage,
  HistoryQuery,
  Receipt,
  Sink,
} from "./broker.ts";
import { type BrokerMetrics, Health } from "./health.ts";
import type { HistoryLimits, OnEvict } from "./history/history.ts";
import { Idempotency, type IdempotencyOptions } from "./idempotency.ts";
import {
  type Entry,
  type Feed,
  isGap,
  type Journal,
  type Kept,
  NOTHING_KEPT,
  unavailable,
} from "./journal.ts";
import { agesMs, Replica } from "./replica.ts";

/** What a broker needs, and its bounds. */
export interface BrokerOptions extends HistoryLimits, Omit<IdempotencyOptions, "onForget"> {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly metrics?: BrokerMetrics;
  /** Gets what the feed brings, right after this broker, and that it is lost. */
  readonly tap?: Feed;
}

const EXPIRE_INTERVAL_MS = 1000;
/** How long the feed may take to bring a batch that is kept. */
export const APPLY_TIMEOUT_MS = 10_000;
/** Pauses between attempts to open a journal that is away. */
const REOPEN_MIN_MS = 50;
const REOPEN_MAX_MS = 2000;

/**
 * Follows the feed of a journal: keeps each publication in its own history, and only then delivers it. So
 * memory answers reads, even while the journal is away. The broker ignores what the feed repeats. What the
 * feed leaves out, and what came while it was lost, is read from the journal. If the journal no longer has
 * all of it, this node takes over what is kept, and its sink gets a reset.
 */
export class LogBroker implements Broker {
  readonly #options: BrokerOptions;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #keys: Idempotency<Receipt>;
  readonly #arrivals: Arrivals;
  readonly #health: Health;
  #replica: Replica;
  #sink: Sink = { deliver() {}, reset() {}, health() {} };
  /** The feed that is followed; undefined while it is lost. */
  #feed: Feed | undefined;
  #expiry: Timer | undefined;
  #reopening: Timer | undefined;
  readonly #backoff = new ExponentialBackoff(REOPEN_MIN_MS, REOPEN_MAX_MS);
  /** Why nothing can be published; undefined if it can. */
  #obstacle: string | undefined = "it has not started";
  #isClosed = false;

  constructor(options: BrokerOptions) {
    const { clock, journal } = this.#options = options;
    this.#clock = clock;
    this.#journal = journal;
    this.#keys = new Idempotency({
      ...options,
      onForget: (request) => journal.forgotten?.(request),
    });
    this.#arrivals = new Arrivals(clock);
    this.#health = new Health(
      clock,
      (isUp, why) => this.#sink.health(isUp, why),
      () => options.metrics?.reconnects.inc(),
    );
    this.#replica = this.#replicaOf(NOTHING_KEPT);
  }

  get position(): Position {
    return this.#replica.position;
  }

  get isUp(): boolean {
    return this.#health.isUp;
  }

  async start(sink: Sink): Promise<Position> {
    this.#sink = sink;
    const kept = await this.#journal.open();
    if (this.#isClosed) return this.position;
    this.#takeOver(kept);
    this.#expiry = every(this.#clock, EXPIRE_INTERVAL_MS, () => this.#expire());
    return this.position;
  }

  async publish(batch: Batch, admit: () => void = () => {}): Promise<Receipt> {
    const { once } = batch;
    // A key stands for what is kept, even if the feed does not bring it in time.
    const receipt = once === undefined
      ? await this.#append(batch, admit)
      : await this.#keys.once(once, () => this.#append(batch, admit));
    if (!this.#hasApplied(receipt)) await this.#applied(receipt);
    return receipt;
  }

  history(query: HistoryQuery): Promise<HistoryPage> {
    return Promise.resolve(this.#replica.read(query, this.#clock.monotonic()));
  }

  channels(after: string, limit: number): Promise<readonly ChannelInfo[]> {
    const { history } = this.#replica;
    return Promise.resolve(history.channels(after, limit, this.#clock.monotonic()));
  }

  /** All that is kept, for a process that follows this one; undefined while the feed is lost. */
  kept(): Kept | undefined {
    if (this.#feed === undefined) return undefined;
    this.#replica.history.expire(this.#clock.monotonic());
    return this.#replica.kept();
  }

  reached({ epoch, offset }: Position, timeoutMs: number): Promise<boolean> {
    if (epoch !== this.#replica.epoch || this.#isClosed) return Promise.resolve(false);
    if (offset <= this.#replica.offset) return Promise.resolve(true);
    return this.#arrivals.wait(offset, timeoutMs);
  }

  stats(): BrokerStats {
    return { ...this.#replica.history.stats, idempotencyKeys: this.#keys.size };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#obstacle = "the server is stopping";
    this.#expiry?.cancel();
    this.#reopening?.cancel();
    this.#health.close();
    await this.#journal.close();
    this.#feed = undefined;
    this.#arrivals.giveUp();
  }

  async #append(batch: Batch, admit: () => void): Promise<Receipt> {
    admit();
    if (this.#obstacle !== undefined) throw unavailable(this.#obstacle);
    const { quota } = this.#replica;
    const added = quota.take(batch);
    const startedAt = this.#clock.monotonic();
    try {
      const receipt = await this.#journal.append({ ...batch, beganBy: quota.beganBy(batch) });
      const seconds = (this.#clock.monotonic() - startedAt) / 1000;
      this.#options.metrics?.appendSeconds.observe(seconds);
      if (this.#obstacle === undefined) this.#health.kept();
      return receipt;
    } catch (error) {
      const isAway = error instanceof Refusal && error.type === "unavailable";
      if (isAway) this.#health.refused(error.message);
      throw error;
    } finally {
      quota.release(added);
    }
  }

  /** Reports whether a batch is delivered here. */
  #hasApplied({ epoch, offset, count }: Receipt): boolean {
    return epoch === this.#replica.epoch && offset + count - 1 <= this.#replica.offset;
  }

  /** Waits until a batch is delivered here. */
  async #applied({ epoch, offset, count }: Receipt): Promise<void> {
    const last = offset + count - 1;
    const isOurs = epoch === this.#replica.epoch;
    // Not by reached(): while the broker closes, the feed still brings what was accepted before.
    if (isOurs && await this.#arrivals.wait(last, APPLY_TIMEOUT_MS)) return;
    throw unavailable("it is kept, but did not come back in time");
  }

  #receive(entries: readonly Entry[]): void {
    const now = this.#clock.monotonic();
    let applied: Publication[] = [];
    for (const entry of entries) {
      const fit = this.#replica.fit(entry);
      if (fit === "known") continue;
      if (fit === "missing") {
        this.#deliver(applied);
        return this.#lost(`the feed left out what comes after ${this.#replica.offset}`);
      }
      if (isGap(entry)) {
        this.#deliver(applied);
        applied = [];
        this.#replica.skip(entry, now);
        this.#options.metrics?.gaps.inc();
        if (entry.seen !== undefined) this.#reset();
        else this.#arrivals.arrived(this.#replica.offset);
      } else {
        this.#replica.append(entry, now);
        applied.push(entry.publication);
      }
    }
    this.#deliver(applied);
  }

  /** History has all of them before the first is delivered: a read in between misses none. */
  #deliver(publications: readonly Publication[]): void {
    for (const publication of publications) this.#sink.deliver(publication);
    this.#arrivals.arrived(this.#replica.offset);
  }

  #reset(): void {
    this.#sink.reset(this.#replica.position);
    this.#arrivals.arrived(this.#replica.offset);
  }

  #fed(isFed: boolean, why: string): void {
    this.#health.fed(isFed, why);
    this.#options.tap?.onHealth(isFed, why);
  }

  #lost(why: string): void {
    this.#feed = undefined;
    this.#options.tap?.onLost(why);
    if (this.#isClosed) return;
    this.#obstacle = why;
    this.#health.fed(false, why);
    this.#backoff.reset();
    this.#reopen();
  }

  async #reopen(): Promise<void> {
    let kept: Kept;
    try {
      kept = await this.#journal.open();
    } catch (error) {
      if (this.#isClosed) return;
      this.#health.fed(false, String(error));
      const pauseMs = jittered(this.#backoff.next());
      this.#reopening = this.#clock.after(pauseMs, () => this.#reopen());
      return;
    }
    if (this.#isClosed) return;
    const missing = this.#replica.missing(kept);
    if (missing === undefined) {
      this.#options.metrics?.reloads.inc();
      return this.#takeOver(kept);
    }
    this.#receive(missing);
    this.#follow();
  }

  /** Replaces all that is known of the log by what the journal keeps. */
  #takeOver(kept: Kept): void {
    const isOther = kept.position.epoch !== this.#replica.epoch;
    this.#replica = this.#replicaOf(kept);
    const ages = agesMs(kept.keys.map(({ receipt }) => receipt.time), this.#clock.now());
    kept.keys.forEach(({ request, receipt }, index) => {
      this.#keys.restore(request, receipt, ages[index]!);
    });
    this.#keys.expire();
    if (isOther) this.#arrivals.giveUp();
    this.#reset();
    this.#follow();
  }

  #follow(): void {
    const feed: Feed = {
      onEntries: (entries) => {
        if (this.#feed !== feed) return;
        this.#receive(entries);
        if (this.#feed === feed) this.#options.tap?.onEntries(entries);
      },
      onHealth: (isUp, why) => void (this.#feed === feed && this.#fed(isUp, why)),
      onLost: (why) => void (this.#feed === feed && this.#lost(why)),
    };
    this.#feed = feed;
    this.#obstacle = undefined;
    this.#journal.follow(this.position, feed);
    if (this.#feed === feed) this.#health.fed(true);
  }

  #replicaOf(kept: Kept): Replica {
    const onEvict: OnEvict = (publication, isLast) => {
      this.#journal.evicted?.(publication, isLast);
    };
    return new Replica(kept, { limits: this.#options, clock: this.#clock, onEvict });
  }

  #expire(): void {
    this.#replica.history.expire(this.#clock.monotonic());
    this.#keys.expire();
  }
}
