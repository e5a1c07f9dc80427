import type { Journal } from "../broker/journal.ts";
import type { Admit } from "../hub/admission.ts";

/** What processes of one machine share that listen on the same port. */
export interface SharedPort {
  /** The one log. */
  readonly journal: Journal;
  /** Admits connections within the bounds of all processes together. */
  readonly admit: Admit;
  readonly metrics: SharedMetrics;
  /** The start of every sid of this process, by which `relay` finds its sessions. */
  readonly sidPrefix: string;
  /**
   * Has another process answer a request for its session; undefined for all other requests.
   * `isFromNode` if a node of another machine forwarded the request.
   */
  readonly relay: (
    request: Request,
    address: string,
    isFromNode?: boolean,
  ) => Promise<Response> | undefined;
}

/** The metrics of all processes on the same port. */
export interface SharedMetrics {
  /** Calls `render` whenever another process needs those of this one. */
  answer(render: () => string): void;
  /** Those of all processes as text, merged as if they were one. */
  ofAll(): Promise<string>;
}
