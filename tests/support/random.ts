/** A generator of numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 to `max`, inclusive. */
export function randomInteger(next: () => number, max: number): number {
  return Math.floor(next() * (max + 1));
}

/** One of `choices`. */
export function randomChoice<T>(next: () => number, choices: readonly T[]): T {
  return choices[randomInteger(next, choices.length - 1)] as T;
}

/** Up to `lengthMax` bytes. */
export function randomBytes(next: () => number, lengthMax: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    { length: randomInteger(next, lengthMax) },
    () => randomInteger(next, 255),
  );
}

/** Up to `lengthMax` of the characters in `alphabet`. */
export function randomText(next: () => number, lengthMax: number, alphabet: string): string {
  const characters = [...alphabet];
  const length = randomInteger(next, lengthMax);
  return Array.from({ length }, () => randomChoice(next, characters)).join("");
}
