import type { Grant } from "../core/grant.ts";

/** The client at the other end of a session. */
export interface Peer {
  readonly address: string;
  /** The user that a token names. */
  readonly user?: string | undefined;
  /** Returns its user on a channel, where that differs from channel to channel. */
  readonly userOn?: (channel: string) => string | undefined;
  /** When the token expires, in milliseconds since 1970; undefined for never. */
  readonly expiresAt?: number | undefined;
  /** Reports whether it may receive a channel; called for guarded ones that a pattern matches. */
  readonly mayReceive?: (channel: string) => boolean;
  /** The ids by which a publisher may exclude it: that of its Pusher connection and earlier ones. */
  readonly socketIds?: ReadonlySet<string>;
}

/** Makes the peer at `address` with this grant. */
export function peerOf(address: string, grant: Grant): Peer {
  const { user, expiresAt } = grant;
  return { address, user, expiresAt, mayReceive: (channel) => grant.mayReceive(channel) };
}
