const GROUPS = 8;
const NETWORK_GROUPS = 4;
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
/** RFC 6052, section 2.1: where a translator puts the address of each of its clients. */
const TRANSLATED = /^64:ff9b::(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})$/;

/** Reports whether an address or host name is one of this machine that no other machine can reach. */
export function isLoopback(host: string): boolean {
  return /^(localhost\.?|::1)$/.test(host) || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Returns the canonical form of an IPv6 address (RFC 5952), or the IPv4 address that is mapped into it.
 * Undefined if the text is no IPv6 address.
 */
export function parseIPv6(text: string): string | undefined {
  if (!/^[0-9a-f:.]{2,45}$/i.test(text)) return undefined;
  const address = URL.parse(`http://[${text}]`)?.hostname.slice(1, -1);
  return address && (embeddedIPv4(MAPPED, address) ?? address);
}

/**
 * Returns the key under which an address is counted: an IPv4 address itself, also where it is mapped
 * into IPv6 or translated to it; of any other IPv6 address its /64, because everybody has that many
 * addresses. A text that is no IPv6 address, such as `unix`, stays as it is.
 */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [withoutZone = ""] = address.split("%");
  const canonical = parseIPv6(withoutZone);
  if (canonical === undefined) return address;
  const ipv4 = canonical.includes(":") ? embeddedIPv4(TRANSLATED, canonical) : canonical;
  if (ipv4 !== undefined) return ipv4;
  const network = groupsOf(canonical).slice(0, NETWORK_GROUPS).join(":");
  // Loopback is there, and no network.
  if (network === "0:0:0:0") return address;
  return `${network.replace(/(:0)+$/, "")}::/64`;
}

/** The IPv4 address in the last two groups, where `pattern` finds them. */
function embeddedIPv4(pattern: RegExp, address: string): string | undefined {
  const [, high = "0", low] = pattern.exec(address) ?? [];
  if (low === undefined) return undefined;
  const bits = parseInt(high, 16) * 0x10000 + parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join(".");
}

/** All groups of a canonical address. */
function groupsOf(canonical: string): readonly string[] {
  const [head = [], tail = []] = canonical.split("::").map((half) => {
    return half === "" ? [] : half.split(":");
  });
  return [...head, ...Array(GROUPS - head.length - tail.length).fill("0"), ...tail];
}

/**
 * Reports whether many clients may have this address: programs of this machine, or clients of a proxy
 * on it. Behind a trusted proxy the address is one that a client may have invented.
 */
export function isShared(address: string, trustProxy: number): boolean {
  return trustProxy === 0 && (isLoopback(address) || address === "unix");
}
