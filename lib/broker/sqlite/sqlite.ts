import { type Clock, every, type Timer } from "../../core/clock.ts";
import type { Broker, BrokerStats, ChannelInfo, HistoryPage, HistoryQuery } from "../broker.ts";
import { Refusal } from "../../core/errors.ts";
import { History, type HistoryLimits } from "../history/history.ts";
import { type Draft, Publication } from "../../core/publication.ts";
import { checkRoom, TakenRoom } from "../channel_quota.ts";
import { type Kept, Store, type StoreSync } from "./store.ts";

const EXPIRE_INTERVAL_MS = 1000;
const RETRY_AFTER_S = 1;

// Deleting writes other pages of the file than adding, so many are deleted at a time. After a crash
// those that were not are loaded again, and let go again for the same reason as before.
const SWEPT_MIN = 256;

/** How a `SqliteBroker` works. */
export interface SqliteOptions {
  readonly clock: Clock;
  readonly limits: HistoryLimits;
  readonly sync: StoreSync;
}

/** One call of `publish()` that waits for its commit. */
interface Waiting {
  readonly drafts: readonly Draft[];
  readonly caller: string | undefined;
  readonly resolve: (publications: readonly Publication[]) => void;
  readonly reject: (refusal: Refusal) => void;
}

/**
 * Keeps the log in an SQLite file, so that it outlives the process; reads come from memory. All
 * that is published in one turn of the event loop is one commit, so that it costs one sync of the
 * disk rather than one each. A publication is delivered and acknowledged once it is committed: with
 * sync "full" it then outlives a crash of the machine; with "normal" a crash of the process, while
 * a crash of the machine may take the last commits with it. Even then no id is given twice, and a
 * client that comes back with one that was lost is told so; one that had had none cannot be.
 */
export class SqliteBroker implements Broker {
  readonly epoch: string;
  readonly #clock: Clock;
  readonly #limits: HistoryLimits;
  readonly #store: Store;
  readonly #history: History;
  #offset: number;
  #deliver: (publication: Publication) => void = () => {};
  #expiry: Timer | undefined;
  #closed = false;
  #waiting: Waiting[] = [];
  /** Channels that what waits will begin, and whose they will be. */
  #taken = new TakenRoom();
  /** Offsets that history has let go but the file has not, and their channels. */
  #evicted: number[] = [];
  #evictedChannels = new Set<string>();

  /**
   * Opens the log in `file`, which is made if it is not there. Throws a `StoreError` if the file
   * cannot be used: it is damaged, no store, open in another process, or out of reach.
   */
  static open(file: string, options: SqliteOptions): SqliteBroker {
    const { store, kept } = Store.open(file, options.sync);
    return new SqliteBroker(store, kept, options);
  }

