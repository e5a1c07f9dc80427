import { assert, assertEquals } from "@std/assert";
import { covers } from "../../lib/core/channel.ts";
import { every, type Timer, wait } from "../../lib/core/clock.ts";
import type { Engine, HistoryPage, HistoryQuery } from "../../lib/core/engine.ts";
import type { HistoryLimits } from "../../lib/core/history.ts";
import { Hub } from "../../lib/core/hub.ts";
import { parsePosition, type Position, type Publication } from "../../lib/core/publication.ts";
import { BatchingTransport, Turn } from "../../lib/core/turn.ts";
import { FakeClock } from "./fake_clock.ts";
import { HistoryModel } from "./history_model.ts";
import { Sum } from "./node.ts";
import { type Replay, takesIn } from "./oracle.ts";
import { random, randomChoice, randomInteger } from "./random.ts";
import { answer, Client, Link, SEPARATOR, simulatedFormat } from "./simulated_client.ts";

/** Begins a process on a log: on the same one if the engine keeps it, on a new one otherwise. */
export type OpenEngine = (clock: FakeClock, limits: HistoryLimits) => Engine;

const CHANNELS = ["quiet", "a", "b", "a.x", "a.y", "a.y.z", "b:x", "broadcast"];
const SUBSCRIPTIONS = [...CHANNELS, "a.*", "a.y.*", "b:*", "*"];
const INJECTED = new Error("The engine fails because the simulation says so");

/** One process: its hub, and what the engine delivered to it that it has not broadcast yet. */
interface Node {
  readonly hub: Hub;
  readonly delivered: Publication[];
}

/** A replay, and how far it has come. */
interface Asked extends Replay {
  readonly link: Link;
  recovered?: boolean;
  /** The highest offset that was missing when it began. */
  lostOffset?: number;
  /** Up to where the session had its other channels when it began. */
  until: number;
  isRead: boolean;
}

/**
 * Clients that come, go and read slowly, on two nodes of which one lags behind, while publications
 * are made, evicted and expire, and everything starts anew now and then: as the seed has it. Throws
 * as soon as a page is not what a plain model of history says, or a session or a client gets
 * anything but what it should.
 */
export class Simulation {
  /** How often things happened, to tell that they did. */
  readonly events: Record<string, number> = {};
  readonly #next: () => number;
  readonly #clock = new FakeClock();
  readonly #turn = new Turn(this.#clock);
  readonly #formats = [simulatedFormat(), simulatedFormat()];
  readonly #open: OpenEngine;
  readonly #limits: HistoryLimits;
  readonly #outboundBytesMax: number;
  readonly #deliveries = new Sum();
  readonly #clients = Array.from({ length: 10 }, () => new Client());
  /** Every connection since the last check. */
  #links: Link[] = [];
  /** Replays by a name that nobody else subscribes to, so that their reads can be told apart. */
  readonly #asked = new Map<string, Asked>();
  readonly #failures: unknown[] = [];
  /** All that this log ever had. */
  #log: Publication[] = [];
  #engine: Engine | undefined;
  #model!: HistoryModel;
  #expiry: Timer | undefined;
  #nodes: Node[] = [];
  /** Reads, commands and publications under way. */
  #busy = 0;
  /** Messages written to the connections before the last check. */
  #writtenBefore = 0;

