import { assertEquals } from "@std/assert";
import type { Position, Publication } from "../../lib/core/publication.ts";
import { Refusal } from "../../lib/core/errors.ts";
import type { LogBroker } from "../../lib/broker/log_broker.ts";
import {
  type Entry,
  type Feed,
  type Gap,
  isGap,
  type Journal,
  type JournalBatch,
  type Kept,
  type Logged,
  order,
} from "../../lib/broker/journal.ts";
import type { Receipt } from "../../lib/broker/broker.ts";
import { BEHIND_MS } from "../../lib/hub/replay.ts";
import { Dice } from "../support/dice.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { brokerOn } from "./helpers.ts";

const JUMP = 10_000;
const LIMITS = { historyCount: 100_000, historyBytesMax: 1e9, historyTotalBytesMax: 1e9 };

/** A server that keeps a log as the scripts for Redis do, and may lose the end of it. */
class SimulatedServer {
  run = 1;
  epoch: string | undefined;
  offset = 0;
  entries: Entry[] = [];
  gaps: Gap[] = [];
  #epochs = 0;
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

  /** The run of the server that somebody has opened last. */
  #openedRun = 1;

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
class SimulatedJournal implements Journal {
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
      position: { epoch: epoch!, offset },
      forgottenOffset: (publications[0]?.publication.offset ?? offset + 1) - 1,
      publications,
      lostOffsets: [],
      gaps: [...gaps],
      keys: [],
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

