import type { ChannelLog, Span } from "./channel_log.ts";
import type { Publication } from "../../core/publication.ts";

/** How many pages of one read are gathered before they are cut to one. */
export const GATHERED_PAGES = 4;

/** Finds the publications of these logs that a span takes in, in its order. */
export function gather(logs: Iterable<ChannelLog>, span: Span): Publication[] {
  const { limit, newestFirst } = span;
  let left = span;
  let found: Publication[] = [];
  for (const log of logs) {
    found.push(...log.slice(left));
    if (found.length <= limit * GATHERED_PAGES) continue;
    // What comes behind a whole page is no longer looked for in the logs that are left.
    found = first(found, span);
    const { offset } = found.at(-1)!;
    left = newestFirst ? { ...left, from: offset } : { ...left, until: offset };
  }
  return first(found, span);
}

/** Puts publications in order, and returns the first of them. */
function first(publications: Publication[], { limit, newestFirst }: Span): Publication[] {
  const direction = newestFirst ? -1 : 1;
  return publications.sort((a, b) => direction * (a.offset - b.offset)).slice(0, limit);
}
