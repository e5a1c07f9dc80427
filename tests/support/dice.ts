import { random, randomChoice, randomInteger } from "./random.ts";

/** Chance that is the same for the same seed. */
export class Dice {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = random(seed);
  }

  /** A whole number from 0 to `max`, inclusive. */
  upTo(max: number): number {
    return randomInteger(this.#next, max);
  }

  /** True so often, from 0 for never to 1 for always. */
  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return randomChoice(this.#next, choices);
  }

  /** Each of the choices with the same probability. */
  some<T>(choices: readonly T[], probability: number): T[] {
    return choices.filter(() => this.chance(probability));
  }
}
