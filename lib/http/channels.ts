import { Refusal } from "../core/errors.ts";

/** What other servers, and habit, call the parameter. */
const OTHER_NAMES = ["channels", "channel[]", "topic", "topics", "room"];

/**
 * The channels and patterns that a query names, not checked. Throws a `Refusal` if it has them under a
 * name that would be ignored, and its client be left without messages.
 */
export function channelsOf(query: URLSearchParams): string[] {
  const name = OTHER_NAMES.find((each) => query.has(each));
  if (name === undefined) return query.getAll("channel");
  throw new Refusal(
    "bad-request",
    `Cannot read ?${name}=: the parameter is channel, once for each: ?channel=a&channel=b`,
  );
}
