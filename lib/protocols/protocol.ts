import type { Use } from "../observe/hark_metrics.ts";
import type { Route } from "../http/router.ts";

/**
 * A protocol by which clients connect. The server serves its routes, and calls the other members in the
 * order in which they stand here. A protocol that holds nothing besides its sessions needs none of them.
 */
export interface Protocol {
  /** Empty if the options turn the protocol off. */
  readonly routes: readonly Route[];
  readonly use?: Use;
  /** Called once the log is open, before the first request. */
  start?(): void;
  /**
   * Called after the drain, which ended all sessions but those with `leavesLast`: MUST end every other
   * connection in a way that makes its client come back.
   */
  endAll?(): void;
  /** Called right before the server stops listening: MUST end everything at once, and leave no timer. */
  close?(): void;
  /** Called last: sends what has to go elsewhere, for a few seconds at most; MUST leave no timer. */
  flush?(): Promise<void>;
}
