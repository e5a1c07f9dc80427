import { Slots } from "./limits.ts";

const GROUPS = 8;
const NETWORK_GROUPS = 4;
const DOTTED_END = /:(\d+)\.(\d+)\.(\d+)\.(\d+)$/;
/** Who is on this machine. */
const LOCAL = /^(127\.|::1$|::ffff:127\.|unix$)/;

/**
 * What counts as one client where addresses are counted: an IPv4 address by itself, also one that is
 * mapped into IPv6 or translated to it; of any other IPv6 address its /64, as everybody has at least that many addresses
 * to choose from. What is no IPv6 address, such as `unix`, stays as it is. A key, not to be shown in
 * the place of the address.
 */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const groups = groupsOf(address);
  if (groups === undefined) return address;
  const [g0, g1, g2, g3, g4, g5, high = 0, low = 0] = groups;
  const isMapped = [g0, g1, g2, g3, g4].every((group) => group === 0) && g5 === 0xffff;
  // RFC 6052, section 2.1: where a translator puts the address of each of its clients.
  const isTranslated = g0 === 0x64 && g1 === 0xff9b && [g2, g3, g4, g5].every((group) => !group);
  if (isMapped || isTranslated) {
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
  }
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => group.toString(16)).join(":");
  // Where loopback is, and nobody's network.
  if (network === "0:0:0:0") return address;
  return `${network.replace(/(:0)+$/, "")}::/64`;
}

/** The numbers between the colons; undefined if the text is no IPv6 address. */
function groupsOf(address: string): readonly number[] | undefined {
  const [text = ""] = address.split("%");
  const hexadecimal = text.replace(DOTTED_END, (_, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
    return `:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = [], tail] = hexadecimal.split("::").map((half) => {
    return half === "" ? [] : half.split(":").map((group) => parseInt(group, 16));
  });
  const left = tail === undefined ? 0 : GROUPS - head.length - tail.length;
  const groups = [...head, ...Array<number>(Math.max(0, left)).fill(0), ...tail ?? []];
  return groups.length === GROUPS && groups.every((group) => group <= 0xffff) ? groups : undefined;
}

/**
 * Tells whether many clients may have this address: those of this machine, or of a proxy on it that
 * nobody said is there. Behind a trusted one it may be the proxy's word that is local.
 */
export function isShared(address: string, trustProxy: number): boolean {
  return trustProxy === 0 && LOCAL.test(address);
}

/** The bounds on connections. */
export interface ConnectionLimits {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Proxies that tell the clients' addresses. */
  readonly trustProxy: number;
}

/** Counts connections, in all and for each address; those of one network count as one address. */
export class AddressSlots {
  readonly #slots: Slots;
  readonly #trustProxy: number;

  constructor({ connectionsMax, connectionsPerAddressMax, trustProxy }: ConnectionLimits) {
    this.#slots = new Slots(connectionsMax, connectionsPerAddressMax);
    this.#trustProxy = trustProxy;
  }

  get taken(): number {
    return this.#slots.taken;
  }

  /** Takes a slot as `Slots.take()` does; an address that is many clients' counts only towards all. */
  take(address: string): (() => void) | "all" | "owner" {
    return this.#slots.take(networkOf(address), isShared(address, this.#trustProxy));
  }
}
