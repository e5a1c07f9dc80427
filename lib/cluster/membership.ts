import type { PeerMessage, Peers } from "../broker/peers.ts";
import { type Clock, every, type Timer } from "../core/clock.ts";

/** What a node says of itself. */
export interface NodeState {
  /** As its operator calls it. */
  readonly name: string;
  readonly version: string;
  /** Where other nodes can reach it; empty for nowhere. */
  readonly address: string;
  readonly sessions: number;
  /** How far it has come in the log. */
  readonly offset: number;
}

/** Another node. */
export interface NodeInfo extends NodeState {
  readonly id: string;
}

/** What membership needs. */
export interface MembershipOptions {
  readonly clock: Clock;
  readonly peers: Peers;
  /** What this node says of itself now. */
  readonly state: () => NodeState;
  /** Called when another node is there; it knows nothing of this one yet. */
  readonly onJoin: (node: NodeInfo) => void;
  /** Called when a node has left, or nothing was heard of it for too long. */
  readonly onLeave: (node: NodeInfo) => void;
}

/** From one sign of life to the next. */
export const HEARTBEAT_MS = 3000;
/** A node of which nothing was heard for so long is gone; that is noticed a heartbeat later at most. */
export const SILENCE_MS = 10_000;
/** A node whose own heartbeat is so late was frozen, and has not yet heard what the others said. */
const FROZEN_MS = 2 * HEARTBEAT_MS;
/** Nodes that are known at a time. */
export const NODES_MAX = 1000;

interface Known {
  info: NodeInfo;
  heardAt: number;
}

/** The other nodes of the cluster: each says all few seconds that it is there. */
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

  /** The node of this id, if it is there. */
  find(id: string): NodeInfo | undefined {
    return this.#nodes.get(id)?.info;
  }

  /** Says that this node is there, and asks the others to say the same. */
  start(): void {
    this.#say("hello");
    this.#beatAt = this.#options.clock.monotonic();
    this.#beat = every(this.#options.clock, HEARTBEAT_MS, () => {
      this.#say("alive");
      this.#forgetSilent();
    });
  }

  /** Says that this node leaves. Idempotent. */
  stop(): void {
    if (this.#beat === undefined) return;
    this.#beat.cancel();
    this.#beat = undefined;
    this.#say("bye");
  }

  /** Takes a message of another node; those that are not about membership count as a sign of life. */
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
    this.#options.onJoin(info);
  }

  #remove(id: string): void {
    const known = this.#nodes.get(id);
    if (!this.#nodes.delete(id)) return;
    this.#options.onLeave(known!.info);
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
    // The time is for `hark check`, which compares clocks.
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