  constructor(seed: number, open: OpenEngine) {
    this.#next = random(seed);
    this.#open = open;
    const isRoomy = this.#chance(0.5);
    this.#limits = {
      historyCount: isRoomy ? 400 : 3 + this.#upTo(40),
      historyAgeS: isRoomy ? 600 : 5 + this.#upTo(60),
      historyBytesMax: isRoomy ? 1_000_000 : 1000 + this.#upTo(10_000),
      historyTotalBytesMax: isRoomy ? 1_000_000 : 3000 + this.#upTo(50_000),
      channelsMax: 100,
    };
    this.#outboundBytesMax = 300 + this.#upTo(5000);
  }

  async run(steps: number): Promise<void> {
    await this.#start();
    for (let step = 0; step < steps; step++) {
      this.#act();
      for (let ticks = this.#upTo(4); ticks > 0; ticks--) await undefined;
      if (this.#chance(0.005)) await this.#clock.pass(this.#chance(0.1) ? 35_000 : 2_000);
      if (this.#chance(0.005)) await this.#check();
      if (this.#chance(0.002)) await this.#restart();
      if (this.#failures.length > 0) throw this.#failures[0];
    }
    await this.#check();
    await this.#stop();
    assertEquals(this.#clock.timers, 0, "timers left behind");
  }

  #act(): void {
    const client = randomChoice(this.#next, this.#clients);
    const { link } = client;
    const choice = this.#upTo(99);
    if (choice < 35) this.#publish();
    else if (choice < 45) this.#clock.turn();
    else if (choice < 55) this.#clock.advance(this.#upTo(50));
    else if (choice < 62) this.#catchUp(randomChoice(this.#next, this.#nodes), this.#upTo(8));
    else if (link === undefined) this.#connect(client);
    else if (choice < 65) link.session!.lost("closed");
    else if (choice < 72) this.#subscribe(link);
    else if (choice < 79) this.#subscribeSince(link);
    else if (choice < 84) this.#unsubscribe(link);
    else if (choice < 86) link.stall();
    else link.drain(this.#chance(0.1) ? Infinity : this.#upTo(500));
  }

  // What happens to the log

  async #start(): Promise<void> {
    const engine = this.#open(this.#clock, this.#limits);
    if (this.#engine?.epoch !== engine.epoch) {
      this.#log = [];
      this.#model = new HistoryModel({ epoch: engine.epoch, offset: 0 }, this.#limits);
    }
    this.#engine = engine;
    const model = this.#model;
    model.expire(this.#clock.now());
    this.#nodes = [this.#startNode(engine), this.#startNode(engine)];
    await engine.start((publication) => {
      this.#log.push(publication);
      model.append(publication);
      for (const { delivered } of this.#nodes) delivered.push(publication);
      this.#catchUp(this.#nodes[0]!, 1);
    });
    this.#expiry = every(this.#clock, 1000, () => model.expire(this.#clock.now()));
  }

  #startNode({ epoch, offset }: Engine): Node {
    const hub: Hub = new Hub({
      engine: { epoch, offset, history: (query) => this.#wait(this.#read(query)) },
      clock: this.#clock,
      greeting: "",
      outboundBytesMax: this.#outboundBytesMax,
      channelsPerSessionMax: 10_000,
      channelsMax: 10_000,
      deliveries: this.#deliveries,
      deliveredBytes: new Sum(),
      onLeave: ({ transport }, why) => {
        const { link } = this.#clients.find(({ link }) => link?.session?.transport === transport)!;
        (link as any).trace.push(`ended ${why} pos ${link!.client.position}`);
        link!.ended = { why, bufferedBytes: transport.bufferedBytes };
        link!.client.link = undefined;
        this.#count(why);
      },
      onError: (error) => void (error === INJECTED || this.#failures.push(error)),
    });
    return { hub, delivered: [] };
  }

  async #stop(): Promise<void> {
    for (const { link } of this.#clients) link?.session!.lost("closed");
    await this.#quiet();
    for (const { hub } of this.#nodes) {
      assertEquals([hub.size, hub.channels, hub.presence.watched], [0, 0, 0]);
    }
    this.#expiry?.cancel();
    await this.#engine!.close();
  }

  async #restart(): Promise<void> {
    this.#count("restarts");
    await this.#stop();
    await this.#start();
  }

  #publish(): void {
    const drafts = Array.from({ length: 1 + this.#upTo(2) }, () => ({
      channel: randomChoice(this.#next, this.#chance(0.02) ? CHANNELS : CHANNELS.slice(1)),
      event: "message",
      data: "x".repeat(this.#upTo(60)),
    }));
    this.#count("published", drafts.length);
    this.#wait(this.#engine!.publish(drafts));
  }

  /** Broadcasts the next `count` of what was delivered to a node. */
  #catchUp({ hub, delivered }: Node, count: number): void {
    for (const publication of delivered.splice(0, count)) {
      for (const link of this.#links) {
        if (link.hub !== hub || link.ended !== undefined) continue;
        link.oracle.observe(link.names, hub.position.offset);
        link.oracle.broadcast(link.names, publication);
      }
      hub.broadcast(publication);
    }
  }

  // What clients do

  #connect(client: Client): void {
    const { hub } = randomChoice(this.#next, this.#nodes);
    const resumes = client.position !== undefined && this.#chance(0.8);
    if (!resumes) client.debts.clear();
    const names = resumes ? [...client.debts.keys()] : this.#someNames(() => true);
    const since = resumes
      ? parsePosition(client.position!)
      : this.#chance(0.3)
      ? this.#somePosition()
      : undefined;
    const link = new Link(client, hub, randomChoice(this.#next, this.#formats), names);
    this.#links.push(link);
    client.link = link;
    const asked = since && this.#ask(link, names, since);
    this.#expect(link, names, (position, recovered) => {
      client.position = position;
      if (asked === undefined) return this.#owe(link, names, parsePosition(position).offset);
      if (!recovered) client.debts.clear();
      this.#replayed(asked, names, recovered);
    });
    if (this.#chance(0.2)) link.stall();
    const transport = this.#chance(0.5)
      ? link
      : new BatchingTransport(link, (frames) => frames.join(SEPARATOR), this.#turn);
    const peer = { address: "192.0.2.1" };
    (client as any).trace ??= [];
    (link as any).trace = (client as any).trace;
    (link as any).trace.push(`open ${names} since ${since?.offset} node ${this.#nodes.findIndex((n) => n.hub === hub)} hub ${hub.position.offset} log ${this.#log.length} debts ${[...client.debts]}`);
    link.session = hub.open(transport, peer, asked?.names ?? names, { since });
  }

  #subscribe(link: Link): void {
    const names = this.#someNames((name) => !link.pending.has(name));
    for (const name of names) link.wanted.add(name);
    this.#command(link, names, async () => {
      await link.session!.subscribe(names);
      link.oracle.observe(link.names, link.hub.position.offset);
      const starts = new Map(link.oracle.starts);
      return () => {
        const added = names.filter((name) => !link.client.debts.has(name));
        for (const name of added) this.#owe(link, [name], starts.get(name)!);
      };
    });
  }

  #subscribeSince(link: Link): void {
    const names = this.#someNames((name) => !link.pending.has(name));
    const since = this.#somePosition();
    const asked = this.#ask(link, names, since);
    link.hasReplayedLate = true;
    this.#count("late");
    this.#command(link, names, async () => {
      const found = await link.session!.subscribe(asked.names, { since });
      return () => {
        link.client.position = found!.position;
        this.#replayed(asked, names, found!.recovered);
      };
    });
  }

  #unsubscribe(link: Link): void {
    const names = [...link.client.debts.keys()].filter((name) =>
      !link.pending.has(name) && this.#chance(0.5)
    );
    for (const name of names) {
      link.wanted.delete(name);
      link.client.debts.delete(name);
    }
    link.hasUnsubscribed = true;
    this.#command(link, names, async () => {
      await link.session!.unsubscribe(names);
      link.oracle.observe(link.names, link.hub.position.offset);
      return () => {};
    });
  }

  /** Lets the session do a command that then has an answer for the client. */
  #command(link: Link, names: readonly string[], command: () => Promise<() => void>): void {
    (link as any).trace.push(`command ${`${command}`.includes("unsubscribe") ? "unsub" : `${command}`.includes("since") ? "LATE" : "sub"} ${names} pos ${link.client.position} hub ${link.hub.position.offset}`);
    for (const name of names) link.pending.add(name);
    this.#wait(
      command().then((answered) => {
        if (link.ended !== undefined) return;
        this.#expect(link, names, answered);
        link.session!.write(answer("", undefined));
      }),
    );
  }

  /** Until the answer has come, no other command is about the same names: order does not matter. */
  #expect(
    link: Link,
    names: readonly string[],
    answered: (position: string, recovered: boolean) => void,
  ): void {
    for (const name of names) link.pending.add(name);
    link.expect((position, recovered) => {
      for (const name of names) link.pending.delete(name);
      answered(position, recovered);
    });
  }

  #ask(link: Link, names: readonly string[], since: Position): Asked {
    const { epoch, offset } = this.#engine!;
    const from = since.epoch === epoch && since.offset <= offset ? since.offset : 0;
    if (from > link.hub.position.offset) this.#count("ahead");
    const tag = `tag-${this.#asked.size}`;
    const asked = { link, names: [...names, tag], from, until: 0, isRead: false };
    this.#asked.set(tag, asked);
    for (const name of asked.names) link.wanted.add(name);
    link.oracle.ask(asked);
    return asked;
  }

  #replayed(asked: Asked, names: readonly string[], recovered: boolean): void {
    assertEquals(recovered, asked.recovered);
    this.#count(recovered ? "recovered" : "gaps");
    this.#owe(asked.link, names, recovered ? asked.from : Math.max(asked.from, asked.until));
  }

  /** From now on the client must have all that comes after `offset`. */
  #owe({ client: { debts } }: Link, names: readonly string[], offset: number): void {
    (arguments[0] as any).trace.push(`owe ${names} ${offset} pos ${(arguments[0] as any).client.position}`);
    for (const name of names) debts.set(name, Math.min(debts.get(name) ?? offset, offset));
  }

  // What sessions read

  async #read(query: HistoryQuery): Promise<HistoryPage> {
    await this.#delay();
    if (this.#chance(0.003)) throw INJECTED;
    const reading = this.#engine!.history(query);
    const page = this.#model.read(query, this.#clock.now());
    this.#note(query, page);
    assertEquals(summary(await reading), summary(page));
    await this.#delay();
    return await reading;
  }

  async #delay(): Promise<void> {
    if (this.#chance(0.3)) return await wait(this.#clock, this.#upTo(200));
    for (let ticks = this.#upTo(8); ticks > 0; ticks--) await undefined;
  }

  /** Tells the oracle of a page. One that claims to be whole must have all that there ever was. */
  #note({ channels, since, until }: HistoryQuery, page: HistoryPage): void {
    const all = channels.flatMap((name) => this.#asked.get(name) ?? []);
    const asked = all.find(({ isRead }) => !isRead);
    const { link } = all[0]!;
    link.oracle.observe(link.names, link.hub.position.offset);
    (link as any).trace.push(`read since ${since!.offset} until ${until} got ${page.publications.map((p) => p.offset)} first ${asked?.recovered === undefined} complete ${page.complete} lost ${page.lostOffset} for ${asked?.names}`);
    if (asked === undefined) this.#count("rereads");
    else if (asked.recovered !== undefined) this.#count("laterPages");
    else Object.assign(asked, { recovered: page.complete, lostOffset: page.lostOffset, until });
    if (asked !== undefined) asked.isRead = !page.more;
    if (page.lostOffset > Math.max(asked?.lostOffset ?? 0, since!.offset)) {
      link.mustEnd = true;
      this.#count("losses");
      return;
    }
    if (asked?.recovered !== false) {
      const missed = this.#log.filter(({ offset, channel }) =>
        offset > since!.offset && offset <= page.position.offset &&
        channels.some((name) => covers(name, channel))
      );
      assertSame("a whole page", page.publications.map(idOf), missed.map(idOf));
    }
    if (asked !== undefined) link.oracle.read(asked, page, asked.until);
  }

  // What must be true when everything has come to rest

  async #quiet(): Promise<void> {
    for (let rounds = 0; rounds < 1000; rounds++) {
      for (const { link } of this.#clients) link?.drain(Infinity);
      for (const node of this.#nodes) this.#catchUp(node, Infinity);
      const written = this.#written;
      await this.#clock.pass(100);
      const isCaughtUp = this.#nodes.every(({ delivered }) => delivered.length === 0);
      if (this.#busy === 0 && isCaughtUp && this.#written === written) return;
    }
    throw new Error("It never comes to rest");
  }

  async #check(): Promise<void> {
    await this.#quiet();
    for (const link of this.#links) checkLink(link, this.#outboundBytesMax);
    for (const { link, debts, received } of this.#clients) {
      if (link === undefined) continue;
      const due = this.#log.filter((publication) => takesIn(debts, publication)).map(idOf);
      if (due.some((id) => !received.has(id))) console.log((link as any).trace.join("\n"), debts);
      assertSame("a client", due.filter((id) => received.has(id)), due);
    }
    assertEquals(this.#deliveries.total, this.#written, "deliveries counted");
    this.#writtenBefore = this.#written;
    this.#links = this.#links.filter((link) => link.ended === undefined);
    for (const link of this.#links) this.#writtenBefore -= link.written.length;
  }

  get #written(): number {
    return this.#links.reduce((sum, { written }) => sum + written.length, this.#writtenBefore);
  }

  // Chance

  #wait<T>(promise: Promise<T>): Promise<T> {
    this.#busy++;
    promise.catch((error) => void (error === INJECTED || this.#failures.push(error)))
      .finally(() => this.#busy--);
    return promise;
  }

  #count(event: string, count = 1): void {
    this.events[event] = (this.events[event] ?? 0) + count;
  }

  #upTo(max: number): number {
    return randomInteger(this.#next, max);
  }

  #chance(of: number): boolean {
    return this.#next() < of;
  }

  #someNames(isFit: (name: string) => boolean): string[] {
    return SUBSCRIPTIONS.filter((name) => isFit(name) && this.#chance(0.15));
  }

  /** A place in this log, mostly; not always one that there is. */
  #somePosition(): Position {
    const { epoch, offset } = this.#engine!;
    if (this.#chance(0.05)) return { epoch: "another", offset: this.#upTo(offset) };
    if (this.#chance(0.05)) return { epoch, offset: offset + 1000 };
    return { epoch, offset: Math.max(0, offset - this.#upTo(this.#chance(0.3) ? offset : 30)) };
  }
}

/** Checks what one session was sent, and why it ended. */
function checkLink(link: Link, outboundBytesMax: number): void {
  const { written, oracle, ended, session } = link;
  const due = oracle.due.map(({ id }) => id);
  if ((ended === undefined ? due : due.slice(0, written.length)).join() !== written.join()) console.log((link as any).trace.slice(-40).join("\n"), "\nwritten", written.map((w) => w.slice(9)).join(" "), "\ndue", due.map((w) => w.slice(9)).join(" "), oracle.starts, session!.subscriptions);
  assertSame("a session", written, ended === undefined ? due : due.slice(0, written.length));
  if (!link.hasUnsubscribed) assertEquals(new Set(written).size, written.length, "duplicates");
  if (!link.hasReplayedLate) {
    const offsets = written.map((id) => parsePosition(id).offset);
    assertEquals(
      offsets.every((offset, at) => at === 0 || offset > offsets[at - 1]!),
      true,
      "order",
    );
  }
  if (ended === undefined) {
    assertEquals([...session!.subscriptions.keys()].sort(), [...link.wanted].sort());
    assert(!link.mustEnd, "a session goes on though something is missing");
  } else if (ended.why === "slow") {
    assert(link.mustEnd || ended.bufferedBytes > outboundBytesMax / 2, "ended for no reason");
  }
}

function idOf({ id }: Publication): string {
  return id;
}

function summary({ publications, ...page }: HistoryPage) {
  return { ...page, publications: publications.map(idOf).join(" ") };
}

function assertSame(what: string, actual: readonly string[], expected: readonly string[]): void {
  const at = [...expected, ""].findIndex((id, index) => id !== (actual[index] ?? ""));
  if (at === -1 && actual.length === expected.length) return;
  const near = (ids: readonly string[]) => ids.slice(Math.max(0, at - 3), at + 4).join(" ");
  throw new Error(
    `Wrong for ${what} from ${at} on: expected ${near(expected)}, got ${near(actual)}`,
  );
}
