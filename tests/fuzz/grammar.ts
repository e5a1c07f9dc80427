import type { Dice } from "../support/dice.ts";
import { TOKENS } from "./mutator.ts";

const NESTS: readonly (readonly [start: string, end: string])[] = [
  ["[", "]"],
  ["[1,", "]"],
  ['{"a":', "}"],
];

/** How much of what a fuzzer makes is out of the ordinary. */
const ODD = 0.15;

const KEYS: readonly string[] = [
  ...["a", "b", "data", "type", "id", "message", "", " ", "é", "€", "0", "-1"],
  ...["__proto__", "constructor", "prototype", "toString", "toJSON", "then", "length", "num"],
  ...["_placeholder", "base64", "\0", "\u2028"],
];
const NUMBERS: readonly number[] = [
  ...[0, -0, 1, -1, 0.1, 1.5, 255, 256, 65_535, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e21, 1e-7],
  ...[1e308, -1e308, 5e-324],
];

/** So many things, each made by `make`. */
export function several<T>(dice: Dice, max: number, make: () => T): T[] {
  return Array.from({ length: dice.upTo(max) }, make);
}

/** A text of whole characters: of ordinary ones and of those at which something may break. */
export function someText(dice: Dice, lengthMax = 12): string {
  const odd = () => dice.pick(TOKENS).slice(0, 20).toWellFormed();
  const plain = () => dice.pick([..."abcXYZ012 ._:-"]);
  return several(dice, lengthMax, () => dice.chance(ODD) ? odd() : plain()).join("");
}

export function someBytes(dice: Dice, lengthMax = 12): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(several(dice, lengthMax, () => dice.upTo(255)));
}

/** A value that JSON can carry as it is. */
export function someValue(dice: Dice, depth = 3): unknown {
  const choice = dice.upTo(depth > 0 ? 8 : 5);
  if (choice <= 1) return someText(dice);
  if (choice === 2) return dice.pick(NUMBERS);
  if (choice <= 5) return dice.pick([null, true, false, "", 7]);
  if (choice === 6) return several(dice, 3, () => someValue(dice, depth - 1));
  const entries = several(dice, 3, () => {
    const key = dice.chance(0.15) ? "__proto__" : dice.pick(KEYS);
    return [key, someValue(dice, depth - 1)] as const;
  });
  return Object.fromEntries(entries);
}

/** JSON as people write it: with white space, escapes, and now and then of 100 levels. */
export function someJson(dice: Dice): string {
  const text = JSON.stringify(someValue(dice));
  const choice = dice.upTo(6);
  if (choice === 0) {
    return JSON.stringify(JSON.parse(text), undefined, dice.pick([1, "\t", "\r\n"]));
  }
  if (choice === 1) return `${dice.pick([" ", "\n", "\r", "\r\n\t"])}${text}\n`;
  if (choice === 2) return nested(dice, text, dice.pick([1, 5, 97]));
  if (choice === 3) return text.replace(/"[a-z]+"/g, escapeLetters);
  return text;
}

/** A text so many levels down in arrays and objects. */
export function nested(dice: Dice, text: string, levels: number): string {
  const kinds = dice.chance(0.5) ? NESTS.slice(0, 1) : NESTS;
  const chosen = Array.from({ length: levels }, () => dice.pick(kinds));
  const open = chosen.map(([start]) => start).join("");
  return open + text + chosen.toReversed().map(([, end]) => end).join("");
}

/** A channel's name. */
export function someChannel(dice: Dice): string {
  const parts = [dice.pick(["a", "news", "broadcast", "x".repeat(100), "Z_9", "a@b", "-"])];
  parts.push(...several(dice, 2, () => dice.pick([".", ":"]) + dice.pick(["a", "ci", "42", "_"])));
  return parts.join("").slice(0, 200);
}

/** A channel's name or a pattern. */
export function someSubscription(dice: Dice): string {
  if (dice.chance(0.1)) return "*";
  const channel = someChannel(dice);
  return dice.chance(0.3) ? channel.slice(0, 126) + dice.pick([".*", ":*"]) : channel;
}

/** A place in some log. */
export function somePosition(dice: Dice): string {
  const epoch = dice.pick(["a", "0", "v8k2m0p1", "z".repeat(32)]);
  return `${epoch}-${dice.pick([0, 1, 42, 1e9, 999_999_999_999_999])}`;
}

/** As much of a text as a header may hold. */
export function headerText(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "").trim();
}

function escapeLetters(text: string): string {
  return text.replace(/[a-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);
}