  evicted(): void {}
  forgotten(): void {}
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
    if (!this.#server.open(this.#epoch, this.seen, this.#run, this.#gaps)) return false;
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

/** A client that comes back to any node, and says where it was. */
class SimulatedClient {
  readonly got: Publication[] = [];
  /** How much had been acknowledged when it was told last that some may be gone. */
  told = 0;
  /** Where it went on then. */
  toldAt: Position = { epoch: "", offset: 0 };
  position: Position | undefined;
  node: SimulatedNode | undefined;
  /** What came before its history was read. */
  held: Publication[] | undefined;

  receive(publication: Publication): void {
    if (this.held !== undefined) return void this.held.push(publication);
    const { epoch, offset } = this.position!;
    if (publication.epoch === epoch && publication.offset <= offset) return;
    this.got.push(publication);
    this.position = { epoch: publication.epoch, offset: publication.offset };
  }
}

interface SimulatedNode {
  readonly journal: SimulatedJournal;
  readonly broker: LogBroker;
}

/** Nodes, their server and clients with faults, as a seed has it, on a clock that stands still. */
export class ClusterSimulation {
  readonly events: Record<string, number> = {};
  readonly #dice: Dice;
  readonly #clock = new FakeClock();
  readonly #server: SimulatedServer;
  readonly #nodes: SimulatedNode[] = [];
  readonly #clients = Array.from({ length: 5 }, () => new SimulatedClient());
  /** What was acknowledged, in the order in which it was. */
  readonly #accepted: (Position & { readonly text: string })[] = [];
  readonly #failures: unknown[] = [];
  #published = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    this.#server = new SimulatedServer(this.#dice);
  }

  /** Throws unless each client got all once and in order, or was told that some of it is gone. */
  async run(steps: number): Promise<void> {
    for (let count = 0; count < 3; count++) await this.#addNode(count);
    for (let step = 0; step < steps; step++) {
      await this.#act();
      if (this.#failures.length > 0) throw this.#failures[0];
    }
    await this.#heal();
    this.#check();
    for (const { broker } of this.#nodes) await this.#settled(broker.close());
  }

  async #act(): Promise<void> {
    const dice = this.#dice;
    const node = dice.pick(this.#nodes);
    const client = dice.pick(this.#clients);
    const choice = dice.upTo(199);
    if (choice < 70) this.#publish(node);
    else if (choice < 130) node.journal.pump(1 + dice.upTo(5));
    else if (choice < 160) this.#clock.advance(dice.upTo(100));
    else if (choice < 180) this.#connect(client, node);
    else if (choice < 186) client.node = undefined;
    else if (choice < 191) node.journal.cut(!node.journal.isCut);
    else if (choice < 193) await this.#passTime(BEHIND_MS);
    else if (choice === 193) this.#loseTail();
    else if (choice === 194 && dice.chance(0.2)) this.#loseAll();
    else if (choice === 195) await this.#restart(dice.upTo(this.#nodes.length - 1));
    for (let ticks = dice.upTo(6); ticks > 0; ticks--) await undefined;
  }

  #loseTail(): void {
    this.#count("tails lost");
    this.#server.loseTail(this.#dice.upTo(6));
  }

  #loseAll(): void {
    this.#count("logs lost");
    this.#server.loseAll();
  }

  async #addNode(at: number): Promise<void> {
    const journal = new SimulatedJournal(this.#server, this.#dice);
    const broker = brokerOn(journal, this.#clock, LIMITS);
    const node = this.#nodes[at] = { journal, broker };
    await broker.start({
      deliver: (publication) => {
        for (const client of this.#clients) if (client.node === node) client.receive(publication);
      },
      reset: () => {
        for (const client of this.#clients) if (client.node === node) client.node = undefined;
      },
      health: () => {},
    });
  }

  async #restart(at: number): Promise<void> {
    const { journal, broker } = this.#nodes[at]!;
    // What it alone has seen of a server that is gone goes with it.
    if (!journal.isCurrent || journal.isCut) return;
    this.#count("restarts");
    for (const client of this.#clients) {
      if (client.node === this.#nodes[at]) client.node = undefined;
    }
    await this.#settled(broker.close());
    await this.#addNode(at);
  }

  #publish({ broker }: SimulatedNode): void {
    const text = String(++this.#published);
    broker.publish({ drafts: [{ channel: "a", event: "message", data: text }] }).then(
      ({ epoch, offset }) => void this.#accepted.push({ text, epoch, offset }),
      (error) => void (error instanceof Refusal ? this.#count("refused") : this.#fail(error)),
    );
  }

  #connect(client: SimulatedClient, node: SimulatedNode): void {
    if (client.node !== undefined) return;
    client.node = node;
    client.held = [];
    this.#resume(client, node, client.held).catch((error) => this.#fail(error));
  }

  async #resume(
    client: SimulatedClient,
    node: SimulatedNode,
    held: readonly Publication[],
  ): Promise<void> {
    const { broker } = node;
    const since = client.position;
    const isHere = () => client.node === node && client.held === held;
    const isThere = since === undefined || since.epoch !== broker.position.epoch ||
      await broker.reached(since, BEHIND_MS) || broker.isUp;
    if (!isHere()) return;
    if (!isThere) return void (client.node = undefined);
    const page = await broker.history({
      channels: ["*"],
      since: since ?? broker.position,
      limit: 1e6,
    });
    if (!isHere()) return;
    this.#count(page.complete ? "recovered" : "notices");
    if (since === undefined || !page.complete) {
      client.told = this.#accepted.length;
      client.toldAt = page.position;
    }
    client.held = undefined;
    client.position = { epoch: page.position.epoch, offset: page.beginOffset };
    for (const publication of [...page.publications, ...held]) client.receive(publication);
    client.position = laterOf(client.position, page.position);
  }

  /** Everything works again, and everybody gets to the end. */
  async #heal(): Promise<void> {
    for (const { journal } of this.#nodes) journal.cut(false);
    for (let round = 0; round < 6; round++) await this.#passTime(BEHIND_MS);
    for (let round = 0; round < 3; round++) {
      for (const [at, client] of this.#clients.entries()) {
        this.#connect(client, this.#nodes[at % 3]!);
      }
      await this.#passTime(BEHIND_MS);
    }
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  #check(): void {
    const ids = new Map<string, string>();
    const texts = new Map<string, string>();
    for (const { got, told, toldAt } of this.#clients) {
      let last: Publication | undefined;
      for (const publication of got) {
        const { id, data } = publication;
        assertEquals(ids.getOrInsert(id, String(data)), data, `${id} was given twice`);
        assertEquals(texts.getOrInsert(String(data), id), id, `${data} was kept twice`);
        if (last?.epoch === publication.epoch && publication.offset <= last.offset) {
          throw new Error(`${id} came behind ${last.id}`);
        }
        last = publication;
      }
      const had = new Set(got.map(({ data }) => data));
      const lost = this.#accepted.filter(({ text, epoch, offset }, at) => {
        const wasTold = at < told || epoch === toldAt.epoch && offset <= toldAt.offset;
        return !wasTold && !had.has(text);
      });
      assertEquals(lost, [], "lost, and nobody was told");
    }
  }

  /** Waits while the clock is turned. */
  async #settled(promise: Promise<void>): Promise<void> {
    let isDone = false;
    promise.finally(() => isDone = true);
    while (!isDone) await this.#passTime(1000);
  }

  /** A feed that is there is never so slow as a client waits. */
  async #passTime(ms: number): Promise<void> {
    for (const { journal } of this.#nodes) journal.pump(Infinity);
    await this.#clock.pass(ms);
  }

  #fail(error: unknown): void {
    this.#failures.push(error);
  }

  #count(event: string): void {
    this.events[event] = (this.events[event] ?? 0) + 1;
  }
}

function laterOf(one: Position, other: Position): Position {
  return one.epoch === other.epoch && one.offset > other.offset ? one : other;
}
