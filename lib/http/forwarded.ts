import { parseIPv6 } from "../core/address.ts";
import { ownText } from "../core/text.ts";

/** The scheme by which a client reached the server. */
export type Protocol = "http" | "https";

/** What the proxies in front of a server say of a client; undefined what they do not say. */
export interface Forwarded {
  /** An IP address in its canonical form, without a port. */
  readonly address: string | undefined;
  readonly protocol: Protocol | undefined;
}

const NOTHING: Forwarded = { address: undefined, protocol: undefined };

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"';
/** One parameter of RFC 7239 section 4, with the semicolon after it. */
const PAIR = new RegExp(`[\\t ]*(${TOKEN})=(?:(${TOKEN})|${QUOTED})[\\t ]*(?:;|$)`, "y");
/** A port, or what stands for one (RFC 7239 section 6.3). */
const PORT = "(?::(?:\\d{1,5}|_[\\w.-]+))?";
const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^(${BYTE}(?:\\.${BYTE}){3})${PORT}$`);
const BRACKETED = new RegExp(`^\\[([^\\]]*)\\]${PORT}$`);

/** Some proxies name the protocol of a WebSocket by its own scheme. */
const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ["http", "http"],
  ["https", "https"],
  ["ws", "http"],
  ["wss", "https"],
]);

/** Headers by which proxies of every kind say that a request came past them. */
const FORWARDING = /^(forwarded|x-forwarded.*|x-real-ip|via|(.+-)?(client|connecting)-ip)$/;

/** Reports whether anything in the headers says that a request came past a proxy. */
export function isForwarded(headers: Headers): boolean {
  return Array.from(headers.keys()).some((name) => FORWARDING.test(name));
}

/** Which proxies are believed, and by which header. */
export interface ForwardedRules {
  /** How many proxies in front are trusted. */
  readonly trustProxy: number;
  /** The one header in which they pass on the client's address. */
  readonly forwardedHeader: string;
}

/**
 * Reads what the trusted proxies, each of which added itself at the right end, say of a client:
 * address and protocol by `Forwarded` (RFC 7239) if that is the header, else the address by the header
 * and the protocol by `X-Forwarded-Proto`. Whatever stands further left a client may have made up, and
 * is not looked at; nor is any other header, as most proxies write one kind and let a client's own
 * pass in the others. An entry of a trusted proxy that cannot be read is not believed.
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
 * The last elements of a list with quoted strings. It is taken apart from its end, so that a quote
 * which a client left open on the left hides nothing on the right.
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

/** Whether an odd number of backslashes stands before a place: each of an even number escapes another. */
function isEscaped(text: string, at: number): boolean {
  let start = at;
  while (text[start - 1] === "\\") start--;
  return (at - start) % 2 === 1;
}

/** An element's parameters by their names in lower case; undefined if it is malformed. */
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

/** The address of RFC 7239 section 6: IPv6 in brackets, either with a port or not. */
function parseNode(text: string): string | undefined {
  const [, ipv4] = IPV4.exec(text) ?? [];
  // Rates and counts remember it, and must not remember the whole header.
  if (ipv4 !== undefined) return ownText(ipv4);
  const [, ipv6] = BRACKETED.exec(text) ?? [];
  return ipv6 === undefined ? undefined : parseIPv6(ipv6);
}

/** The address of `X-Forwarded-For`, where IPv6 commonly has no brackets. */
function parseAddress(text: string): string | undefined {
  const address = text.trim();
  return parseNode(address) ?? parseIPv6(address);
}

function parseProtocol(text: string): Protocol | undefined {
  return PROTOCOLS.get(text.trim().toLowerCase());
}
