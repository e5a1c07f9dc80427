import type { PeerListener, PeerMessage, Peers } from "../broker/peers.ts";
import type { Clock } from "../core/clock.ts";
import { randomId } from "../core/random.ts";
import { Membership, type NodeInfo, type NodeState } from "./membership.ts";
import { type Answerer, type Answers, Questions } from "./questions.ts";
import { type LocalPresence, RemotePresence } from "./remote_presence.ts";

/** What a cluster needs. */
export interface ClusterOptions {
  readonly clock: Clock;
  readonly peers: Peers;
  /** Describes this node as it is now. */
  readonly state: () => NodeState;
  readonly presence: LocalPresence;
  /** Called when a message of another node could not be handled; nothing else is lost. */
  readonly onError: (error: unknown) => void;
}

/** Handles the messages of one type. */
export type MessageHandler = (node: string, message: PeerMessage) => void;

/** The peers of a node that can have none. */
export function noPeers(): Peers {
  return { node: randomId(), listen: () => {}, tell: () => {} };
}

/**
 * The other nodes that share the log: their list, their answers, and their presence. Each node numbers its
 * messages. A node that misses a number has lost a message, and asks the sender to send everything again;
 * as heartbeats are numbered too, that happens within seconds.
 */
export class Cluster implements PeerListener {
  /** This node's id. */
  readonly node: string;
  readonly #options: ClusterOptions;
  readonly #membership: Membership;
  readonly #questions: Questions;
  readonly #presence: RemotePresence;
  readonly #handlers = new Map<string, MessageHandler>();
  readonly #syncers: ((node: string) => void)[] = [];
  readonly #leavers: ((node: string) => void)[] = [];
  /** The number of the last message of each other node. */
  readonly #numbers = new Map<string, number>();
  #sent = 0;
  #isStopped = false;

  constructor(options: ClusterOptions) {
    const { clock, state, presence: local } = this.#options = options;
    this.node = options.peers.node;
    const nodes = () => this.#membership.nodes.map(({ id }) => id);
    const questions = this.#questions = new Questions({ clock, peers: this, nodes });
    const presence = this.#presence = new RemotePresence({ peers: this, local });
    this.#membership = new Membership({
      clock,
      peers: this,
      state,
      onJoin: (node) => this.#synchronize(node),
      onLeave: (node) => this.#left(node),
    });
    this.handle("sync", (node) => this.#syncers.forEach((sync) => sync(node)));
    this.onSync((node) => presence.tellWatched(node));
    this.onLeft((node) => questions.left(node));
    this.onLeft((node) => presence.left(node));
  }

  /** True if there is no other node. */
  get isAlone(): boolean {
    return this.#membership.nodes.length === 0;
  }

  /** All nodes, this one first. */
  get nodes(): readonly NodeInfo[] {
    return [{ ...this.#options.state(), id: this.node }, ...this.#membership.nodes];
  }

  /** How many publications this node is behind the one that is furthest; some seconds old. */
  get lag(): number {
    const [own, ...others] = this.nodes.map(({ offset }) => offset);
    return Math.max(0, ...others.map((offset) => offset - own!));
  }

  /** How long a message of this node takes to come back to it, in milliseconds; 0 if none does. */
  get lagMs(): number {
    return this.#options.peers.lagMs ?? 0;
  }

  /** The other node with this id, if it is there. */
  find(id: string): NodeInfo | undefined {
    return this.#membership.find(id);
  }

  /** Joins the other nodes. */
  start(): void {
    this.#options.peers.listen(this);
    this.#membership.start();
  }

  /** Leaves the other nodes, and ignores what they send from now on. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    this.#membership.stop();
    this.#presence.stop();
  }

  /** Asks all other nodes. Resolves when all have answered or left, or after a short while. */
  ask(name: string, question: Readonly<Record<string, unknown>> = {}): Promise<Answers> {
    return this.#questions.ask(name, question);
  }

  /** Answers the questions of other nodes that have this name. */
  answer(name: string, answerer: Answerer): void {
    this.#questions.answer(name, answerer);
  }

  /** Sends a message to all other nodes, or to the one that its field `to` names. */
  tell(message: PeerMessage): void {
    this.#options.peers.tell({ ...message, number: ++this.#sent });
  }

  /** Handles the messages of one type that are for all nodes or for this one. */
  handle(type: string, handler: MessageHandler): void {
    this.#handlers.set(type, handler);
  }

  /** Calls `syncer` with each node that is new or has missed messages of this one. */
  onSync(syncer: (node: string) => void): void {
    this.#syncers.push(syncer);
  }

  /** Calls `leaver` with each node that has left, or was silent for too long. */
  onLeft(leaver: (node: string) => void): void {
    this.#leavers.push(leaver);
  }

  /** The first session of this node has begun to watch a channel, or the last one has stopped. */
  watched(channel: string, isWatched: boolean): void {
    if (isWatched) this.#presence.watch(channel);
    else this.#presence.unwatch(channel);
  }

  onMessage(node: string, message: PeerMessage): void {
    // An answer would bring this node back to the others, which it has left.
    if (this.#isStopped) return;
    try {
      this.#membership.receive(node, message);
      if (message.to === undefined || message.to === this.node) this.#receive(node, message);
      this.#count(node, message.number);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Handles a message to this node, or to all. */
  #receive(node: string, message: PeerMessage): void {
    this.#questions.receive(node, message);
    this.#presence.receive(node, message);
    this.#handlers.get(message.type)?.(node, message);
  }

  #count(node: string, number: unknown): void {
    if (typeof number !== "number" || this.find(node) === undefined) return;
    const last = this.#numbers.get(node);
    this.#numbers.set(node, number);
    if (last !== undefined && number !== last + 1) this.#synchronize(node);
  }

  /** Sends a node what this one watches, and asks it for everything. */
  #synchronize(node: string): void {
    this.tell({ type: "sync", to: node });
    this.#presence.tellWatched(node);
  }

  #left(node: string): void {
    this.#numbers.delete(node);
    for (const leaver of this.#leavers) leaver(node);
  }
}
