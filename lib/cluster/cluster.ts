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
  /** What this node says of itself now. */
  readonly state: () => NodeState;
  readonly presence: LocalPresence;
  /** A message of another node could not be handled; nothing else is lost. */
  readonly onError: (error: unknown) => void;
}

/** Takes what other nodes say under one name. */
export type MessageHandler = (node: string, message: PeerMessage) => void;

/** The peers of a node that has none. */
export function noPeers(): Peers {
  return { node: randomId(), listen: () => {}, tell: () => {} };
}

/**
 * The other nodes that share the log: their list, their answers, and their presence. Each node
 * numbers its messages. One that misses a number of another has lost a message, and asks that node to say
 * everything again; with the heartbeats that heals within seconds.
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
    const peers: Peers = {
      node: this.node,
      listen: () => options.peers.listen(this),
      tell: (message) => this.tell(message),
    };
    this.#presence = new RemotePresence({ peers, local });
    this.#membership = new Membership({
      clock,
      peers,
      state,
      onJoin: ({ id }) => this.#synchronize(id),
      onLeave: (node) => this.#left(node),
    });
    const nodes = () => this.#membership.nodes.map(({ id }) => id);
    this.#questions = new Questions({ clock, peers, nodes });
  }

  /** True if there is no other node. */
  get isAlone(): boolean {
    return this.#membership.nodes.length === 0;
  }

  /** All nodes, this one first. */
  get nodes(): readonly NodeInfo[] {
    return [{ ...this.#options.state(), id: this.node }, ...this.#membership.nodes];
  }

  /** Publications that the node that has come furthest is ahead; some seconds old. */
  get lag(): number {
    const [own, ...others] = this.nodes.map(({ offset }) => offset);
    return Math.max(0, ...others.map((offset) => offset - own!));
  }

  /** How long what this node says takes to come back to it, in milliseconds. */
  get lagMs(): number {
    return this.#options.peers.lagMs ?? 0;
  }

  /** The other node of this id, if it is there. */
  find(id: string): NodeInfo | undefined {
    return this.#membership.find(id);
  }

  /** Joins the other nodes. */
  start(): void {
    this.#options.peers.listen(this);
    this.#membership.start();
  }

  /** Leaves the other nodes, and hears them no more. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    this.#membership.stop();
    this.#presence.stop();
  }

  /** Asks all other nodes. Resolves when all have answered or left, or after a short while. */
  ask(name: string, question: Readonly<Record<string, unknown>> = {}): Promise<Answers> {
    return this.#questions.ask(name, question);
  }

  /** Answers what other nodes ask under this name. */
  answer(name: string, answerer: Answerer): void {
    this.#questions.answer(name, answerer);
  }

  /** Sends a message to all other nodes; its type MUST be one that is handled there. */
  tell(message: PeerMessage): void {
    this.#options.peers.tell({ ...message, number: ++this.#sent });
  }

  /** Handles the messages of one type. */
  handle(type: string, handler: MessageHandler): void {
    this.#handlers.set(type, handler);
  }

  /** Calls `syncer` with each node that has missed messages of this one, or all of them. */
  onSync(syncer: (node: string) => void): void {
    this.#syncers.push(syncer);
  }

  /** Calls `leaver` with each node that has left, or of which nothing was heard for too long. */
  onLeft(leaver: (node: string) => void): void {
    this.#leavers.push(leaver);
  }

  /** The first session of this node watches a channel, or the last one has stopped to. */
  watched(channel: string, isWatched: boolean): void {
    if (isWatched) this.#presence.watch(channel);
    else this.#presence.unwatch(channel);
  }

  onMessage(node: string, message: PeerMessage): void {
    // An answer would bring back to the others what has left.
    if (this.#isStopped) return;
    try {
      this.#membership.receive(node, message);
      this.#questions.receive(node, message);
      this.#presence.receive(node, message);
      this.#handlers.get(message.type)?.(node, message);
      if (message.type === "sync" && message.to === this.node) this.#tellAll(node);
      this.#count(node, message.number);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #count(node: string, number: unknown): void {
    if (typeof number !== "number" || this.find(node) === undefined) return;
    const last = this.#numbers.get(node);
    this.#numbers.set(node, number);
    if (last !== undefined && number !== last + 1) this.#synchronize(node);
  }

  /** Sends a node everything, and asks it for the same. */
  #synchronize(node: string): void {
    this.tell({ type: "sync", to: node });
    this.#presence.tellWatched(node);
  }

  #tellAll(node: string): void {
    this.#presence.tellWatched(node);
    for (const sync of this.#syncers) sync(node);
  }

  #left({ id }: NodeInfo): void {
    this.#numbers.delete(id);
    this.#questions.left(id);
    this.#presence.left(id);
    for (const leaver of this.#leavers) leaver(id);
  }
}
