import { Refusal } from "../../lib/core/errors.ts";
import type { Position } from "../../lib/core/publication.ts";
import type { Receipt } from "../../lib/broker/broker.ts";
import {
  type Entry,
  type Feed,
  type Gap,
  isGap,
  type JournalBatch,
  type Kept,
  type Logged,
  NOTHING_KEPT,
  order,
} from "../../lib/broker/journal.ts";
import type { Dice } from "../support/dice.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { NodeJournal, World } from "./simulated_cluster.ts";

const JUMP = 10_000;

/** A server that keeps a log as the scripts for Redis do, and may lose the end of it. */
class SimulatedServer {
  run = 1;
  epoch: string | undefined;
  offset = 0;
  entries: Entry[] = [];
  gaps: Gap[] = [];
  #epochs = 0;
  /** The run of the server that somebody has opened last. */
  #openedRun = 1;
  /** Stands for the time: it goes on whatever is lost. */
  #takeovers = 0;
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** Another server is in its place, without the last entries. */
  loseTail(count: number): void {
    this.run++;
    this.entries = this.entries.slice(0, Math.max(0, this.entries.length - count));
    const last = this.entries.at(-1);
    this.offset = last === undefined ? 0 : isGap(last) ? last.until : last.publication.offset;
    this.gaps = this.gaps.filter(({ until }) => until <= this.offset);
  }

  /** Another server is in its place, with nothing. */
  loseAll(): void {
    this.loseTail(Infinity);
    this.epoch = undefined;
  }

  /** Opens the log for a node that knows `epoch`, and has seen `seen`; false if this is another log. */
  open(epoch: string | undefined, seen: number, opened: number, gaps: readonly Gap[]): boolean {
    if (this.epoch === undefined) {
      this.epoch = epoch ?? `e${++this.#epochs}`;
      if (epoch !== undefined) {
        this.gaps.push(...gaps);
        this.#takeOver(seen, seen, 0);
      }
    } else if (epoch !== undefined && epoch !== this.epoch) return false;
    else {
      const lost = seen > this.offset || this.#isInGap(seen) ? seen : 0;
      if (opened !== this.run && this.#openedRun !== this.run || this.offset < seen) {
        this.#takeOver(this.offset, Math.max(seen, this.offset), lost);
      } else if (lost > 0) this.#jump(this.offset, this.offset + 1, lost);
    }
    this.#openedRun = this.run;
    return true;
  }

  append(batch: JournalBatch, epoch: string, run: number, seen: number): Receipt | undefined {
    if (this.epoch !== epoch || this.run !== run || this.offset < seen) return undefined;
    const { entries, receipt } = order(batch, { epoch, offset: this.offset }, 1);
    this.entries.push(...entries);
    this.offset += entries.length;
    return receipt;
  }

  /** Whether what was seen is in a gap of which nobody has said so; from now on somebody has. */
  #isInGap(seen: number): boolean {
    const at = this.gaps.findIndex(({ after, until, seen: known = 0 }) => {
      return seen > after && seen < until && seen > known;
    });
    if (at !== -1) this.gaps[at] = { ...this.gaps[at]!, seen };
    return at !== -1;
  }

  #takeOver(kept: number, highest: number, seen: number): void {
    const time = 2 * JUMP * ++this.#takeovers;
    const until = Math.max(highest, time) + 1 + this.#dice.upTo(JUMP);
    this.#jump(kept, until, seen);
  }

  #jump(after: number, until: number, seen: number): void {
    const gap = { after, until, seen: seen === 0 ? undefined : seen };
    this.entries.push(gap);
    this.gaps.push(gap);
    this.offset = until;
  }
}

/** The way of one node to the server: slow, cut now and then, and replies get lost on it. */
class SimulatedJournal implements NodeJournal {
  seen = 0;
  #isCut = false;
  readonly #server: SimulatedServer;
  readonly #dice: Dice;
  #epoch: string | undefined;
  #run = 0;
  #last = 0;
  #gaps: readonly Gap[] = [];
  #feed: Feed | undefined;

