import type { Encoder, Frame } from "../core/encoder.ts";
import type { Disconnect } from "../core/errors.ts";

/** How one session's bytes travel. */
export interface Transport {
  /** Label of `hark_sessions`: `websocket`, `sse`, `socketio`. */
  readonly name: string;
  /** The encoder whose frames it takes. */
  readonly encoder: Encoder;
  /** Bytes accepted but not yet on the network. */
  readonly bufferedBytes: number;
  /** True if its client retries once, soon, and then seldom: it stays until nothing listens. */
  readonly leavesLast?: boolean;
  /** Takes one frame. MUST NOT throw and MUST NOT block; after `close()` it does nothing. */
  write(frame: Frame): void;
  /** Ends the connection. MUST be idempotent. */
  close(reason: Disconnect): void;
}
