import { assertEquals } from "@std/assert";
import type { Hub } from "../../lib/hub/hub.ts";
import { parsePosition, type Position } from "../../lib/core/publication.ts";
import { Batching, BatchingTransport } from "../../lib/hub/batching.ts";
import { Dice } from "./dice.ts";
import { FakeClock } from "./fake_clock.ts";
import { Sum } from "./node.ts";
import { takesIn } from "./oracle.ts";
import {
  answer,
  assertSame,
  Client,
  joinFrames,
  Link,
  simulatedEncoder,
} from "./simulated_client.ts";
import { limitsOf, type OpenBroker, SimulatedLog } from "./simulated_log.ts";
import { SimulatedNode } from "./simulated_node.ts";
import { type Asked, INJECTED, SimulatedReplays } from "./simulated_replays.ts";

const CHANNELS = ["quiet", "a", "b", "a.x", "a.y", "a.y.z", "b:x", "broadcast"];
const SUBSCRIPTIONS = [...CHANNELS, "a.*", "a.y.*", "b:*", "*"];

/**
 * Clients that come, go and read slowly, on two nodes of which one lags behind, while publications
 * are made, evicted and expire, and everything starts anew now and then: as the seed has it. Throws
 * as soon as a page is not what a plain model of history says, or a session or a client gets
 * anything but what it should.
 */
export class Simulation {
  /** How often things happened, to tell that they did. */
  readonly events: Record<string, number> = {};
  readonly #dice: Dice;
  readonly #clock = new FakeClock();
  readonly #batching = new Batching(this.#clock);
  readonly #encoders = [simulatedEncoder(), simulatedEncoder()];
  readonly #log: SimulatedLog;
  readonly #replays: SimulatedReplays;
  readonly #outboundBytesMax: number;
  readonly #deliveries = new Sum();
  readonly #clients = Array.from({ length: 10 }, () => new Client());
  /** Every connection since the last check. */
  #links: Link[] = [];
  #nodes: SimulatedNode[] = [];
  /** Reads, commands and publications under way. */
  #busy = 0;
  readonly #failures: unknown[] = [];
  /** Messages written, to connections that are checked and gone. */
  #writtenBefore = 0;

  constructor(seed: number, open: OpenBroker) {
    this.#dice = new Dice(seed);
    this.#log = new SimulatedLog(this.#clock, limitsOf(seed, this.#dice), open);
    const count = (event: string) => this.#count(event);
    this.#replays = new SimulatedReplays(this.#dice, this.#clock, this.#log, count);
    this.#outboundBytesMax = 300 + this.#dice.upTo(5000);
  }

  async run(steps: number): Promise<void> {
    await this.#start();
    for (let step = 0; step < steps; step++) {
      this.#act();
      for (let ticks = this.#dice.upTo(4); ticks > 0; ticks--) await undefined;
      if (this.#dice.chance(0.005)) await this.#clock.pass(this.#dice.pick([2_000, 35_000]));
      if (this.#dice.chance(0.005)) await this.#check();
      if (this.#dice.chance(0.001)) await this.#restart();
      if (this.#failures.length > 0) throw this.#failures[0];
    }
    await this.#check();
    await this.#stop();
    assertEquals(this.#clock.timers, 0, "timers left behind");
  }

  #act(): void {
    const client = this.#dice.pick(this.#clients);
    const { link } = client;
    const choice = this.#dice.upTo(99);
    if (choice < 35) this.#publish();
    else if (choice < 45) this.#clock.turn();
    else if (choice < 55) this.#clock.advance(this.#dice.upTo(50));
    else if (choice < 62) this.#dice.pick(this.#nodes).catchUp(this.#dice.upTo(40), this.#links);
    else if (link === undefined) this.#connect(client);
    else if (choice < 65) link.session!.lost("closed");
    else if (choice < 72) this.#subscribe(link);
    else if (choice < 79) this.#subscribeSince(link);
    else if (choice < 84) this.#unsubscribe(link);
    else if (choice < 86) link.stall();
    else link.drain(this.#dice.chance(0.1) ? Infinity : this.#dice.upTo(500));
  }

  // What happens to the log

  async #start(): Promise<void> {
    await this.#log.start((publication) => {
      for (const node of this.#nodes) node.deliver(publication);
      this.#nodes[0]!.catchUp(1, this.#links);
    });
    this.#nodes = [this.#startNode(), this.#startNode()];
  }

  #startNode(): SimulatedNode {
    return new SimulatedNode({
      clock: this.#clock,
      position: this.#log.position,
      history: (query) => this.#wait(this.#replays.read(query)),
      outboundBytesMax: this.#outboundBytesMax,
      deliveries: this.#deliveries,
      onLeave: ({ transport }, why) => {
        const link = this.#links.findLast(({ session }) => session?.transport === transport)!;
        link.ended = { why, bufferedBytes: transport.bufferedBytes };
        link.client.link = undefined;
        this.#count(why);
      },
      onError: (error) => void (error === INJECTED || this.#failures.push(error)),
    });
  }

  async #stop(): Promise<void> {
    for (const { link } of this.#clients) link?.session?.lost("closed");
    await this.#quiet();
    for (const { hub } of this.#nodes) {
      assertEquals([hub.size, hub.subscribers.channels, hub.presence.watched], [0, 0, 0]);
    }
    await this.#log.stop();
  }

  async #restart(): Promise<void> {
    this.#count("restarts");
    await this.#stop();
    await this.#start();
  }

  #publish(): void {
    const drafts = Array.from({ length: 1 + this.#dice.upTo(2) }, () => ({
      channel: this.#dice.pick(this.#dice.chance(0.02) ? CHANNELS : CHANNELS.slice(1)),
      event: "message",
      data: "x".repeat(this.#dice.upTo(60)),
    }));
    this.#count("published");
    this.#wait(this.#log.publish(drafts));
  }

  // What clients do

  #connect(client: Client): void {
    const { hub } = this.#dice.pick(this.#nodes);
    const { position } = client;
    const since = position !== undefined && this.#dice.chance(0.8)
      ? parsePosition(position)
      : undefined;
    if (since !== undefined) return this.#open(client, hub, [...client.debts.keys()], since);
    client.debts.clear();
    const names = this.#dice.some(SUBSCRIPTIONS, 0.15);
    this.#open(
      client,
      hub,
      names,
      this.#dice.chance(0.3) ? this.#log.somePosition(this.#dice) : undefined,
    );
  }

