import {
  assert,
  assertEquals,
  assertExists,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
} from "@std/assert";

const equalPairs: [unknown, unknown][] = [
  [1, 1],
  [NaN, NaN],
  ["a", "a"],
  [undefined, undefined],
  [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
  [new Uint8Array([1, 2]), new Uint8Array([0, 1, 2]).subarray(1)],
  [new Map([["a", { b: 1 }]]), new Map([["a", { b: 1 }]])],
  [new Set([{ a: 1 }]), new Set([{ a: 1 }])],
  [new Date(1), new Date(1)],
  [new URL("http://a/b"), new URL("http://a/b")],
];

const unequalPairs: [unknown, unknown][] = [
  [1, 2],
  [1, "1"],
  [null, undefined],
  [{ a: 1 }, { a: 1, b: 2 }],
  [[1, 2], [1]],
  [[1, 2], { 0: 1, 1: 2 }],
  [new Uint8Array([1]), new Uint8Array([2])],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [new Set([1]), new Set([2])],
  [new Date(1), new Date(2)],
  [new URL("http://a/b"), new URL("http://a/c")],
  [new Error("a"), new Error("b")],
  [new TypeError("a"), new RangeError("a")],
];

Deno.test("assertEquals() and assertNotEquals() compare all the way down", () => {
  for (const [a, b] of equalPairs) {
    assertEquals(a, b);
    assertThrows(() => assertNotEquals(a, b), AssertionError);
  }
  for (const [a, b] of unequalPairs) {
    assertNotEquals(a, b);
    assertThrows(() => assertEquals(a, b), AssertionError);
  }
});

Deno.test("assertEquals() shows what differs, and the caller's message", () => {
  const error = assertThrows(
    () => assertEquals({ name: "left" }, { name: "right" }, "names"),
    AssertionError,
    "Values are not equal: names",
  );
  assertStringIncludes(error.message, "left");
  assertStringIncludes(error.message, "right");
});

Deno.test("assert() and assertExists() tell falsy from missing", () => {
  assert(1);
  assertThrows(() => assert(0, "zero"), AssertionError, "zero");
  assertExists(0);
  assertExists("");
  assertThrows(() => assertExists(null), AssertionError);
  assertThrows(() => assertExists(undefined), AssertionError);
});

Deno.test("assertStrictEquals() wants the same object", () => {
  const object = { a: 1 };
  assertStrictEquals(object, object);
  assertStrictEquals(NaN, NaN);
  assertThrows(() => assertStrictEquals(object, { a: 1 }), AssertionError);
  assertThrows(() => assertStrictEquals(1, 2), AssertionError, "Values are not strictly equal");
});

Deno.test("assertInstanceOf() looks along the prototypes", () => {
  assertInstanceOf(new TypeError(), Error);
  assertThrows(() => assertInstanceOf(new Error(), TypeError), AssertionError, "TypeError");
  assertThrows(() => assertInstanceOf("text", String), AssertionError, "String");
});

Deno.test("assertGreaterOrEqual() and assertLessOrEqual() include the bound", () => {
  assertGreaterOrEqual(2, 2);
  assertGreaterOrEqual(3, 2);
  assertThrows(() => assertGreaterOrEqual(1, 2), AssertionError);
  assertLessOrEqual(2, 2);
  assertLessOrEqual(1, 2);
  assertThrows(() => assertLessOrEqual(3, 2), AssertionError);
});

Deno.test("assertStringIncludes() and assertMatch() search a text", () => {
  assertStringIncludes("one two", "e t");
  assertThrows(() => assertStringIncludes("one", "two"), AssertionError, "two");
  assertMatch("offset 12", /\d+$/);
  assertThrows(() => assertMatch("offset", /\d+$/), AssertionError);
});

Deno.test("fail() always throws", () => {
  assertThrows(() => fail("never here"), AssertionError, "never here");
});

Deno.test("assertThrows() checks that, what and why, and returns the error", () => {
  const error = new RangeError("size is 9, at most 8");
  const thrower = () => {
    throw error;
  };
  assertStrictEquals(assertThrows(thrower), error);
  assertStrictEquals(assertThrows(thrower, RangeError, "at most 8"), error);
  assertThrows(() => assertThrows(thrower, TypeError), AssertionError);
  assertThrows(() => assertThrows(thrower, RangeError, "at most 9"), AssertionError);
  assertThrows(() => assertThrows(() => 1), AssertionError, "Expected function to throw");
});

Deno.test("assertRejects() checks that, what and why, and resolves with the error", async () => {
  const error = new RangeError("size is 9, at most 8");
  const rejecter = () => Promise.reject(error);
  assertStrictEquals(await assertRejects(rejecter), error);
  assertStrictEquals(await assertRejects(rejecter, RangeError, "at most 8"), error);
  await assertRejects(() => assertRejects(rejecter, TypeError), AssertionError);
  await assertRejects(() => assertRejects(rejecter, RangeError, "at most 9"), AssertionError);
  await assertRejects(
    () => assertRejects(() => Promise.resolve(1)),
    AssertionError,
    "Expected function to reject",
  );
});

Deno.test("assertRejects() refuses a function that throws at once", async () => {
  const thrower = () => {
    throw new RangeError("at once");
  };
  await assertRejects(() => assertRejects(thrower), AssertionError);
});
