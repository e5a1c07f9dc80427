import type { PeerMessage, Peers } from "../broker/peers.ts";
import { type Clock, within } from "../core/clock.ts";

/** Answers a question of another node: with any value of JSON. */
export type Answerer = (question: Readonly<Record<string, unknown>>) => unknown;

/** What questions need. */
export interface QuestionOptions {
  readonly clock: Clock;
  readonly peers: Pick<Peers, "tell">;
  /** The ids of the nodes that should answer. */
  readonly nodes: () => readonly string[];
}

/** The outcome of a question. */
export interface Answers {
  /** By the id of the node. */
  readonly answers: ReadonlyMap<string, unknown>;
  /** The ids of the nodes that did not answer in time, or left before they did. */
  readonly silent: readonly string[];
}

/** How long a node may take to answer. */
export const ANSWER_TIMEOUT_MS = 1000;
/** Questions of this node that wait for answers at the same time. */
const OPEN_MAX = 10_000;

/** A question that waits for answers. */
interface Open {
  readonly answers: Map<string, unknown>;
  readonly waiting: Set<string>;
  /** Nodes that left before they answered. */
  readonly gone: Set<string>;
  readonly finish: () => void;
}

/** Questions to all other nodes, and the answers to theirs. */
export class Questions {
  readonly #options: QuestionOptions;
  readonly #answerers = new Map<string, Answerer>();
  readonly #open = new Map<number, Open>();
  #asked = 0;

  constructor(options: QuestionOptions) {
    this.#options = options;
  }

  /** Answers the questions of other nodes that have this name. */
  answer(name: string, answerer: Answerer): void {
    this.#answerers.set(name, answerer);
  }

  /** Asks all other nodes. Resolves when all have answered or left, or after `ANSWER_TIMEOUT_MS`. */
  async ask(name: string, question: Readonly<Record<string, unknown>>): Promise<Answers> {
    const { clock, peers, nodes } = this.#options;
    const answers = new Map<string, unknown>();
    const waiting = new Set(nodes());
    const gone = new Set<string>();
    if (waiting.size > 0 && this.#open.size < OPEN_MAX) {
      const id = ++this.#asked;
      const { promise, resolve: finish } = Promise.withResolvers<void>();
      this.#open.set(id, { answers, waiting, gone, finish });
      peers.tell({ type: "ask", id, name, question });
      await within(clock, ANSWER_TIMEOUT_MS, promise);
      this.#open.delete(id);
    }
    return { answers, silent: [...gone, ...waiting] };
  }

  /** Takes a message of another node to this one. */
  receive(node: string, message: PeerMessage): void {
    if (message.type === "ask") this.#reply(node, message);
    else if (message.type === "answer") this.#take(node, message);
  }

  /** A node is gone: no question waits for its answer any more. */
  left(node: string): void {
    for (const { waiting, gone, finish } of this.#open.values()) {
      if (!waiting.delete(node)) continue;
      gone.add(node);
      if (waiting.size === 0) finish();
    }
  }

  #reply(node: string, { id, name, question }: PeerMessage): void {
    const answerer = this.#answerers.get(String(name));
    // A newer node may ask what this one does not know.
    if (answerer === undefined) return;
    const answer = answerer(question as Readonly<Record<string, unknown>>);
    this.#options.peers.tell({ type: "answer", to: node, id, answer });
  }

  #take(node: string, { id, answer }: PeerMessage): void {
    const open = this.#open.get(Number(id));
    if (!open?.waiting.delete(node)) return;
    open.answers.set(node, answer);
    if (open.waiting.size === 0) open.finish();
  }
}
