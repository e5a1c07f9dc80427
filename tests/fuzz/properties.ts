import { assert, assertEquals } from "@std/assert";

// deno-lint-ignore no-explicit-any -- a constructor may take whatever it likes
type ErrorType = abstract new (...args: any[]) => Error;

/** Of 140 characters that are quoted, each may be escaped. */
const MESSAGE_CHARS_MAX = 1000;
/** What JSON escapes. */
const CONTROL = /[^\x20-\uffff]/;

/** What must hold of an error beside its type and length. */
interface ErrorRules {
  /** What must not be in it. */
  readonly secrets?: readonly string[];
  /** It may quote what was sent, with whatever is in there. */
  readonly quotes?: boolean;
}

export type Attempt<T> = { readonly value: T } | { readonly error: Error };

/**
 * What `decode` returns, or the error that it throws; that has to be of one of the types that it is
 * known to throw, short, on one line, and without any of the secrets.
 */
export function attempt<T>(
  decode: () => T,
  types: readonly ErrorType[],
  rules: ErrorRules = {},
): Attempt<T> {
  try {
    return { value: decode() };
  } catch (error) {
    return { error: checkError(error, types, rules) };
  }
}

/** As `attempt()`, of what takes its time. */
export async function attemptAsync<T>(
  decode: () => Promise<T>,
  types: readonly ErrorType[],
  rules: ErrorRules = {},
): Promise<Attempt<T>> {
  try {
    return { value: await decode() };
  } catch (error) {
    return { error: checkError(error, types, rules) };
  }
}

function checkError(error: unknown, types: readonly ErrorType[], rules: ErrorRules): Error {
  if (!(error instanceof Error) || !types.some((type) => error instanceof type)) throw error;
  const { message } = error;
  const { secrets = [], quotes = false } = rules;
  assert(message.length <= MESSAGE_CHARS_MAX, `the message has ${message.length} characters`);
  assert(quotes || !CONTROL.test(message), `a control character is in ${JSON.stringify(message)}`);
  for (const secret of secrets) assert(!message.includes(secret), `a secret is in: ${message}`);
  return error;
}

/** The reason of a failed decoding is a short ASCII sentence. */
export function checkReason(reason: string): void {
  assert(/^[ -~]{1,120}$/.test(reason), `not a short reason: ${JSON.stringify(reason)}`);
}

/** Nothing that was decoded has become part of what every object has. */
export function checkPrototypes(): void {
  for (const { prototype } of [Object, Array, Map]) {
    assertEquals(Object.keys(prototype), [], "a prototype was changed");
  }
  assertEquals(Object.hasOwn(Object.prototype, "polluted"), false, "a prototype was changed");
}
