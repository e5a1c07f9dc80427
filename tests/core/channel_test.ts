import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  checkChannel,
  checkSubscription,
  covers,
  guardOf,
  isChannel,
  isPattern,
  isSubscription,
  matcherOf,
  subscriptionsOf,
  withoutCovered,
} from "../../lib/core/channel.ts";
import { random, randomInteger, randomText } from "../support/random.ts";

const LONGEST = "c".repeat(200);

const CHANNELS = ["a", "broadcast", "A-z_0.9:@=,;#", ".", ":", "-", "..", "a.", ":b", LONGEST];

const PATTERNS = ["*", "a.*", "a:*", "a.b:*", ".*", ":*", "..*", "c".repeat(198) + ".*"];

const NEITHER = [
  "",
  " ",
  "a b",
  "a/b",
  "a\n",
  "\na",
  "a\0",
  "ä",
  "😀",
  "**",
  "a*",
  "*a",
  "*.a",
  "a.*.b",
  "a.**",
  "*.*",
  "a?b",
  "a%20",
  LONGEST + "c",
  "c".repeat(199) + ".*",
  "c".repeat(1_000_000),
];

Deno.test("isChannel() takes 1 to 200 characters of its alphabet and nothing else", () => {
  for (const name of CHANNELS) assertEquals(isChannel(name), true, name);
  for (const name of [...PATTERNS, ...NEITHER]) assertEquals(isChannel(name), false, name);
});

Deno.test("isChannel() takes exactly 71 of the characters below U+0100", () => {
  const taken = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter(
    isChannel,
  );
  assertEquals(
    taken.join(""),
    "#,-.0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
  );
});

Deno.test("isSubscription() takes channels and patterns", () => {
  for (const name of [...CHANNELS, ...PATTERNS]) assertEquals(isSubscription(name), true, name);
  for (const name of NEITHER) assertEquals(isSubscription(name), false, name);
});

Deno.test("isPattern() distinguishes patterns from channels", () => {
  for (const name of PATTERNS) assertEquals(isPattern(name), true, name);
  for (const name of CHANNELS) assertEquals(isPattern(name), false, name);
});

Deno.test("checkChannel() returns a channel, and says what is wrong with anything else", () => {
  for (const name of CHANNELS) assertEquals(checkChannel(name), name);
  for (const name of [...PATTERNS, ...NEITHER]) {
    assertThrows(() => checkChannel(name), TypeError, "1 to 200 of A-Z a-z 0-9 _ . : @ = , ; # -");
  }
});

Deno.test("checkSubscription() returns a subscription, and says what is wrong otherwise", () => {
  for (const name of [...CHANNELS, ...PATTERNS]) assertEquals(checkSubscription(name), name);
  for (const name of NEITHER) {
    assertThrows(() => checkSubscription(name), TypeError, 'or a pattern ending in ".*" or ":*"');
  }
});

Deno.test("checkChannel() quotes what it got, but not more than 140 characters of it", () => {
  const error = assertThrows(() => checkChannel('"\n'), TypeError) as TypeError;
  assertStringIncludes(error.message, String.raw`got "\"\n"`);
  const long = assertThrows(() => checkChannel("c".repeat(1_000_000)), TypeError) as TypeError;
  assertStringIncludes(long.message, `"${"c".repeat(140)}…"`);
  assertEquals(long.message.length < 250, true);
});

Deno.test("subscriptionsOf() lists the name, * and a pattern for each separator within", () => {
  const table: [string, string[]][] = [
    ["a", ["a", "*"]],
    ["a.b", ["a.b", "*", "a.*"]],
    ["a.b:c", ["a.b:c", "*", "a.*", "a.b:*"]],
    ["a.", ["a.", "*"]],
    [".a", [".a", "*", ".*"]],
    ["a..b", ["a..b", "*", "a.*", "a..*"]],
    [".", [".", "*"]],
    ["a-b@c_d", ["a-b@c_d", "*"]],
  ];
  for (const [channel, expected] of table) assertEquals(subscriptionsOf(channel), expected);
});

