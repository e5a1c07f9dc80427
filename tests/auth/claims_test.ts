import { assertEquals, assertThrows } from "@std/assert";
import { type Expectations, readClaims } from "../../lib/auth/claims.ts";
import type { JsonObject } from "../../lib/core/json.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { NOW_S } from "../support/tokens.ts";

const ANY: Expectations = { tokenAudience: "", tokenIssuer: "" };
const exp = NOW_S + 60;

function read(claims: JsonObject, expected: Partial<Expectations> = {}) {
  return readClaims(claims, { ...ANY, ...expected }, NOW_S * 1000);
}

function whyNot(claims: JsonObject, expected: Partial<Expectations> = {}): string {
  const { type, message } = assertThrows(() => read(claims, expected), Refusal);
  assertEquals(type, "unauthorized");
  return message.replace(/^Cannot use this token: /, "");
}

Deno.test("readClaims() reads the user, the permissions and the expiry", () => {
  assertEquals(read({ exp }), {
    user: undefined,
    subscribe: [],
    publish: [],
    expiresAt: exp * 1000,
  });
  const hark = { subscribe: ["user.42.*", "news"], publish: ["chat", "*"], later: true };
  assertEquals(read({ exp: exp + 0.5, sub: "Zoë 42", hark, jti: "1", iss: "a" }), {
    user: "Zoë 42",
    subscribe: ["user.42.*", "news"],
    publish: ["chat", "*"],
    expiresAt: exp * 1000 + 500,
  });
  assertEquals(read({ exp, hark: {} }).subscribe, []);
});

Deno.test("readClaims() needs an exp in the future, give or take 2 seconds", () => {
  const expired = "it has expired";
  const unit = "its exp is not in seconds since 1970";
  const cases: readonly [unknown, string | undefined][] = [
    [NOW_S + 1, undefined],
    [NOW_S, undefined],
    [NOW_S - 1.999, undefined],
    [NOW_S - 2, expired],
    [NOW_S - 9.999, expired],
    [NOW_S - 3600, expired],
    [0, expired],
    [253_402_300_799, undefined],
    [253_402_300_800, unit],
    [exp * 1000, unit],
    [1e308, unit],
    [-1, unit],
    [String(exp), unit],
    [null, unit],
    [true, unit],
    [[exp], unit],
    [{}, unit],
    [undefined, "it has no exp, and never to end is not allowed"],
  ];
  for (const [value, why] of cases) {
    if (why === undefined) assertEquals(read({ exp: value }).expiresAt, value as number * 1000);
    else assertEquals(whyNot({ exp: value }), why, String(value));
  }
});

Deno.test("readClaims() needs nbf and iat in the past, give or take 2 seconds", () => {
  for (const name of ["nbf", "iat"]) {
    for (const time of [0, NOW_S - 1e6, NOW_S, NOW_S + 2]) {
      assertEquals(read({ exp, [name]: time }).expiresAt, exp * 1000);
    }
    for (const time of [NOW_S + 2.001, NOW_S + 3600]) {
      assertEquals(whyNot({ exp, [name]: time }), `it is not valid yet, by its ${name}`);
    }
    for (const time of ["1", null, -1, NOW_S * 1000, {}]) {
      assertEquals(whyNot({ exp, [name]: time }), `its ${name} is not in seconds since 1970`);
    }
  }
});

Deno.test("readClaims() needs the expected audience and issuer", () => {
  const wrong = "it is for another audience";
  const hark = { tokenAudience: "hark" };
  for (const aud of ["hark", ["hark"], ["other", "hark"]]) {
    assertEquals(read({ exp, aud }, hark).expiresAt, exp * 1000);
  }
  for (
    const aud of [undefined, null, "", "Hark", "hark ", [], ["other"], [["hark"]], { hark: 1 }, 7]
  ) {
    assertEquals(whyNot({ exp, aud }, hark), wrong, String(aud));
  }
  for (const aud of [null, "", "hark", ["hark"], [], [""]]) {
    assertEquals(whyNot({ exp, aud }), wrong, "a token for somebody, and nobody is expected");
  }
  const issuer = { tokenIssuer: "https://issuer.example" };
  assertEquals(read({ exp, iss: "https://issuer.example" }, issuer).expiresAt, exp * 1000);
  for (const iss of [undefined, null, "", "https://issuer.example/", ["https://issuer.example"]]) {
    assertEquals(whyNot({ exp, iss }, issuer), "it is of another issuer");
  }
});

Deno.test("readClaims() bounds the name of the user", () => {
  const why = "its sub is not 1 to 128 characters with no control character";
  for (const sub of ["4", "x".repeat(128), "a b", "<b>", '"', "😀".repeat(64), "__proto__"]) {
    assertEquals(read({ exp, sub }).user, sub);
  }
  const wrong = ["", "x".repeat(129), "a\nb", "a\0", "a\x7f", "\x85", "\ud800", 42, null, {}, [
    "a",
  ]];
  for (const sub of wrong) assertEquals(whyNot({ exp, sub }), why, JSON.stringify(sub));
});

Deno.test("readClaims() bounds the lists of channels", () => {
  const many = (count: number) => Array.from({ length: count }, (_, number) => `user.${number}.*`);
  for (const name of ["subscribe", "publish"] as const) {
    const why = `its hark.${name} is not a list of at most 100 channels or patterns`;
    for (const list of [[], ["*"], many(100), ["a", "a"], ["x".repeat(128)]]) {
      assertEquals(read({ exp, hark: { [name]: list } })[name], list);
    }
    const wrong = [null, "news", {}, 7, many(101), [""], ["a*"], ["a.*.b"], ["**"], ["a b"], [7], [[
      "a",
    ]]];
    for (const list of [...wrong, ["x".repeat(201)], ["ü"], ["news", null], { length: 0 }]) {
      assertEquals(whyNot({ exp, hark: { [name]: list } }), why, JSON.stringify(list));
    }
  }
  const object = 'its hark is not an object such as {"subscribe":["news.*"]}';
  for (const hark of [null, "news", ["news"], 7, true]) assertEquals(whyNot({ exp, hark }), object);
});

Deno.test("readClaims() reads nothing from the prototype of an object", () => {
  const claims = JSON.parse(`{"exp":${exp},"__proto__":{"sub":"root","hark":{"publish":["*"]}}}`);
  assertEquals(read(claims), {
    user: undefined,
    subscribe: [],
    publish: [],
    expiresAt: exp * 1000,
  });
});
