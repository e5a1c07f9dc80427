import type { Dice } from "../support/dice.ts";

/** Texts at which decoders go wrong, if anywhere. */
export const TOKENS: readonly string[] = [
  ...["0", "-0", "-1", "00", "1e309", "0x10", "1.5", "255", "256", "4294967296"],
  ...["9007199254740993", "99999999999", "9".repeat(400), "NaN", "null", "true"],
  ...[
    "\0",
    "\x01",
    "\x1b[2J",
    "\x1e",
    "\x7f",
    "\x80",
    "\xff",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\r\n\r\n",
  ],
  ...["\u2028", "\u2029", "\ufeff", "\u202e", "\ud800", "\udc00", "\u{1f600}", "é", "€", "Ã©"],
  ...["%", "%0", "%00", "%ff", "%c0%af", "%2f", "%0d%0a", "+", "\\", "\\u0000", "\\n", "\\\\n"],
  ...[
    '"',
    "'",
    "`",
    "<",
    ">",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ";",
    "=",
    "&",
    "?",
    "#",
    "|",
  ],
  ...[".", "..", "../", "/", "//", "*", ".*", ":*", "@", "-", "--", "_", "$", " ", "  "],
  ...["__proto__", "constructor", "prototype", "toString", "toJSON", "hasOwnProperty", "length"],
  ...['{"_placeholder":true,"num":0}', '"__proto__":{"polluted":1}', "[[[[", "]]]]", '{"a":'],
];

const MUTATIONS_MAX = 4;
const REPEATS: readonly number[] = [2, 3, 10, 200];

type Mutation = (dice: Dice, text: string, donors: readonly string[]) => string;

const truncate: Mutation = (dice, text) => text.slice(0, dice.upTo(text.length));

const behead: Mutation = (dice, text) => text.slice(dice.upTo(text.length));

const remove: Mutation = (dice, text) => {
  const [start, end] = somewhere(dice, text);
  return text.slice(0, start) + text.slice(end);
};

const repeat: Mutation = (dice, text) => {
  const [start, end] = somewhere(dice, text);
  return text.slice(0, end) + text.slice(start, end).repeat(dice.pick(REPEATS)) + text.slice(end);
};

const move: Mutation = (dice, text) => {
  const [start, end] = somewhere(dice, text);
  const rest = text.slice(0, start) + text.slice(end);
  const at = dice.upTo(rest.length);
  return rest.slice(0, at) + text.slice(start, end) + rest.slice(at);
};

const flip: Mutation = (dice, text) => {
  const at = dice.upTo(Math.max(0, text.length - 1));
  const flipped = (text.charCodeAt(at) || 0) ^ (1 << dice.upTo(7));
  return text.slice(0, at) + String.fromCharCode(flipped) + text.slice(at + 1);
};

const recase: Mutation = (dice, text) => {
  const [start, end] = somewhere(dice, text);
  const piece = text.slice(start, end);
  const other = dice.chance(0.5) ? piece.toUpperCase() : piece.toLowerCase();
  return text.slice(0, start) + other + text.slice(end);
};

const insert: Mutation = (dice, text) => {
  const at = dice.upTo(text.length);
  return text.slice(0, at) + dice.pick(TOKENS) + text.slice(at);
};

const replace: Mutation = (dice, text) => {
  const [start, end] = somewhere(dice, text);
  return text.slice(0, start) + dice.pick(TOKENS) + text.slice(end);
};

const renumber: Mutation = (dice, text) => {
  const numbers = Array.from(text.matchAll(/\d+/g));
  if (numbers.length === 0) return insert(dice, text, []);
  const { index, 0: digits } = dice.pick(numbers);
  const near = String(Math.max(0, Number(digits) + dice.upTo(4) - 2));
  const other = dice.chance(0.5) ? near : dice.pick(TOKENS.slice(0, 12));
  return text.slice(0, index) + other + text.slice(index + digits.length);
};

const splice: Mutation = (dice, text, donors) => {
  if (donors.length === 0) return insert(dice, text, donors);
  const donor = dice.pick(donors);
  const [start, end] = somewhere(dice, donor);
  const at = dice.upTo(text.length);
  return text.slice(0, at) + donor.slice(start, end) + text.slice(dice.upTo(text.length - at) + at);
};

const MUTATIONS: readonly Mutation[] = [
  ...[truncate, behead, remove, repeat, move, flip, flip, recase],
  ...[insert, insert, replace, renumber, splice, splice],
];

/** A text that was valid, with one thing or a few of it changed; pieces of `donors` may come in. */
export function mutateText(dice: Dice, text: string, donors: readonly string[] = []): string {
  let mutated = text;
  for (let count = 1 + dice.upTo(MUTATIONS_MAX - 1); count > 0; count--) {
    mutated = dice.pick(MUTATIONS)(dice, mutated, donors);
  }
  return mutated;
}

/** Bytes that were valid, with one thing or a few of them changed. */
export function mutateBytes(
  dice: Dice,
  bytes: Uint8Array,
  donors: readonly Uint8Array[] = [],
): Uint8Array<ArrayBuffer> {
  const mutated = mutateText(dice, toUnits(bytes), donors.map(toUnits));
  return Uint8Array.from(mutated, (unit) => unit.charCodeAt(0));
}

/** A list with items of it left out, repeated, swapped. */
export function mutateList<T>(dice: Dice, list: readonly T[]): T[] {
  const mutated = [...list];
  for (let count = 1 + dice.upTo(2); count > 0 && mutated.length > 0; count--) {
    const at = dice.upTo(mutated.length - 1);
    const other = dice.upTo(mutated.length - 1);
    if (dice.chance(0.3)) mutated.splice(at, 1);
    else if (dice.chance(0.5)) mutated.splice(other, 0, mutated[at]!);
    else [mutated[at], mutated[other]] = [mutated[other]!, mutated[at]!];
  }
  return mutated;
}

/** Where a piece of a text lies, mostly a short one. */
function somewhere(dice: Dice, text: string): [start: number, end: number] {
  const start = dice.upTo(text.length);
  const most = text.length - start;
  return [start, start + dice.upTo(dice.chance(0.7) ? Math.min(8, most) : most)];
}

function toUnits(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