Deno.test("guardOf() guards names that begin as Pusher's private ones do, after a prefix too", () => {
  const names = ["private-a", "private-a.*", "presence-", "#a", "2:private-a", "2:#"];
  const others = ["*", "a", "privately", "private", "Private-a", "a#", "2:a", "a.private-", "2:*"];
  const guarded = (prefixes: string[]) => [...names, ...others].filter(guardOf(prefixes));
  assertEquals(guarded([]), []);
  assertEquals(guarded([""]), ["private-a", "private-a.*", "presence-", "#a"]);
  assertEquals(guarded(["", "2:"]), names);
});

Deno.test("covers() reports whether a subscription matches a channel", () => {
  const table: [string, string, boolean][] = [
    ["a", "a", true],
    ["a", "b", false],
    ["a", "a.b", false],
    ["*", "a", true],
    ["*", ".", true],
    ["a.*", "a.b", true],
    ["a.*", "a.b.c", true],
    ["a.*", "a.b:c", true],
    ["a.*", "a", false],
    ["a.*", "a.", false],
    ["a.*", "ab.c", false],
    ["a.*", "a:b", false],
    ["a:*", "a:b", true],
    ["a:*", "a.b", false],
    ["a..*", "a.b", false],
  ];
  for (const [subscription, channel, expected] of table) {
    assertEquals(covers(subscription, channel), expected, `${subscription} ${channel}`);
  }
});

Deno.test("subscriptionsOf() lists exactly the subscriptions that cover() a channel, once each", () => {
  const next = random(1);
  for (let round = 0; round < 2000; round++) {
    const channel = randomText(next, 6, "ab.:") || "a";
    const listed = subscriptionsOf(channel);
    assertEquals(listed.length, new Set(listed).size, channel);
    for (const name of listed) {
      assertEquals([isSubscription(name), covers(name, channel)], [true, true], name);
    }
    const prefix = channel.slice(0, randomInteger(next, channel.length));
    for (const other of [prefix + ".*", prefix + ":*", randomText(next, 3, "ab.:") + ".*", "*"]) {
      if (!isSubscription(other)) continue;
      assertEquals(listed.includes(other), covers(other, channel), `${other} ${channel}`);
    }
  }
});

Deno.test("covers() reports whether a pattern matches all that another does", () => {
  const names = ["a", "b", "a.", "a:"].flatMap((first) =>
    ["", "a", "b.", "b:"].map((rest) => first + rest)
  );
  const patterns = ["*", ...names.filter((name) => /[.:]$/.test(name)).map((name) => `${name}*`)];
  const channels = [
    ...names,
    ...names.map((name) => `${name}.x`),
    ...names.map((name) => `${name}x`),
  ];
  for (const wide of patterns) {
    for (const narrow of patterns) {
      const takenIn = channels.filter((channel) => covers(narrow, channel));
      const expected = takenIn.every((channel) => covers(wide, channel));
      assertEquals(covers(wide, narrow), expected, `${wide} ${narrow}`);
    }
  }
  for (const channel of channels) assertEquals(covers(channel, `${channel}.*`), false, channel);
});

Deno.test("matcherOf() reports the same as covers() of any of the subscriptions", () => {
  const channels = ["a", "a.", "a.b", "a.b.c", "a:b", "ab", "b"];
  for (
    const subscriptions of [[], ["a"], ["a.*"], ["a", "a.b.*"], ["a:*", "b", "a."], ["*", "a"]]
  ) {
    const isWanted = matcherOf(subscriptions);
    for (const channel of channels) {
      const expected = subscriptions.some((subscription) => covers(subscription, channel));
      assertEquals(isWanted(channel), expected, `${subscriptions} and ${channel}`);
    }
  }
});

Deno.test("withoutCovered() leaves out subscriptions that another covers", () => {
  const table: [given: string[], left: string[]][] = [
    [[], []],
    [["a", "a", "b"], ["a", "b"]],
    [["a.b", "a.*", "a.b.*", "a", "a.", "a:*"], ["a.*", "a", "a.", "a:*"]],
    [["a.*", "a.*"], ["a.*"]],
    [["a", "a.*", "*", "b:*"], ["*"]],
  ];
  for (const [given, left] of table) assertEquals(withoutCovered(given), left, String(given));
});