  private constructor(store: Store, kept: Kept, { clock, limits }: SqliteOptions) {
    const { epoch, offset } = kept;
    this.epoch = epoch;
    this.#clock = clock;
    this.#limits = limits;
    this.#store = store;
    this.#offset = offset;
    this.#history = new History({ epoch, offset: kept.forgottenOffset }, limits, (evicted) => {
      this.#evicted.push(evicted.offset);
      this.#evictedChannels.add(evicted.channel);
    });
    this.#load(kept.publications);
    this.#history.restore(kept.lostOffsets, offset);
    this.#expire();
  }

  get offset(): number {
    return this.#offset;
  }

  start(deliver: (publication: Publication) => void): Promise<void> {
    this.#deliver = deliver;
    this.#expiry = every(this.#clock, EXPIRE_INTERVAL_MS, () => this.#expire());
    return Promise.resolve();
  }

  publish(drafts: readonly Draft[], caller?: string): Promise<readonly Publication[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new Refusal("unavailable", "Cannot publish: the server is stopping");
      const taken = this.#taken;
      const { channelsMax } = this.#limits;
      checkRoom(drafts, { history: this.#history, caller, channelsMax, taken });
      for (const { channel } of drafts) {
        if (!this.#history.has(channel) && !taken.has(channel)) taken.add(channel, caller);
      }
      if (this.#waiting.length === 0) this.#clock.afterTurn(() => this.#closed || this.#flush());
      this.#waiting.push({ drafts, caller, resolve, reject });
    });
  }

  history(query: HistoryQuery): Promise<HistoryPage> {
    const page = this.#history.read(query, this.#clock.monotonic());
    const mayMiss = query.since !== undefined && this.#store.isInGap(query.since.offset);
    return Promise.resolve(mayMiss ? { ...page, complete: false } : page);
  }

  channels(after: string, limit: number): Promise<readonly ChannelInfo[]> {
    return Promise.resolve(this.#history.channels(after, limit, this.#clock.monotonic()));
  }

  stats(): BrokerStats {
    return this.#history.stats;
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#expiry?.cancel();
    return Promise.try(() => {
      this.#flush();
      this.#sweep();
      this.#store.close();
    });
  }

  /**
   * Takes over what earlier runs left. How old it is only the wall clock can tell, which may have
   * been set since: nothing is taken for younger than what came after it.
   */
  #load(publications: readonly Publication[]): void {
    const wall = this.#clock.now();
    let ageMs = 0;
    const agesMs = publications.toReversed().map(({ time }) =>
      ageMs = Math.max(ageMs, wall - time)
    );
    const now = this.#clock.monotonic();
    for (const publication of publications) {
      this.#history.append(publication, now - agesMs.pop()!);
    }
  }

  #expire(): void {
    this.#history.expire(this.#clock.monotonic());
    this.#sweep();
  }

  #flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    this.#taken = new TakenRoom();
    if (group.length > 0 && this.#commit(group) !== undefined) this.#commitOneByOne(group);
    if (this.#evicted.length >= SWEPT_MIN) this.#sweep();
  }

  /** Writes, keeps and delivers what the group wants published. Returns an error if it cannot. */
  #commit(group: readonly Waiting[]): Error | undefined {
    const time = this.#clock.now();
    let offset = this.#offset;
    const published = group.map(({ drafts }) =>
      drafts.map((draft) => new Publication({ epoch: this.epoch, offset: ++offset }, draft, time))
    );
    try {
      this.#store.add(published.flat());
    } catch (error) {
      // Nobody has seen these offsets: they are given again.
      return error as Error;
    }
    this.#offset = offset;
    const now = this.#clock.monotonic();
    group.forEach(({ resolve, caller }, index) => {
      const publications = published[index]!;
      for (const publication of publications) this.#history.append(publication, now, caller);
      for (const publication of publications) this.#deliver(publication);
      resolve(publications);
    });
    return undefined;
  }

  /** One that is too big for the room that is left must not take the others with it. */
  #commitOneByOne(group: readonly Waiting[]): void {
    this.#sweep();
    for (const waiting of group) {
      const error = this.#commit([waiting]);
      if (error !== undefined) waiting.reject(unavailable(error));
    }
  }

  /** Deletes from the file what history has let go. */
  #sweep(): void {
    const history = this.#history;
    if (this.#evicted.length === 0) return;
    try {
      this.#store.remove({
        offsets: this.#evicted,
        lostOffsets: Array.from(this.#evictedChannels, (name) => [name, history.lostOffset(name)]),
        forgottenOffset: history.forgottenOffset,
      });
    } catch {
      // A file that cannot be written is told to publishers. What stays in it does no harm: a later
      // sweep takes it, or the next run, whose history lets it go again.
      return;
    }
    this.#evicted = [];
    this.#evictedChannels = new Set();
  }
}

function unavailable(error: Error): Refusal {
  const message = `Cannot publish: the store cannot be written (${error.message}); try again later`;
  const refusal = new Refusal("unavailable", message, RETRY_AFTER_S);
  refusal.cause = error;
  return refusal;
}
