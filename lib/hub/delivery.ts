import { type Guard, subscriptionsOf } from "../core/channel.ts";
import type { Publication } from "../core/publication.ts";
import type { Peer } from "./peer.ts";

/** Reports whether every subscriber of a matching `subscription` gets `publication`. */
export function isForAll(
  { channel, except }: Publication,
  subscription: string,
  isGuarded: Guard | undefined,
): boolean {
  return except === undefined && isOpen(channel, subscription, isGuarded);
}

/**
 * Reports whether a peer gets `publication` through a matching subscription. Through a pattern that is not
 * guarded, it gets a guarded channel only if it may receive that.
 */
export function gets(
  { channel, except }: Publication,
  subscription: string,
  peer: Peer,
  isGuarded: Guard | undefined,
): boolean {
  if (except !== undefined && peer.socketIds?.has(except)) return false;
  return isOpen(channel, subscription, isGuarded) || peer.mayReceive?.(channel) === true;
}

/** Reports whether a peer gets `publication` through a subscription that began before it. */
export function getsByAny(
  subscriptions: ReadonlyMap<string, number>,
  publication: Publication,
  peer: Peer,
  isGuarded: Guard | undefined,
): boolean {
  return subscriptionsOf(publication.channel).some((name) => {
    const offset = subscriptions.get(name);
    if (offset === undefined || offset >= publication.offset) return false;
    return gets(publication, name, peer, isGuarded);
  });
}

/** Reports whether a subscription alone is enough for a channel. */
function isOpen(channel: string, subscription: string, isGuarded: Guard | undefined): boolean {
  return subscription === channel || !isGuarded?.(channel) || isGuarded(subscription);
}
