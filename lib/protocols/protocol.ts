import type { Route } from "../http/router.ts";

/** What the clients of a protocol take up, besides connections and sessions. */
export interface ProtocolUse {
  /** Bytes of the bodies that are being read. */
  readonly bodyBytes: number;
  /** Sessions of Engine.IO. */
  readonly engineSessions?: number;
  /** Clients of Engine.IO that have not connected to anything yet. */
  readonly handshakes?: number;
}

/**
 * A protocol by which clients connect. A server serves its routes, and calls the other members in the
 * order in which they stand here. A protocol that holds nothing besides its sessions needs none of them.
 */
export interface Protocol {
  /** None where the options turn it off. */
  readonly routes: readonly Route[];
  readonly use?: ProtocolUse;
  /** Called once the log is open, before the first request. */
  start?(): void;
  /**
   * Called after the drain, when the sessions have been sent away but those that leave last: MUST end
   * every other connection, in such a way that its client comes back.
   */
  endAll?(): void;
  /** Called right before nothing listens any more: MUST end all at once, and leave no timer. */
  close?(): void;
  /** Called last: sends what is to go elsewhere, for a few seconds, and MUST leave no timer either. */
  flush?(): Promise<void>;
}
