import type { Grant } from "../core/grant.ts";

/** Whoever is at the other end of a session. */
export interface Peer {
  readonly address: string;
  /** The user that a token names. */
  readonly user?: string | undefined;
  /** When the token expires, in milliseconds since 1970; undefined for never. */
  readonly expiresAt?: number | undefined;
}

/** The client at `address` that has this grant. */
export function peerOf(address: string, { user, expiresAt }: Grant): Peer {
  return { address, user, expiresAt };
}
