import { Refusal } from "../core/errors.ts";

/** Whom and what a request asks, as it was sent. */
export interface Target {
  /** A name or address, in lower case and without the port; IPv6 in brackets. */
  readonly host: string;
  /** Still percent-encoded: `URL` would resolve dots and turn backslashes around. */
  readonly path: string;
  /** With its question mark; empty if there is none. */
  readonly search: string;
}

/** RFC 9110 section 7.2, with as much of RFC 3986's reg-name as names and addresses have. */
const HOST = /^([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{0,5})?$/;
/** Where Deno makes up a host, for lack of one, of a Unix socket's path. */
const NO_HOST = /^http\+unix:\/\/%2f/i;
const LOCAL_NAME = /^(([a-z0-9_-]+\.)*localhost\.?|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Takes a request's target apart. Deno puts `Host`, whatever it says, and the authority of a target in
 * absolute form into the URL before the path: so neither may hold what ends an authority. Of the two the
 * target's counts (RFC 9112 section 3.2.2).
 *
 * @throws {Refusal} if either is no `host[:port]`
 */
export function readTarget({ url, headers }: Pick<Request, "url" | "headers">): Target {
  const start = url.indexOf("//") + 2;
  const slash = url.indexOf("/", start);
  const end = slash < 0 ? url.length : slash;
  const header = headers.get("host");
  const isMadeUp = header === null && NO_HOST.test(url);
  const authority = isMadeUp ? "localhost" : url.slice(start, end);
  const host = parseHost(authority);
  const isOther = header !== null && header !== authority;
  if (host === undefined || (isOther && parseHost(header) === undefined)) {
    throw new Refusal("bad-request", "Cannot read whom the request is for: expected host[:port]");
  }
  const target = end === url.length ? "/" : url.slice(end);
  const mark = target.indexOf("?");
  if (mark < 0) return { host, path: target, search: "" };
  return { host, path: target.slice(0, mark), search: target.slice(mark) };
}

/** What stands before the port, in lower case; undefined if the text is no `host[:port]`. */
function parseHost(text: string): string | undefined {
  return HOST.exec(text.toLowerCase())?.[1];
}

/** Reports whether a host of a `Target` is a name or address of this machine that nobody else can have. */
export function isLocalHost(host: string): boolean {
  return LOCAL_NAME.test(host);
}
