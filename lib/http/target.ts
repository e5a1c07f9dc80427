import { Refusal } from "../core/errors.ts";

/** The target of a request, as it was sent. */
export interface Target {
  /** A name or address, in lower case and without the port; IPv6 in brackets. */
  readonly host: string;
  /** Still percent-encoded: `URL` would resolve dots and turn backslashes into slashes. */
  readonly path: string;
  /** With its question mark; empty if there is none. */
  readonly search: string;
}

/** RFC 9110 section 7.2, with the characters of RFC 3986 that names and addresses have. */
const HOST = /^([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{0,5})?$/;
/** The URL of a request without a host on a Unix socket: Deno puts the path of the socket there. */
const NO_HOST = /^http\+unix:\/\/%2f/i;
const LOCAL_NAME = /^(([a-z0-9_-]+\.)*localhost\.?|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Parses the target of a request. Deno copies any `Host` into the URL, or the authority of a target in
 * absolute form: so both are checked for characters that end an authority. The authority of the target
 * counts (RFC 9112 section 3.2.2).
 *
 * @throws {Refusal} if either is no `host[:port]`
 */
export function readTarget({ url, headers }: Pick<Request, "url" | "headers">): Target {
  const start = url.indexOf("//") + 2;
  const slash = url.indexOf("/", start);
  const end = slash < 0 ? url.length : slash;
  const header = headers.get("host");
  const hasNoHost = header === null && NO_HOST.test(url);
  const authority = hasNoHost ? "localhost" : url.slice(start, end);
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

/** The part before the port, in lower case; undefined if the text is no `host[:port]`. */
function parseHost(text: string): string | undefined {
  return HOST.exec(text.toLowerCase())?.[1];
}

/** Reports whether a host of a `Target` is a loopback name or address, which nobody else can have. */
export function isLocalHost(host: string): boolean {
  return LOCAL_NAME.test(host);
}
