import type { Presence } from "./presence.ts";
import type { ReplayOptions } from "./replay.ts";
import type { Subscribers } from "./subscribers.ts";

/** What sessions share. */
export interface SessionContext<S> extends ReplayOptions {
  readonly subscribers: Subscribers<S>;
  readonly presence: Presence;
  /** The first thing that a client gets; empty for nothing. */
  readonly greeting: string;
  /** Called once, when the session is over. */
  readonly onEnd: (session: S, why: string) => void;
  /** Called when a session is about to be ended because of `error`, which is ours. */
  readonly onError: (error: unknown) => void;
}
