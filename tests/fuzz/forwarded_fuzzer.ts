import { assert, assertEquals } from "@std/assert";
import { type Forwarded, readForwarded } from "../../lib/http/forwarded.ts";
import type { Dice } from "../support/dice.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { headerText, several, someText } from "./grammar.ts";
import { mutateText } from "./mutator.ts";

/** Addresses as they may be written, and their canonical forms. */
const ADDRESSES: readonly (readonly [written: string, canonical: string])[] = [
  ["192.0.2.1", "192.0.2.1"],
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["2001:DB8::0:1", "2001:db8::1"],
  ["::", "::"],
  ["::ffff:192.0.2.9", "192.0.2.9"],
  ["::FFFF:c000:209", "192.0.2.9"],
  ["fe80::1:2:3:4", "fe80::1:2:3:4"],
];
const PORTS = ["", ":80", ":65535", ":_hidden"];
const PROTOCOLS = ["http", "https", "wss", "HTTP"];
const NOTHING: Forwarded = { address: undefined, protocol: undefined };

/** What proxies say of a client, and what a client says that they did. */
export const forwardedFuzzer: Fuzzer = {
  name: "forwarded",
  rounds: 1000,
  round(dice, show) {
    const hops = 1 + dice.upTo(2);
    const proxies = Array.from({ length: hops }, () => dice.pick(ADDRESSES));
    const isStandard = dice.chance(0.5);
    const write = isStandard ? writeElement : writeAddress;
    const name = isStandard ? "forwarded" : "x-forwarded-for";
    const right = proxies.map(([written]) => write(dice, written));
    const left = several(dice, 3, () => forge(dice, write(dice, dice.pick(ADDRESSES)[0])));
    const header = [...left, ...right].join(", ");
    show({ hops, name, header });
    assertEquals(read(name, header, hops).address, proxies[0]![1]);

    // One that is not as it should be, but keeps to its own place in the list.
    const broken = right.map((entry) => mutateText(dice, entry).replace(/[,"\\]/g, ""));
    show({ broken, left });
    assertEquals(
      read(name, [...left, ...broken].join(","), hops),
      read(name, broken.join(","), hops),
    );

    const { address } = read(name, broken.join(","), hops);
    const alone = broken.map((entry) => read(name, entry, 1).address);
    if (address !== undefined) {
      assertEquals([address, alone.includes(undefined)], [alone[0], false]);
    }

    const mutated = mutateText(dice, header, [header]);
    const [first, second] = dice.chance(0.5) ? [header, mutated] : [mutated, forge(dice, header)];
    show({ first, second });
    checkBoth(first, second, hops);
  },
};

/** Where both kinds of header are there, only the one that is named counts. */
function checkBoth(common: string, standard: string, hops: number): void {
  const headers = new Headers();
  headers.set("x-forwarded-for", headerText(common));
  headers.set("forwarded", headerText(standard));
  for (const [name, text] of [["x-forwarded-for", common], ["forwarded", standard]] as const) {
    const rules = { trustProxy: hops, forwardedHeader: name };
    assertEquals(readForwarded(headers, rules), read(name, text, hops));
    assertEquals(readForwarded(headers, { ...rules, trustProxy: 0 }), NOTHING);
  }
}

function read(name: string, value: string, hops: number): Forwarded {
  const rules = { trustProxy: hops, forwardedHeader: name };
  const forwarded = readForwarded(new Headers([[name, headerText(value)]]), rules);
  checkForwarded(forwarded);
  return forwarded;
}

function checkForwarded({ address, protocol }: Forwarded): void {
  assert(protocol === undefined || protocol === "http" || protocol === "https");
  if (address === undefined) return;
  assert(/^[0-9a-f.:]{2,39}$/.test(address), address);
  const host = address.includes(":") ? `[${address}]` : address;
  assertEquals(URL.parse(`http://${host}`)?.hostname, host);
  const rules = { trustProxy: 1, forwardedHeader: "x-forwarded-for" };
  assertEquals(readForwarded(new Headers([["x-forwarded-for", address]]), rules).address, address);
}

function writeAddress(dice: Dice, address: string): string {
  if (!address.includes(":")) return address + dice.pick(PORTS);
  return dice.chance(0.5) ? address : `[${address}]${dice.pick(PORTS)}`;
}

function writeElement(dice: Dice, address: string): string {
  const node = address.includes(":") ? `[${address}]` : address;
  const given = node + dice.pick(PORTS);
  const isToken = /^[\w.]+$/.test(given) && dice.chance(0.5);
  const pairs = [
    `${dice.pick(["for", "For", "FOR"])}=${isToken ? given : quote(given)}`,
    `proto=${dice.pick(PROTOCOLS)}`,
    // What a client sends as Host may be anything.
    `host=${quote(forge(dice, "for=192.0.2.66, for=192.0.2.66") + dice.pick(["", "\\", '"']))}`,
    "by=_gateway",
  ];
  return [pairs[0]!, ...dice.some(pairs.slice(1), 0.5)].join(dice.pick([";", "; ", " ;"]));
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function forge(dice: Dice, entry: string): string {
  return headerText(
    dice.chance(0.3) ? someText(dice) : mutateText(dice, entry, ['"', '\\"', ',"']),
  );
}
