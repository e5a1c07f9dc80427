import { assertEquals, assertRejects } from "@std/assert";
import { readKeys } from "../../lib/auth/jwk.ts";
import { type Algorithm, signToken, verifyToken } from "../../lib/auth/jwt.ts";
import { makeKeys, type SigningKeys } from "../support/tokens.ts";

const ALL: Readonly<Record<Algorithm, SigningKeys>> = {
  HS256: await makeKeys("HS256", "oct"),
  ES256: await makeKeys("ES256", "EC"),
  RS256: await makeKeys("RS256", "RSA"),
  EdDSA: await makeKeys("EdDSA", "OKP"),
};
const NONE = "expected a key for HS256, ES256, RS256 or EdDSA, found none that is usable";

type Jwk = Record<string, unknown>;

async function idsOf(keys: unknown[], mayHoldSecrets = true): Promise<unknown[]> {
  const known = { kty: "EC", crv: "P-256", kid: "sound", ...pick(ALL.ES256.jwk, "x", "y") };
  const found = await readKeys(JSON.stringify({ keys: [...keys, known] }), mayHoldSecrets);
  assertEquals(found.pop()?.id, "sound");
  return found.map(({ id }) => id);
}

function pick(jwk: Jwk, ...names: string[]): Jwk {
  return Object.fromEntries(names.map((name) => [name, jwk[name]]));
}

Deno.test("readKeys() reads a key of every kind, for the algorithm of its kind", async () => {
  const jwks = Object.values(ALL).map(({ jwk }) => jwk);
  for (const bare of [false, true]) {
    const keys = bare ? jwks.map(({ alg: _, ...jwk }) => jwk) : jwks;
    const found = await readKeys(JSON.stringify({ keys }), true);
    assertEquals(found.map(({ id, algorithm }) => [id, algorithm]), [
      ["oct", "HS256"],
      ["EC", "ES256"],
      ["RSA", "RS256"],
      ["OKP", "EdDSA"],
    ]);
    for (const key of found) {
      assertEquals([key.key.extractable, key.key.usages], [false, ["verify"]]);
      const token = await signToken({ a: 1 }, ALL[key.algorithm].signing);
      assertEquals(await verifyToken(token, () => key), { a: 1 });
    }
  }
});

Deno.test("readKeys() reads only the public part of a private key", async () => {
  const jwks = await Promise.all(
    (["ES256", "RS256", "EdDSA"] as const).map((name) =>
      crypto.subtle.exportKey("jwk", ALL[name].signing.key)
    ),
  );
  const keys = jwks.map((jwk) => ({ ...jwk, key_ops: ["sign", "verify"] }));
  const found = await readKeys(JSON.stringify({ keys }), false);
  assertEquals(found.map(({ key }) => key.type), ["public", "public", "public"]);
});

Deno.test("readKeys() ignores keys for other uses", async () => {
  const { HS256: { jwk: oct }, ES256: { jwk: ec }, RS256: { jwk: rsa }, EdDSA: { jwk: okp } } = ALL;
  const others: Jwk[] = [
    { ...rsa, use: "enc" },
    { ...rsa, use: ["sig"] },
    { ...rsa, key_ops: ["encrypt"] },
    { ...rsa, key_ops: "verify" },
    { ...rsa, alg: "RSA-OAEP" },
    { ...rsa, alg: "RS512" },
    { ...rsa, alg: "HS256" },
    { ...rsa, alg: null },
    { ...rsa, kty: "EC" },
    { ...rsa, kty: "oct" },
    { ...rsa, crv: "P-256" },
    { ...ec, crv: "P-384" },
    { ...ec, crv: undefined },
    { ...ec, alg: "EdDSA" },
    { ...okp, crv: "X25519" },
    { ...okp, alg: "ES256" },
    { ...oct, alg: "HS512" },
    { ...rsa, kid: 7 },
    { kty: "PQC", kid: "x" },
    { ...rsa, kty: ["RSA"] },
  ];
  assertEquals(await idsOf(others), []);
  const fitting = [{ ...rsa, use: "sig", key_ops: ["verify"], x5c: ["?"] }, { ...ec, later: 1 }];
  assertEquals(await idsOf(fitting), ["RSA", "EC"]);
});

Deno.test("readKeys() ignores keys that are malformed, too short or too long", async () => {
  const { HS256: { jwk: oct }, ES256: { jwk: ec }, RS256: { jwk: rsa }, EdDSA: { jwk: okp } } = ALL;
  const malformed: unknown[] = [
    null,
    "key",
    7,
    [],
    {},
    { ...oct, k: "A".repeat(42) },
    { ...oct, k: "A".repeat(2000) },
    { ...oct, k: undefined },
    { ...oct, k: 7 },
    { ...oct, k: "*".repeat(44) },
    { ...rsa, n: "A".repeat(172) },
    { ...rsa, n: "A".repeat(100_000) },
    { ...rsa, e: undefined },
    { ...rsa, n: { toString: 1 } },
    { ...ec, y: ec.x },
    { ...ec, x: "AAAA" },
    { ...ec, y: undefined },
    { ...rsa, e: "AA" },
    { ...rsa, n: "A".repeat(342) },
    { ...okp, x: "A".repeat(43) },
    { ...okp, x: "A".repeat(42) },
    { ...okp, x: "A".repeat(44) },
    { ...okp, x: null },
  ];
  assertEquals(await idsOf(malformed), []);
});

Deno.test("readKeys() reads secrets only from a file", async () => {
  assertEquals(await idsOf([ALL.HS256.jwk]), ["oct"]);
  assertEquals(await idsOf([ALL.HS256.jwk], false), []);
  const text = JSON.stringify({ keys: [ALL.HS256.jwk] });
  await assertRejects(() => readKeys(text, false), SyntaxError, NONE);
});

Deno.test("readKeys() refuses text that is not a set, has too many keys or none, and shows nothing of it", async () => {
  const cases: readonly [string, string][] = [
    ["", "expected JSON"],
    ["s3cret", "expected JSON"],
    ['{"keys":[s3cret', "expected JSON"],
    ["null", 'expected a JWKS, {"keys":[…]}'],
    ["[]", 'expected a JWKS, {"keys":[…]}'],
    ['"s3cret"', 'expected a JWKS, {"keys":[…]}'],
    ['{"keys":{}}', 'expected a JWKS, {"keys":[…]}'],
    [JSON.stringify(ALL.ES256.jwk), 'expected a JWKS, {"keys":[…]}'],
    ['{"keys":[]}', NONE],
    ['{"keys":[{"kty":"oct","k":"s3cret"}]}', NONE],
    [JSON.stringify({ keys: Array(101).fill(ALL.ES256.jwk) }), "expected at most 100 keys"],
  ];
  for (const [text, message] of cases) {
    const error = await assertRejects(() => readKeys(text, true), SyntaxError);
    assertEquals(error.message, message);
  }
  const many = JSON.stringify({ keys: Array(100).fill(ALL.ES256.jwk) });
  assertEquals((await readKeys(many, true)).length, 100);
});
