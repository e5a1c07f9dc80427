import type { PeerMessage, Peers } from "../broker/peers.ts";
import { type Clock, every, type Timer } from "../core/clock.ts";

/** How a node describes itself. */
export interface NodeState {
  /** The operator's name for it. */
  readonly name: string;
  readonly version: string;
  /** Where other nodes can reach it; empty for nowhere. */
  readonly address: string;
  readonly sessions: number;
  /** Where it is in the log. */
  readonly offset: number;
}

/** Another node. */
export interface NodeInfo extends NodeState {
  readonly id: string;
}

/** What membership needs. */
export interface MembershipOptions {
  readonly clock: Clock;
  readonly peers: Pick<Peers, "tell">;
  /** Describes this node as it is now. */
  readonly state: () => NodeState;
  /** Called with the id of a node that has come; it knows nothing of this one yet. */
  readonly onJoin: (id: string) => void;
  /** Called with the id of a node that has left, or was silent for too long. */
  readonly onLeave: (id: string) => void;
}

/** Time between two heartbeats of a node. */
export const HEARTBEAT_MS = 3000;
/** A node that is silent for so long is gone; the others notice that a heartbeat later at most. */
export const SILENCE_MS = 10_000;
/** A node whose own heartbeat is so late was frozen, and has not yet read what the others sent. */
const FROZEN_MS = 2 * HEARTBEAT_MS;
/** Other nodes that a node knows at the same time. */
export const NODES_MAX = 1000;

interface Known {
  info: NodeInfo;
  heardAt: number;
}

/** The other nodes of the cluster: each sends a heartbeat every few seconds. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #nodes = new Map<string, Known>();
  #beat: Timer | undefined;
  #beatAt = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** The other nodes. */
  get nodes(): NodeInfo[] {
    return Array.from(this.#nodes.values(), ({ info }) => info);
  }

  /** The node with this id, if it is there. */
  find(id: string): NodeInfo | undefined {
    return this.#nodes.get(id)?.info;
  }

  /** Says hello, which the others answer, and begins the heartbeat. */
  start(): void {
    this.#say("hello");
    this.#beatAt = this.#options.clock.monotonic();
    this.#beat = every(this.#options.clock, HEARTBEAT_MS, () => {
      this.#say("alive");
      this.#forgetSilent();
    });
  }

  /** Says goodbye to the others. Idempotent. */
  stop(): void {
    if (this.#beat === undefined) return;
    this.#beat.cancel();
    this.#beat = undefined;
    this.#say("bye");
  }

  /** Takes a message of another node; every message is a sign of life. */
  receive(id: string, message: PeerMessage): void {
    if (message.type === "bye") return this.#remove(id);
    const known = this.#nodes.get(id);
    if (known !== undefined) known.heardAt = this.#options.clock.monotonic();
    if (message.type !== "hello" && message.type !== "alive") return;
    const info = { ...readState(message), id };
    if (known !== undefined) known.info = info;
    else this.#add(info);
    if (message.type === "hello") this.#say("alive");
  }

  #add(info: NodeInfo): void {
    if (this.#nodes.size >= NODES_MAX) return;
    this.#nodes.set(info.id, { info, heardAt: this.#options.clock.monotonic() });
    this.#options.onJoin(info.id);
  }

  #remove(id: string): void {
    if (this.#nodes.delete(id)) this.#options.onLeave(id);
  }

  #forgetSilent(): void {
    const now = this.#options.clock.monotonic();
    const wasFrozen = now - this.#beatAt > FROZEN_MS;
    this.#beatAt = now;
    for (const [id, known] of this.#nodes) {
      if (wasFrozen) known.heardAt = now;
      else if (now - known.heardAt >= SILENCE_MS) this.#remove(id);
    }
  }

  #say(type: string): void {
    const { peers, state, clock } = this.#options;
    // `hark check` compares the time with that of Redis.
    peers.tell({ type, ...state(), time: clock.now() });
  }
}

function readState(message: PeerMessage): NodeState {
  return {
    name: String(message.name),
    version: String(message.version),
    address: String(message.address),
    sessions: Number(message.sessions),
    offset: Number(message.offset),
  };
}