  constructor(server: SimulatedServer, dice: Dice) {
    this.#server = server;
    this.#dice = dice;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** The way is cut or there again; whoever follows is told, as by a reply that is late. */
  cut(isCut: boolean): void {
    this.#isCut = isCut;
    this.#feed?.onHealth(!isCut, "cut");
  }

  /** Whether the server has all that this node knows of. */
  get isCurrent(): boolean {
    return this.#run === this.#server.run && this.seen <= this.#server.offset;
  }

  open(): Promise<Kept> {
    this.#feed = undefined;
    if (this.isCut) return Promise.reject(new Error("cut"));
    if (!this.#openServer()) {
      this.#epoch = undefined;
      this.seen = 0;
      this.#gaps = [];
      this.#openServer();
    }
    const { entries, gaps, offset, epoch } = this.#server;
    const publications = entries.filter((entry): entry is Logged => !isGap(entry));
    this.seen = this.#last = offset;
    this.#gaps = [...gaps];
    return Promise.resolve({
      ...NOTHING_KEPT,
      position: { epoch: epoch!, offset },
      forgottenOffset: (publications[0]?.publication.offset ?? offset + 1) - 1,
      publications,
      gaps: [...gaps],
    });
  }

  follow({ offset }: Position, feed: Feed): void {
    this.#last = offset;
    this.#feed = feed;
  }

  async append(batch: JournalBatch): Promise<Receipt> {
    await this.#travel();
    if (!this.isCut && this.#run !== this.#server.run && this.#feed !== undefined) this.#reopen();
    const run = this.#run;
    const receipt = this.isCut || this.#feed === undefined
      ? undefined
      : this.#server.append(batch, this.#epoch!, run, this.seen);
    await this.#travel();
    // No reply comes by a connection that was given up.
    const isLost = this.isCut || this.#run !== run || this.#dice.chance(0.03);
    if (receipt === undefined || isLost) {
      throw new Refusal("unavailable", "Cannot publish: the way is cut");
    }
    this.seen = Math.max(this.seen, receipt.offset + receipt.count - 1);
    return receipt;
  }

  /** The next entries arrive. */
  pump(count: number): void {
    const feed = this.#feed;
    if (this.isCut || feed === undefined) return;
    if (this.#run !== this.#server.run && !this.#reopen()) return;
    const due = this.#server.entries.filter((entry) => endOf(entry) > this.#last).slice(0, count);
    if (due.length === 0) return;
    this.#last = endOf(due.at(-1)!);
    this.seen = Math.max(this.seen, this.#last);
    this.#gaps = [...this.#gaps, ...due.filter(isGap)];
    feed.onEntries(due);
  }

  close(): Promise<void> {
    this.#feed = undefined;
    return Promise.resolve();
  }

  #reopen(): boolean {
    if (this.#openServer()) return true;
    const feed = this.#feed;
    this.#feed = undefined;
    feed?.onLost("another log");
    return false;
  }

  #openServer(): boolean {
    const unfed = this.#last < this.seen ? [{ after: this.#last, until: this.seen }] : [];
    const gaps = [...this.#gaps, ...unfed];
    if (!this.#server.open(this.#epoch, this.seen, this.#run, gaps)) return false;
    this.#epoch = this.#server.epoch;
    this.#run = this.#server.run;
    return true;
  }

  async #travel(): Promise<void> {
    for (let ticks = this.#dice.upTo(5); ticks > 0; ticks--) await undefined;
  }
}

function endOf(entry: Entry): number {
  return isGap(entry) ? entry.until : entry.publication.offset;
}

/** A server that is a model of Redis. */
export class SimulatedWorld implements World {
  readonly clock = new FakeClock();
  readonly #server: SimulatedServer;
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#server = new SimulatedServer(dice);
    this.#dice = dice;
  }

  addNode(): NodeJournal {
    return new SimulatedJournal(this.#server, this.#dice);
  }

  loseTail(count: number): void {
    this.#server.loseTail(count);
  }

  loseAll(): void {
    this.#server.loseAll();
  }
}
