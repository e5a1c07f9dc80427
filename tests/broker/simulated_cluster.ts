import { assertEquals } from "@std/assert";
import type { Position, Publication } from "../../lib/core/publication.ts";
import { Refusal } from "../../lib/core/errors.ts";
import type { LogBroker } from "../../lib/broker/log_broker.ts";
import type { Journal } from "../../lib/broker/journal.ts";
import { BEHIND_MS } from "../../lib/hub/replay.ts";
import { Dice } from "../support/dice.ts";
import type { FakeClock } from "../support/fake_clock.ts";
import { brokerOn } from "./helpers.ts";

const ROUNDS_MAX = 100;
const LIMITS = { historyCount: 100_000, historyBytesMax: 1e9, historyTotalBytesMax: 1e9 };

/** The journal of one node, and its way to the server. */
export interface NodeJournal extends Journal {
  readonly isCut: boolean;
  /** Cuts the way, or mends it. */
  cut(isCut: boolean): void;
  /** Whether the server has all that this node knows of. */
  readonly isCurrent: boolean;
  /** Lets the next entries arrive, where they do not by themselves. */
  pump(count: number): void;
}

/** The server that keeps the log, and what may happen to it. */
export interface World {
  readonly clock: FakeClock;
  addNode(): NodeJournal;
  /** Another server takes its place, without the last entries. */
  loseTail(count: number): void;
  /** Another server takes its place, with nothing. */
  loseAll(): void;
  /** No more faults. */
  heal?(): void;
  /** Lets happen what takes real time, if anything does. */
  turn?(): Promise<void>;
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
  readonly journal: NodeJournal;
  readonly broker: LogBroker;
}

/** Nodes and clients with faults, as a seed has it, on a clock that a test turns. */
export class ClusterSimulation {
  readonly events: Record<string, number> = {};
  readonly #dice: Dice;
  readonly #world: World;
  readonly #clock: FakeClock;
  readonly #nodes: SimulatedNode[] = [];
  readonly #clients = Array.from({ length: 5 }, () => new SimulatedClient());
  /** What was acknowledged, in the order in which it was. */
  readonly #accepted: (Position & { readonly text: string })[] = [];
  readonly #failures: unknown[] = [];
  #published = 0;
  /** How many are not answered yet. */
  #publishing = 0;

  constructor(seed: number, makeWorld: (dice: Dice) => World) {
    const dice = this.#dice = new Dice(seed);
    const { clock } = this.#world = makeWorld(dice);
    this.#clock = clock;
  }

  /** Throws unless each client got all once and in order, or was told that some of it is gone. */
  async run(steps: number): Promise<void> {
    for (let count = 0; count < 3; count++) await this.#addNode(count);
    for (let step = 0; step < steps; step++) {
      await this.#act();
      if (this.#world.turn !== undefined) await this.#world.turn();
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
    this.#world.loseTail(this.#dice.upTo(6));
  }

  #loseAll(): void {
    this.#count("logs lost");
    this.#world.loseAll();
  }

  async #addNode(at: number): Promise<void> {
    const journal = this.#world.addNode();
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
    this.#publishing++;
    broker.publish({ drafts: [{ channel: "a", event: "message", data: text }] }).then(
      ({ epoch, offset }) => void this.#accepted.push({ text, epoch, offset }),
      (error) => void (error instanceof Refusal ? this.#count("refused") : this.#fail(error)),
    ).finally(() => this.#publishing--);
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
    this.#world.heal?.();
    for (const { journal } of this.#nodes) journal.cut(false);
    await this.#passRounds(() => this.#areNodesAtRest);
    await this.#passRounds(() => {
      for (const [at, client] of this.#clients.entries()) {
        this.#connect(client, this.#nodes[at % 3]!);
      }
      return this.#areNodesAtRest && this.#areClientsAtRest;
    });
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** Lets time pass until all is done, and some more. */
  async #passRounds(isDone: () => boolean): Promise<void> {
    let done = 0;
    for (let round = 0; done < 2; round++) {
      if (round === ROUNDS_MAX) throw new Error(`it does not come to rest: ${this.#state()}`);
      if (isDone()) done++;
      await this.#passTime(BEHIND_MS);
    }
  }

  #state(): string {
    const nodes = this.#nodes.map(({ broker: { isUp, position } }) => ({ isUp, ...position }));
    const clients = this.#clients.map(({ position }) => position);
    return JSON.stringify({ publishing: this.#publishing, nodes, clients });
  }

  get #areNodesAtRest(): boolean {
    const [first] = this.#nodes;
    const { epoch, offset } = first!.broker.position;
    return this.#publishing === 0 && this.#nodes.every(({ broker: { isUp, position } }) => {
      return isUp && position.epoch === epoch && position.offset === offset;
    });
  }

  get #areClientsAtRest(): boolean {
    return this.#clients.every(({ node, held }) => node !== undefined && held === undefined);
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
