import type { PeerListener, PeerMessage, Peers } from "../../lib/broker/peers.ts";

interface Told {
  readonly node: string;
  readonly message: PeerMessage;
}

/** The way between nodes, turned by hand: what is told waits until `deliver()`. */
export class FakePeers {
  /** Everything that was told, lost messages too. */
  readonly told: Told[] = [];
  /** Reports whether a message is lost. */
  loses: (node: string, message: PeerMessage) => boolean = () => false;
  readonly #listeners = new Map<string, PeerListener>();
  #waiting: Told[] = [];

  /** The peers of one node. */
  of(node: string): Peers {
    return {
      node,
      listen: (listener) => void this.#listeners.set(node, listener),
      tell: (message) => {
        // As it travels.
        const told = { node, message: JSON.parse(JSON.stringify(message)) as PeerMessage };
        this.told.push(told);
        if (!this.loses(node, told.message)) this.#waiting.push(told);
      },
    };
  }

  /** A node is killed: it hears and says nothing more. */
  kill(node: string): void {
    this.#listeners.delete(node);
    this.#waiting = this.#waiting.filter((told) => told.node !== node);
  }

  /** Delivers what was told, and what is told because of it. */
  deliver(): void {
    for (let told = this.#waiting.shift(); told !== undefined; told = this.#waiting.shift()) {
      for (const [node, listener] of [...this.#listeners]) {
        if (node !== told.node) listener.onMessage(told.node, told.message);
      }
    }
  }

  /** The types of what a node has told since the last call, in order. */
  takeTypes(node: string): string[] {
    const types = this.told.filter((told) => told.node === node).map(({ message }) => message.type);
    this.told.splice(0);
    return types;
  }
}
