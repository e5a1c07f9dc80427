import type { Frame, MessageEncoder } from "./publication.ts";

export type { Frame };

/** The greeting of a session. */
export interface Welcome {
  /** The session's id. */
  readonly client: string;
  /** The id from which the client can resume if nothing else comes. */
  readonly position: string;
  /** True if everything after the `since` it gave follows; undefined if it gave none. */
  readonly recovered: boolean | undefined;
  /** The position from which it asked to resume. */
  readonly since: string | undefined;
  /** The configured greeting; empty for none. */
  readonly greeting: string;
  /** In how many milliseconds its token expires; undefined if it has none that does. */
  readonly expiresInMs?: number | undefined;
}

/** Someone on a channel. */
export interface PresenceEntry {
  readonly client: string;
  readonly user?: string;
  /** When it joined, in milliseconds since 1970. */
  readonly joined: number;
}

/** Clients that joined a channel, and clients that left it, some of which may have joined just now. */
export interface PresenceChange {
  readonly channel: string;
  readonly joined: readonly PresenceEntry[];
  readonly left: readonly PresenceEntry[];
}

/** Encodes what a server sends in one wire format. MUST be pure and MUST NOT throw. */
export interface Encoder extends MessageEncoder {
  /** The first frame of a session; undefined if the format has none. */
  welcome(welcome: Welcome): Frame | undefined;
  /** A change of presence; undefined if the format cannot carry it. */
  presence(change: PresenceChange): Frame | undefined;
}
