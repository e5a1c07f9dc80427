/**
 * What Hark's tests use of {@link https://jsr.io/@std/assert | @std/assert}, for machines that
 * cannot reach JSR: the same names, signatures and verdicts, with node's comparison and diffs
 * (which, unlike the original's, tell -0 from 0 and an object without a prototype from `{}`, and
 * find errors equal whatever their stacks: compare their messages instead).
 *
 * @module
 */
import nodeAssert from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";

type Constructor<T> = abstract new (...args: never[]) => T;

/** What every assertion of this module throws. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws {@linkcode AssertionError}, always. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

/** Asserts that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  assert(
    actual !== null && actual !== undefined,
    `Expected actual: ${inspect(actual)} to not be null or undefined${suffix(msg)}`,
  );
}

/** Asserts that both are equal all the way down: same types, same keys, same values. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new AssertionError(`Values are not equal${suffix(msg)}\n${diff(actual, expected)}`);
  }
}

/** Asserts that some part of the two differs. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  assert(
    !isDeepStrictEqual(actual, expected),
    `Expected actual: ${inspect(actual)} not to be: ${inspect(expected)}${suffix(msg)}`,
  );
}

/** Asserts that both are the same value or the same object, as `Object.is()` sees it. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) {
    throw new AssertionError(
      `Values are not strictly equal${suffix(msg)}\n${diff(actual, expected)}`,
    );
  }
}

/** Asserts that `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T extends Constructor<unknown>>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  assert(
    actual instanceof expectedType,
    `Expected object to be an instance of "${expectedType.name}" but was ${inspect(actual)}` +
      suffix(msg),
  );
}

/** Asserts that `actual` is at least `expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  assert(
    actual >= expected,
    `Expect ${inspect(actual)} >= ${inspect(expected)}${suffix(msg)}`,
  );
}

/** Asserts that `actual` is at most `expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  assert(
    actual <= expected,
    `Expect ${inspect(actual)} <= ${inspect(expected)}${suffix(msg)}`,
  );
}

/** Asserts that `expected` occurs in `actual`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  assert(
    actual.includes(expected),
    `Expected actual: ${inspect(actual)} to contain: ${inspect(expected)}${suffix(msg)}`,
  );
}

/** Asserts that `expected` matches somewhere in `actual`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  assert(
    expected.test(actual),
    `Expected actual: ${inspect(actual)} to match: ${expected}${suffix(msg)}`,
  );
}

/** Asserts that `fn` throws, and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that `fn` throws an `ErrorClass` whose message includes `msgIncludes`; returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: Constructor<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  try {
    fn();
  } catch (error) {
    return checkError(error, classOrMsg, msgIncludes, msg);
  }
  throw new AssertionError(
    `Expected function to throw${suffix(typeof classOrMsg === "string" ? classOrMsg : msg)}`,
  );
}

/** Asserts that the promise of `fn` rejects, and resolves with what it rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that `fn` rejects with an `ErrorClass` whose message includes `msgIncludes`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: Constructor<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const extra = suffix(typeof classOrMsg === "string" ? classOrMsg : msg);
  const promise = callForPromise(fn, extra);
  try {
    await promise;
  } catch (error) {
    return checkError(error, classOrMsg, msgIncludes, msg);
  }
  throw new AssertionError(`Expected function to reject${extra}`);
}

function callForPromise(fn: () => PromiseLike<unknown>, extra: string): PromiseLike<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError(`Function throws when expected to reject${extra}`, { cause: error });
  }
  if (typeof promise?.then !== "function") {
    throw new AssertionError(`Function returns no promise when expected to reject${extra}`);
  }
  return promise;
}

function checkError(
  error: unknown,
  classOrMsg: Constructor<Error> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): unknown {
  if (typeof classOrMsg !== "function") return error;
  assertInstanceOf(error, classOrMsg, msg);
  if (msgIncludes !== undefined) assertStringIncludes(error.message, msgIncludes, msg);
  return error;
}

function diff(actual: unknown, expected: unknown): string {
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  return `${inspect(actual)} and ${inspect(expected)} are not the same object`;
}

function suffix(msg: string | undefined): string {
  return msg ? `: ${msg}` : ".";
}
