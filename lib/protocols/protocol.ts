import type { Use } from "../observe/hark_metrics.ts";
import type { Route } from "../http/router.ts";

/**
 * A protocol by which clients connect. A server serves its routes, and calls the other members in the
 * order in which they stand here. A protocol that holds nothing besides its sessions needs none of them.
 */
export interface Protocol {
  /** None where the options turn it off. */
  readonly routes: readonly Route[];
  readonly use?: Use;
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
