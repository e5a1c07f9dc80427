import { assert, assertEquals } from "@std/assert";
import { type Protocol, readForwarded } from "../../lib/http/forwarded.ts";
import { random, randomChoice, randomInteger, randomText } from "../support/random.ts";
import { assertRetainsLess } from "../support/retained.ts";

type Given = Readonly<Record<string, string | readonly string[]>>;

function read(hops: number, given: Given): [string | undefined, Protocol | undefined] {
  const headers = new Headers();
  for (const [name, values] of Object.entries(given)) {
    for (const value of [values].flat()) headers.append(name, value);
  }
  const forwardedHeader = headers.has("forwarded") ? "Forwarded" : "X-Forwarded-For";
  const { address, protocol } = readForwarded(headers, { trustProxy: hops, forwardedHeader });
  return [address, protocol];
}

/** Addresses in a header, and how they are read. */
const ADDRESSES: Readonly<Record<string, string>> = {
  "203.0.113.7": "203.0.113.7",
  "0.0.0.0": "0.0.0.0",
  "255.255.255.255": "255.255.255.255",
  "127.0.0.1": "127.0.0.1",
  "203.0.113.7:4711": "203.0.113.7",
  "203.0.113.7:_port": "203.0.113.7",
  "[2001:db8::1]": "2001:db8::1",
  "[2001:db8::1]:4711": "2001:db8::1",
  "[2001:DB8:0:0::0:1]": "2001:db8::1",
  "[::]": "::",
  "[::ffff:203.0.113.7]": "203.0.113.7",
  "[::ffff:cb00:7107]:80": "203.0.113.7",
  "[64:ff9b::203.0.113.7]": "64:ff9b::cb00:7107",
};

const BARE_ADDRESSES: Readonly<Record<string, string>> = {
  "2001:db8::1": "2001:db8::1",
  "2001:0DB8:0000::0001": "2001:db8::1",
  "::1": "::1",
  "::ffff:203.0.113.7": "203.0.113.7",
  "::": "::",
};

const NO_ADDRESSES: readonly string[] = [
  ...["", " ", "unknown", "_hidden", "localhost", "example.com", "unix", "1", "2130706433"],
  ...["1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4.", "0x7f.0.0.1", "1.2.3.4/8"],
  ...["1.2.3.4:", "1.2.3.4:123456", "1.2.3.4:x", "1.2.3.4 5", "+1.2.3.4", "١.2.3.4"],
  ...["[2001:db8::1", "2001:db8::1]", "[]", "[]:80", "[1.2.3.4]", "[::1]x", "[::1]:", "[[::1]]"],
  ...["[fe80::1%eth0]", "fe80::1%25eth0", "1::2::3", ":::", "1:2:3:4:5:6:7", "12345::", "::g"],
  ...["2001:db8::1:99999", "::1/128", `[${"0:".repeat(40)}1]`, "a".repeat(10_000)],
];

Deno.test("readForwarded() reads every form of an address of X-Forwarded-For", () => {
  for (const [text, address] of Object.entries({ ...ADDRESSES, ...BARE_ADDRESSES })) {
    for (const given of [text, ` ${text}\t`, `198.51.100.1, ${text}`, `junk,,${text}`]) {
      assertEquals(read(1, { "x-forwarded-for": given }), [address, undefined], given);
    }
  }
});

Deno.test("readForwarded() reads every form of an address of Forwarded", () => {
  for (const [text, address] of Object.entries(ADDRESSES)) {
    for (const given of [`for="${text}"`, `FOR="${text}";by=_x`, `for=junk, for="${text}"`]) {
      assertEquals(read(1, { forwarded: given }), [address, undefined], given);
    }
  }
  assertEquals(read(1, { forwarded: "for=203.0.113.7" }), ["203.0.113.7", undefined]);
  assertEquals(read(1, { forwarded: 'for="203\\.0.113.\\7"' }), ["203.0.113.7", undefined]);
});

Deno.test("readForwarded() ignores what is not an address", () => {
  for (const text of NO_ADDRESSES) {
    if (/^[\x20-\x7e]*$/.test(text)) {
      assertEquals(read(1, { "x-forwarded-for": text }), [undefined, undefined], text);
      assertEquals(read(1, { forwarded: `for="${text}"` }), [undefined, undefined], text);
    }
    assertEquals(read(1, { "x-forwarded-for": `203.0.113.7, ${encodeURI(text)}` })[0], undefined);
  }
  for (const text of Object.keys(BARE_ADDRESSES)) {
    assertEquals(read(1, { forwarded: `for="${text}"` }), [undefined, undefined], text);
  }
});

