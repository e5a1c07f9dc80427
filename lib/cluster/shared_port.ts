import type { Journal } from "../broker/journal.ts";
import type { Admit } from "../hub/admission.ts";

/** What the processes of one machine that listen on the same port have in common. */
export interface SharedPort {
  /** The log of all. */
  readonly journal: Journal;
  /** Takes slots of all. */
  readonly admit: Admit;
  readonly metrics: SharedMetrics;
  /** What the sids of this process begin with, by which `relay` knows them. */
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

/** The metrics of all processes on the same port. */
export interface SharedMetrics {
  /** Calls `render` whenever those of this process are asked for. */
  answer(render: () => string): void;
  /** Those of all as text, as if they were one process. */
  ofAll(): Promise<string>;
}
