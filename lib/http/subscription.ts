import { BROADCAST, checkSubscription } from "../core/channel.ts";
import { readInput, Refusal } from "../core/errors.ts";
import { isPosition, parsePosition, type Position } from "../core/publication.ts";
import { parseSince, type Since } from "../core/since.ts";

/** What a client asks for when it connects. */
export interface Subscription {
  /** Channels and patterns; `broadcast` is always among them. */
  readonly channels: readonly string[];
  readonly since: Since | undefined;
  readonly presence: boolean;
}

/** Names that other servers have for the parameter `channel`. */
const OTHER_NAMES = ["channels", "channel[]", "topic", "topics", "room"];
/** `Last-Event-ID` as EventSource libraries, which cannot set a header, and Mercure's clients send it. */
const LAST_EVENT_IDS = ["lastEventId", "lastEventID", "last-event-id", "Last-Event-ID"];
/** The position of a client with an id of another server: in no log of ours. */
const FOREIGN: Position = { epoch: "foreign", offset: 0 };

/**
 * Reads `?channel=a&channel=b&since=SINCE&presence=1`, and `since` as `readSince()` does. Throws a
 * `Refusal` that says what is wrong.
 */
export function readSubscription(
  query: URLSearchParams,
  nowMs: number,
  lastEventId: string | null = null,
): Subscription {
  return readInput(() => {
    const channels = [...new Set([BROADCAST, ...channelsOf(query)])];
    channels.forEach(checkSubscription);
    return {
      channels,
      since: readSince(query, nowMs, lastEventId),
      presence: query.get("presence") === "1",
    };
  });
}

/**
 * The channels and patterns that a query names, not checked. Throws a `Refusal` for another name of the
 * parameter: ignored, it would leave its client without messages.
 */
export function channelsOf(query: URLSearchParams): string[] {
  const name = OTHER_NAMES.find((each) => query.has(each));
  if (name === undefined) return query.getAll("channel");
  throw new Refusal(
    "bad-request",
    `Cannot read ?${name}=: the parameter is channel, once for each: ?channel=a&channel=b`,
  );
}

/**
 * Reads where to begin or resume. The header `Last-Event-ID` counts before the same in the query, and
 * that before `since`: what a client adds when it comes back is newer than its URL. An id that is not
 * Hark's counts as a position in another log, because an EventSource never returns after a refusal.
 * Throws a `Refusal` for a `since` that `parseSince()` cannot read: somebody typed it.
 */
export function readSince(
  query: URLSearchParams,
  nowMs: number,
  lastEventId: string | null = null,
): Since | undefined {
  const ids = [lastEventId, ...LAST_EVENT_IDS.map((name) => query.get(name))];
  const id = ids.find((text) => text);
  if (id) return isPosition(id) ? parsePosition(id) : FOREIGN;
  const since = query.get("since");
  return since ? readInput(() => parseSince(since, nowMs)) : undefined;
}