/** Headers, the number of trusted proxies, and the address that is read. */
const HOPS: readonly [Given, number, string | undefined][] = [
  [{}, 1, undefined],
  [{ "x-forwarded-for": "192.0.2.1, 192.0.2.2, 192.0.2.3" }, 0, undefined],
  [{ "x-forwarded-for": "192.0.2.1, 192.0.2.2, 192.0.2.3" }, 1, "192.0.2.3"],
  [{ "x-forwarded-for": "192.0.2.1, 192.0.2.2, 192.0.2.3" }, 2, "192.0.2.2"],
  [{ "x-forwarded-for": "192.0.2.1, 192.0.2.2, 192.0.2.3" }, 3, "192.0.2.1"],
  [{ "x-forwarded-for": "192.0.2.1, 192.0.2.2, 192.0.2.3" }, 10, "192.0.2.1"],
  [{ "x-forwarded-for": ["192.0.2.1", "192.0.2.2,192.0.2.3"] }, 2, "192.0.2.2"],
  [{ "x-forwarded-for": "::1, 192.0.2.2" }, 2, "::1"],
  [{ "x-forwarded-for": "junk, 192.0.2.2" }, 1, "192.0.2.2"],
  [{ "x-forwarded-for": "junk, 192.0.2.2" }, 2, undefined],
  [{ "x-forwarded-for": "192.0.2.1, junk" }, 2, undefined],
  [{ "x-forwarded-for": "192.0.2.1," }, 1, undefined],
  [{ "x-forwarded-for": '"192.0.2.1, 192.0.2.2' }, 1, "192.0.2.2"],
  [{ forwarded: "for=192.0.2.1, for=192.0.2.2;proto=http" }, 0, undefined],
  [{ forwarded: "for=192.0.2.1, for=192.0.2.2" }, 1, "192.0.2.2"],
  [{ forwarded: "for=192.0.2.1, for=192.0.2.2" }, 2, "192.0.2.1"],
  [{ forwarded: "for=192.0.2.1, for=192.0.2.2" }, 3, "192.0.2.1"],
  [{ forwarded: ["for=192.0.2.1", "for=192.0.2.2 , for=192.0.2.3"] }, 3, "192.0.2.1"],
  [{ forwarded: "for=192.0.2.1, by=192.0.2.9" }, 2, undefined],
  [{ forwarded: "for=192.0.2.1, for=unknown" }, 2, undefined],
  [{ forwarded: "for=_gazonk, for=192.0.2.2" }, 1, "192.0.2.2"],
  [{ forwarded: 'by="a,b;for=192.0.2.9";for=192.0.2.2' }, 1, "192.0.2.2"],
  [{ forwarded: 'for=192.0.2.1;secret="x, for=192.0.2.9"' }, 1, "192.0.2.1"],
  [{ forwarded: 'for=192.0.2.1, for=192.0.2.2;host="a\\\\"' }, 1, "192.0.2.2"],
  [{ forwarded: 'for=192.0.2.1, for=192.0.2.2;host="a\\\\\\", "' }, 1, "192.0.2.2"],
];

Deno.test("readForwarded() reads the outermost of the trusted hops, and nothing left of it", () => {
  for (const [given, hops, address] of HOPS) {
    assertEquals(read(hops, given)[0], address, `${hops} of ${JSON.stringify(given)}`);
  }
});

Deno.test("readForwarded() reads what a proxy added on the right, whatever stands on the left", () => {
  const lefts = [
    '"',
    'for="',
    'for="\\',
    'for="a\\"',
    "for=",
    ",",
    ";",
    "=",
    '""',
    'for="x"y',
    "\\",
  ];
  for (const left of [...lefts, "for=192.0.2.9;proto=https", "x".repeat(60_000)]) {
    assertEquals(read(1, { forwarded: `${left}, for=192.0.2.2` }), ["192.0.2.2", undefined], left);
    assertEquals(read(1, { forwarded: [left, "for=192.0.2.2"] }), ["192.0.2.2", undefined], left);
    const common = {
      "x-forwarded-for": `${left}, 192.0.2.2`,
      "x-forwarded-proto": `${left}, http`,
    };
    assertEquals(read(1, common), ["192.0.2.2", "http"], left);
  }
});

Deno.test("readForwarded() ignores all of a malformed element", () => {
  const elements = [
    ...[
      "for=192.0.2.1;",
      "for=192.0.2.1;;proto=http",
      "for=192.0.2.1;for=192.0.2.1",
      "for 192.0.2.1",
    ],
    ...[
      "for=192.0.2.1;FOR=192.0.2.2",
      "for=192.0.2.1;proto",
      'for="192.0.2.1',
      "for=192.0.2.1 x=y",
    ],
    ...["for=[2001:db8::1]", "for=192.0.2.1:80", "=192.0.2.1", "for==192.0.2.1", ";for=192.0.2.1"],
    ...["for=(192.0.2.1)", "for='192.0.2.1'", 'for="192.0.2.1"x'],
  ];
  // A semicolon at the end is an empty pair, which the grammar allows.
  const [right, ...wrong] = elements;
  assertEquals(read(1, { forwarded: right! }), ["192.0.2.1", undefined]);
  for (const element of wrong) {
    assertEquals(read(1, { forwarded: element }), [undefined, undefined], element);
  }
});

