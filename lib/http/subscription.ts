import { BROADCAST, checkSubscription } from "../core/channel.ts";
import { readInput } from "../core/errors.ts";
import { parsePosition, type Position } from "../core/publication.ts";

/** What a client asks for when it connects. */
export interface Subscription {
  /** Channels and patterns; `broadcast` is always among them. */
  readonly channels: readonly string[];
  readonly since: Position | undefined;
  readonly presence: boolean;
}

/**
 * Reads `?channel=a&channel=b&since=ID&presence=1`; `lastEventId` wins over `since`, as it is the
 * newer one when an EventSource comes back. Throws a `Refusal` that says what is wrong.
 */
export function readSubscription(
  query: URLSearchParams,
  lastEventId: string | null = null,
): Subscription {
  return readInput(() => {
    const channels = [...new Set([BROADCAST, ...query.getAll("channel")])];
    channels.forEach(checkSubscription);
    const since = lastEventId || query.get("since");
    return {
      channels,
      since: since ? parsePosition(since) : undefined,
      presence: query.get("presence") === "1",
    };
  });
}
