import type { SharedMetrics } from "./api/status.ts";
import type { Journal } from "./broker/journal.ts";
import type { Admit } from "./hub/admission.ts";

/** What servers have that are several processes on one port. */
export interface Shared {
  /** The log of all. */
  readonly journal: Journal;
  /** Takes slots of all. */
  readonly admit: Admit;
  /** The metrics of all. */
  readonly metrics: SharedMetrics;
  /** What the sids of this one begin with, by which `relay` knows them. */
  readonly sidPrefix: string;
  /**
   * Has another process answer what is not for this one; undefined if it is. `isSentOn` if the request
   * came from a node that does not share the port.
   */
  readonly relay: (
    request: Request,
    address: string,
    isSentOn?: boolean,
  ) => Promise<Response> | undefined;
}
