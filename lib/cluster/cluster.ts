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
}

/** Takes what other nodes say under one name. */
export type MessageHandler = (node: string, message: PeerMessage) => void;

/** The peers of a node that has none. */
export function noPeers(): Peers {
  return { node: randomId(), listen: () => {}, tell: () => {} };
}

/** The other nodes that share the log: who they are, what they know, and who is present there. */
export class Cluster implements PeerListener {
  /** This node's id. */
  readonly node: string;
  readonly #options: ClusterOptions;
  readonly #membership: Membership;
  readonly #questions: Questions;
  readonly #presence: RemotePresence;
  readonly #handlers = new Map<string, MessageHandler>();

  constructor(options: ClusterOptions) {
    const { clock, peers, state, presence: local } = this.#options = options;
    this.node = peers.node;
    this.#presence = new RemotePresence({ peers, local });
    this.#membership = new Membership({
      clock,
      peers,
      state,
      onJoin: () => this.#presence.joined(),
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

  /** The other node of this id, if it is there. */
  find(id: string): NodeInfo | undefined {
    return this.#membership.find(id);
  }

  /** Joins the other nodes. */
  start(): void {
    this.#options.peers.listen(this);
    this.#membership.start();
  }

  /** Leaves the other nodes. */
  stop(): void {
    this.#membership.stop();
  }

  /** Asks all other nodes. Resolves when all have answered, or after a short while. */
  ask(name: string, question: Readonly<Record<string, unknown>> = {}): Promise<Answers> {
    return this.#questions.ask(name, question);
  }

  /** Answers what other nodes ask under this name. */
  answer(name: string, answerer: Answerer): void {
    this.#questions.answer(name, answerer);
  }

  /** Sends a message to all other nodes; its type MUST be one that is handled there. */
  tell(message: PeerMessage): void {
    this.#options.peers.tell(message);
  }

  /** Handles the messages of one type. */
  handle(type: string, handler: MessageHandler): void {
    this.#handlers.set(type, handler);
  }

  /** The first session of this node watches a channel, or the last one has stopped to. */
  watched(channel: string, isWatched: boolean): void {
    if (isWatched) this.#presence.watch(channel);
    else this.#presence.unwatch(channel);
  }

  onMessage(node: string, message: PeerMessage): void {
    this.#membership.receive(node, message);
    this.#questions.receive(node, message);
    this.#presence.receive(node, message);
    this.#handlers.get(message.type)?.(node, message);
  }

  #left({ id }: NodeInfo): void {
    this.#questions.left(id);
    this.#presence.left(id);
  }
}