Deno.test("readForwarded() reads the protocol of the same hop as the address", () => {
  const cases: [Given, number, Protocol | undefined][] = [
    [{ "x-forwarded-proto": "https" }, 0, undefined],
    [{ "x-forwarded-proto": "https" }, 1, "https"],
    [{ "x-forwarded-proto": "https" }, 2, "https"],
    [{ "x-forwarded-proto": "HTTP" }, 1, "http"],
    [{ "x-forwarded-proto": "wss" }, 1, "https"],
    [{ "x-forwarded-proto": "ws" }, 1, "http"],
    [{ "x-forwarded-proto": "https, http" }, 1, "http"],
    [{ "x-forwarded-proto": "https, http" }, 2, "https"],
    [{ "x-forwarded-proto": ["https", "http"] }, 2, "https"],
    [{ "x-forwarded-proto": "https, gopher" }, 1, undefined],
    [{ "x-forwarded-proto": "https, gopher" }, 2, undefined],
    [{ "x-forwarded-proto": "" }, 1, undefined],
    [{ "x-forwarded-proto": "https:" }, 1, undefined],
    [{ forwarded: "for=192.0.2.1;proto=https" }, 1, "https"],
    [{ forwarded: 'Proto="HTTPS";for=192.0.2.1' }, 1, "https"],
    [{ forwarded: "for=192.0.2.1;proto=https, for=192.0.2.2;proto=http" }, 2, "https"],
    [{ forwarded: "for=192.0.2.1;proto=https, for=192.0.2.2;proto=http" }, 1, "http"],
    [{ forwarded: "for=192.0.2.1;proto=https, for=192.0.2.2" }, 2, undefined],
    [{ forwarded: "proto=https" }, 1, "https"],
  ];
  for (const [given, hops, protocol] of cases) {
    assertEquals(read(hops, given)[1], protocol, `${hops} of ${JSON.stringify(given)}`);
  }
});

Deno.test("readForwarded() reads only the header that is configured", () => {
  const all = new Headers({
    "x-forwarded-for": "192.0.2.1",
    "x-forwarded-proto": "https",
    forwarded: "for=192.0.2.2;proto=http",
    "cf-connecting-ip": "192.0.2.3",
    "x-real-ip": "192.0.2.4",
  });
  const cases: [name: string, address: string, protocol: Protocol][] = [
    ["X-Forwarded-For", "192.0.2.1", "https"],
    ["x-forwarded-for", "192.0.2.1", "https"],
    ["Forwarded", "192.0.2.2", "http"],
    ["FORWARDED", "192.0.2.2", "http"],
    ["CF-Connecting-IP", "192.0.2.3", "https"],
  ];
  for (const [forwardedHeader, address, protocol] of cases) {
    const rules = { trustProxy: 1, forwardedHeader };
    assertEquals(readForwarded(all, rules), { address, protocol }, forwardedHeader);
    const others = new Headers(all);
    others.delete(forwardedHeader);
    if (protocol === "https") others.delete("x-forwarded-proto");
    assertEquals(
      readForwarded(others, rules),
      { address: undefined, protocol: undefined },
      forwardedHeader,
    );
  }
});

Deno.test("readForwarded() reads back what proxies write, whatever a client sent before", () => {
  const next = random(20_260_401);
  const junk = () => randomText(next, 40, 'for=";, \\[]:.proto1203abcdef_');
  for (let round = 0; round < 5000; round++) {
    const hops = 1 + randomInteger(next, 3);
    const nodes = Array.from({ length: hops }, () => randomChoice(next, Object.keys(ADDRESSES)));
    const expected = ADDRESSES[nodes[0]!];
    const common = [junk(), ...nodes].join(", ");
    assertEquals(read(hops, { "x-forwarded-for": common })[0], expected, common);
    const standard = [junk(), ...nodes.map((node) => `by=_b;for="${node}"`)].join(", ");
    assertEquals(read(hops, { forwarded: standard })[0], expected, standard);
    read(hops, { "x-forwarded-for": junk() });
    read(hops, { forwarded: junk() });
  }
});

Deno.test("readForwarded() returns an address that does not keep its header in memory", async () => {
  const rest = "198.51.100.1, ".repeat(1000);
  const headers: readonly ((index: number) => Given)[] = [
    (index) => ({ "x-forwarded-for": `${index}${rest}203.0.113.117` }),
    (index) => ({ "x-forwarded-for": `${index}${rest}[2001:db8:1111:2222::3333]` }),
    (index) => ({ forwarded: `by=${index}, for="${rest}", for=203.0.113.117` }),
  ];
  for (const [at, given] of headers.entries()) {
    assert(read(1, given(0))[0] !== undefined);
    await assertRetainsLess(1000, (index) => read(1, given(index))[0], `address ${at}`);
  }
});
