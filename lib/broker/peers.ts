/** What one node says to the others: a value of JSON with a name. */
export interface PeerMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Gets what other nodes say. */
export interface PeerListener {
  /** Gets each message of another node; those of one node in their order. */
  onMessage(node: string, message: PeerMessage): void;
}

/**
 * The way to the other nodes of a cluster. Each message comes at most once; one that is lost shows in
 * no other way than that it does not come.
 */
export interface Peers {
  /** This node's id: random, and new with each start. */
  readonly node: string;
  /** How long what this node says takes to come back to it, in milliseconds; undefined if it does not. */
  readonly lagMs?: number;
  /** Begins to listen. Called once, before `tell()`. */
  listen(listener: PeerListener): void;
  /** Sends a message to all other nodes. Messages of one turn travel together. */
  tell(message: PeerMessage): void;
  /**
   * Sends what another node says, which is linked to this one; the listener does not get it. Undefined
   * where no other can be.
   */
  relay?(node: string, messages: readonly PeerMessage[]): void;
}