  #open(client: Client, hub: Hub, names: readonly string[], since: Position | undefined): void {
    const link = new Link(client, hub, this.#dice.pick(this.#encoders), names);
    this.#links.push(link);
    client.link = link;
    const asked = since && this.#replays.ask(link, names, since);
    this.#expect(link, names, (position, recovered) => {
      client.position = position;
      if (asked !== undefined && !recovered) client.debts.clear();
      if (asked !== undefined) return this.#replayed(asked, names, recovered);
      for (const name of names) client.owe(name, parsePosition(position).offset);
    });
    if (this.#dice.chance(0.2)) link.stall();
    const transport = this.#dice.chance(0.5)
      ? link
      : new BatchingTransport(link, joinFrames, this.#batching);
    const peer = { address: "192.0.2.1" };
    link.session = hub.open(transport, peer, asked?.names ?? names, { since });
  }

  #subscribe(link: Link): void {
    const names = this.#dice.some(SUBSCRIPTIONS, 0.15).filter((name) => !link.pending.has(name));
    for (const name of names) link.wanted.add(name);
    this.#command(link, names, async () => {
      await link.session!.subscribe(names);
      link.observe();
      const starts = new Map(link.oracle.starts);
      return () => {
        const added = names.filter((name) => !link.client.debts.has(name));
        for (const name of added) link.client.owe(name, starts.get(name)!);
      };
    });
  }

  #subscribeSince(link: Link): void {
    const names = this.#dice.some(SUBSCRIPTIONS, 0.15).filter((name) => !link.pending.has(name));
    const since = this.#log.somePosition(this.#dice);
    const asked = this.#replays.ask(link, names, since);
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
    const names = this.#dice.some([...link.client.debts.keys()], 0.5)
      .filter((name) => !link.pending.has(name));
    for (const name of names) {
      link.wanted.delete(name);
      link.client.debts.delete(name);
    }
    link.hasUnsubscribed = true;
    this.#command(link, names, async () => {
      await link.session!.unsubscribe(names);
      link.observe();
      return () => {};
    });
  }

  /** Lets the session do a command, and the client know when it has the answer. */
  #command(link: Link, names: readonly string[], command: () => Promise<() => void>): void {
    for (const name of names) link.pending.add(name);
    this.#wait(
      command().then((answered) => {
        if (link.ended !== undefined) return;
        this.#expect(link, names, answered);
        link.session!.write(answer("", undefined));
      }),
    );
  }

  /** Until the answer has come, no other command is about these names: their order is no matter. */
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

  #replayed(asked: Asked, names: readonly string[], recovered: boolean): void {
    assertEquals(recovered, asked.recovered);
    this.#count(recovered ? "recovered" : "gaps");
    const { from, until, link: { client } } = asked;
    for (const name of names) client.owe(name, recovered ? from : Math.max(from, until));
  }

  // What must be true when everything has come to rest

  async #quiet(): Promise<void> {
    for (let rounds = 0; rounds < 1000; rounds++) {
      for (const { link } of this.#clients) link?.drain(Infinity);
      for (const node of this.#nodes) node.catchUp(Infinity, this.#links);
      const written = this.#written;
      await this.#clock.pass(100);
      const isCaughtUp = this.#nodes.every(({ isCaughtUp }) => isCaughtUp);
      if (this.#busy === 0 && isCaughtUp && this.#written === written) return;
    }
    throw new Error("It never comes to rest");
  }

  async #check(): Promise<void> {
    await this.#quiet();
    for (const link of this.#links) link.check(this.#outboundBytesMax);
    for (const { link, debts, received } of this.#clients) {
      if (link === undefined) continue;
      const due = this.#log.publications.filter((publication) => takesIn(debts, publication));
      const ids = due.map(({ id }) => id);
      assertSame("a client", ids.filter((id) => received.has(id)), ids);
    }
    assertEquals(this.#deliveries.total, this.#written, "deliveries counted");
    const gone = this.#links.filter(({ ended }) => ended !== undefined);
    for (const { written } of gone) this.#writtenBefore += written.length;
    this.#links = this.#links.filter(({ ended }) => ended === undefined);
  }

  get #written(): number {
    return this.#links.reduce((sum, { written }) => sum + written.length, this.#writtenBefore);
  }

  #wait<T>(promise: Promise<T>): Promise<T> {
    this.#busy++;
    promise.catch((error) => void (error === INJECTED || this.#failures.push(error)))
      .finally(() => this.#busy--);
    return promise;
  }

  #count(event: string): void {
    this.events[event] = (this.events[event] ?? 0) + 1;
  }
}
