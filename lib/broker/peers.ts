/** A message of one node to the others: JSON with a name. */
export interface PeerMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Gets the messages of other nodes. */
export interface PeerListener {
  /** Gets each message of another node; those of one node in order. */
  onMessage(node: string, message: PeerMessage): void;
}

/** The other nodes of a cluster. Each message arrives at most once; nothing reports one that is lost. */
export interface Peers {
  /** This node's id: random, and new with each start. */
  readonly node: string;
  /** Milliseconds that a message of this node takes to come back to it; undefined if it does not. */
  readonly lagMs?: number;
  /** Sets the listener. Called once, before `tell()`. */
  listen(listener: PeerListener): void;
  /** Sends a message to all other nodes. Those of one turn travel together. */
  tell(message: PeerMessage): void;
  /** Sends messages of another node, which follows this one; the listener does not get them. */
  relay?(node: string, messages: readonly PeerMessage[]): void;
}
