import { Dice } from "../support/dice.ts";
import { random } from "../support/random.ts";

/** Takes down what is about to be tried, to be shown if it fails. */
export type Show = (input: unknown) => void;

/** What tries one thing after another at random, and says what must hold of each. */
export interface Fuzzer {
  readonly name: string;
  /** Rounds of a short run. */
  readonly rounds: number;
  /** Tries something that follows from `dice` alone; throws or rejects if a property is broken. */
  round(dice: Dice, show: Show): void | Promise<void>;
  /** Lets go of what the rounds share. */
  close?(): Promise<void>;
}

const SHOWN_MAX = 8;
const SHOWN_CHARS_MAX = 2000;

/** Runs one round. Rejects with an error that tells fuzzer, seed, input and what went wrong. */
export async function runRound(fuzzer: Fuzzer, seed: number): Promise<void> {
  const shown: unknown[] = [];
  try {
    await fuzzer.round(new Dice(seed), (input) => void shown.push(input));
  } catch (error) {
    const input = shown.slice(-SHOWN_MAX).map(inspect).join("\n  ");
    throw new Error(`fuzzer ${fuzzer.name}, seed ${seed}: ${input} : ${error}`, { cause: error });
  }
}

/** The seeds of a run's rounds, without end. */
export function* roundSeeds(runSeed: number): Generator<number> {
  const next = random(runSeed);
  for (;;) yield Math.floor(next() * 2 ** 32);
}

function inspect(input: unknown): string {
  const text = Deno.inspect(input, {
    strAbbreviateSize: SHOWN_CHARS_MAX,
    iterableLimit: 200,
    depth: 6,
    breakLength: Infinity,
  });
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}
