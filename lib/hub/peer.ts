import type { Grant } from "../core/grant.ts";

/** Whoever is at the other end of a session. */
export interface Peer {
  readonly address: string;
  /** The user that a token names. */
  readonly user?: string | undefined;
  /** The user that it is on one channel, where that is not the same on all. */
  readonly userOn?: (channel: string) => string | undefined;
  /** When the token expires, in milliseconds since 1970; undefined for never. */
  readonly expiresAt?: number | undefined;
  /** Reports whether it may receive a channel; asked of guarded ones that a pattern takes in. */
  readonly mayReceive?: (channel: string) => boolean;
  /** The ids by which a publisher may leave it out: of its Pusher connection and those before. */
  readonly socketIds?: ReadonlySet<string>;
}

/** The client at `address` that has this grant. */
export function peerOf(address: string, grant: Grant): Peer {
  const { user, expiresAt } = grant;
  return { address, user, expiresAt, mayReceive: (channel) => grant.mayReceive(channel) };
}
