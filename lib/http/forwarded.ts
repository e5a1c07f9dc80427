import { parseIPv6 } from "../core/address.ts";
import { ownText } from "../core/text.ts";

/** The scheme by which a client reached the server. */
export type Protocol = "http" | "https";

/** What the trusted proxies report about a client; undefined where they report nothing. */
export interface Forwarded {
  /** An IP address in its canonical form, without a port. */
  readonly address: string | undefined;
  readonly protocol: Protocol | undefined;
}

const NOTHING: Forwarded = { address: undefined, protocol: undefined };

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"';
/** One parameter (RFC 7239 section 4) with the semicolon that ends it. */
const PAIR = new RegExp(`[\\t ]*(${TOKEN})=(?:(${TOKEN})|${QUOTED})[\\t ]*(?:;|$)`, "y");
/** A port, or the name of one that is hidden (RFC 7239 section 6.3). */
const PORT = "(?::(?:\\d{1,5}|_[\\w.-]+))?";
const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^(${BYTE}(?:\\.${BYTE}){3})${PORT}$`);
const BRACKETED = new RegExp(`^\\[([^\\]]*)\\]${PORT}$`);

/** Some proxies write the scheme of a WebSocket. */
const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ["http", "http"],
  ["https", "https"],
  ["ws", "http"],
  ["wss", "https"],
]);

/** Headers that proxies of any kind add. */
const FORWARDING = /^(forwarded|x-forwarded.*|x-real-ip|via|(.+-)?(client|connecting)-ip)$/;

/** Reports whether any header shows that a request came through a proxy. */
export function cameByProxy(headers: Headers): boolean {
  return Array.from(headers.keys()).some((name) => FORWARDING.test(name));
}

/** How many proxies are trusted, and which header they write. */
export interface ForwardedRules {
  /** Trusted proxies between client and server. */
  readonly trustProxy: number;
  /** The one header that carries the client's address. */
  readonly forwardedHeader: string;
}

/**
 * Reads a client's address and protocol from the entries of the trusted proxies, each of which adds its
 * own at the right end. `Forwarded` (RFC 7239) has both; with any other header the protocol is in
 * `X-Forwarded-Proto`. Entries further left may come from the client and are ignored. So are all other
 * headers: most proxies write one kind, and leave the others as the client sent them. If one entry cannot
 * be read, the result is undefined.
 */
export function readForwarded(
  headers: Headers,
  { trustProxy: hops, forwardedHeader }: ForwardedRules,
): Forwarded {
  if (hops === 0) return NOTHING;
  if (forwardedHeader.toLowerCase() === "forwarded") {
    return readStandard(headers.get("forwarded") ?? "", hops);
  }
  return {
    address: outermost(lastItems(headers.get(forwardedHeader), hops), parseAddress),
    protocol: outermost(lastItems(headers.get("x-forwarded-proto"), hops), parseProtocol),
  };
}

function lastItems(header: string | null, hops: number): readonly string[] {
  return header?.split(",").slice(-hops) ?? [];
}

function readStandard(header: string, hops: number): Forwarded {
  const elements = lastElements(header, hops).map(parseElement);
  return {
    address: outermost(elements, (element) => parseNode(element?.get("for") ?? "")),
    protocol: outermost(elements, (element) => parseProtocol(element?.get("proto") ?? "")),
  };
}

/** The first of the trusted entries, if all of them can be read. */
function outermost<Entry, Value>(
  entries: readonly Entry[],
  parse: (entry: Entry) => Value | undefined,
): Value | undefined {
  const values = entries.map(parse);
  return values.includes(undefined) ? undefined : values[0];
}

/**
 * The last elements of a list with quoted strings. Reads from the end: a quote that a client left open on
 * the left hides nothing on the right.
 */
function lastElements(text: string, count: number): string[] {
  const elements: string[] = [];
  let end = text.length;
  let isQuoted = false;
  for (let at = text.length - 1; at >= 0 && elements.length < count; at--) {
    if (text[at] === '"' && !isEscaped(text, at)) isQuoted = !isQuoted;
    if (text[at] !== "," || isQuoted) continue;
    elements.unshift(text.slice(at + 1, end));
    end = at;
  }
  if (elements.length < count) elements.unshift(text.slice(0, end));
  return elements;
}

/** Reports whether an odd number of backslashes stands before `at`: of two, one escapes the other. */
function isEscaped(text: string, at: number): boolean {
  let start = at;
  while (text[start - 1] === "\\") start--;
  return (at - start) % 2 === 1;
}

/** The parameters of an element by name in lower case; undefined if it is malformed. */
function parseElement(text: string): ReadonlyMap<string, string> | undefined {
  const element = text.trim();
  const parameters = new Map<string, string>();
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < element.length) {
    const [, name, token, quoted] = PAIR.exec(element) ?? [];
    if (name === undefined || parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), token ?? quoted!.replace(/\\(.)/g, "$1"));
  }
  return parameters;
}

/** Reads an address (RFC 7239 section 6): IPv6 in brackets, and either kind with or without a port. */
function parseNode(text: string): string | undefined {
  const [, ipv4] = IPV4.exec(text) ?? [];
  // A copy: rates and counts keep it, and must not keep the whole header.
  if (ipv4 !== undefined) return ownText(ipv4);
  const [, ipv6] = BRACKETED.exec(text) ?? [];
  return ipv6 === undefined ? undefined : parseIPv6(ipv6);
}

/** Reads an address of `X-Forwarded-For`, where IPv6 often has no brackets. */
function parseAddress(text: string): string | undefined {
  const address = text.trim();
  return parseNode(address) ?? parseIPv6(address);
}

function parseProtocol(text: string): Protocol | undefined {
  return PROTOCOLS.get(text.trim().toLowerCase());
}
