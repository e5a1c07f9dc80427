import { assert, assertEquals } from "@std/assert";
import { type Claims, type Expectations, isUser, readClaims } from "../../lib/auth/claims.ts";
import { KEYS_MAX, readKeys } from "../../lib/auth/jwk.ts";
import {
  type FindKey,
  secretKey,
  signToken,
  TOKEN_CHARS_MAX,
  verifyToken,
} from "../../lib/auth/jwt.ts";
import { isSubscription } from "../../lib/core/channel.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { CLOCK_SKEW_MS } from "../../lib/core/grant.ts";
import type { Dice } from "../support/dice.ts";
import {
  encodeBytes,
  encodePart,
  makeKeys,
  NOW_S,
  SECRET,
  type SigningKeys,
} from "../support/tokens.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { several, someBytes, someSubscription, someText, someValue } from "./grammar.ts";
import { mutateText } from "./mutator.ts";
import { attempt, attemptAsync, checkPrototypes } from "./properties.ts";

/** Made when they are first needed. */
let pairs: Promise<SigningKeys[]> | undefined;
const ALGORITHMS = ["HS256", "EdDSA", "ES256", "RS256", "none", "None", "", null, ["HS256"]];

/** Tokens: whatever was done to one, it counts only as it was signed. */
const tokenFuzzer: Fuzzer = {
  name: "tokens",
  rounds: 200,
  async round(dice, show) {
    const { signing, checking } = dice.pick(await signingKeys());
    const findKey: FindKey = () => checking;
    const claims = Object.fromEntries([["sub", someText(dice)], ["a", someJsonValue(dice)]]);
    const [token, other] = await Promise.all(
      [claims, {}].map((claims) => signToken(claims, signing)),
    );
    show(token);
    assertEquals(await verifyToken(token!, findKey), claims);
    const forged = dice.chance(0.6)
      ? mutateText(dice, token!, [token!, other!])
      : forge(dice, token!);
    show(forged);
    const secrets = [SECRET, ...forged.split(".").filter((part) => part.length > 8)];
    const result = await attemptAsync(() => verifyToken(forged, findKey), [Refusal], { secrets });
    if ("value" in result) assert([token, other].includes(forged), "a forged token counts");
    checkPrototypes();
  },
};

/** What a token says whose signature is right. */
const claimsFuzzer: Fuzzer = {
  name: "claims",
  rounds: 1000,
  round(dice, show) {
    const expected = { tokenAudience: dice.pick(["", "hark"]), tokenIssuer: dice.pick(["", "me"]) };
    const text = JSON.stringify(someClaims(dice, expected));
    const json = dice.chance(0.3) ? text : mutateText(dice, text, [text]);
    const parsed = attempt(() => JSON.parse(json), [SyntaxError], { quotes: true });
    if (!("value" in parsed) || typeof parsed.value !== "object" || parsed.value === null) return;
    show({ json, expected });
    const claims = attempt(() => readClaims(parsed.value, expected, NOW_S * 1000), [Refusal]);
    if ("value" in claims) checkClaims(claims.value);
  },
};

/** Sets of keys. */
const keysFuzzer: Fuzzer = {
  name: "jwks",
  rounds: 200,
  async round(dice, show) {
    const jwks = (await keyPairs()).map(({ jwk }) => jwk);
    const secret = { kty: "oct", k: encodePart(SECRET), kid: "hs" };
    const keys = dice.some([...jwks, secret, { kty: "RSA", n: "AQAB", e: "AQAB" }], 0.7);
    const text = JSON.stringify({ keys });
    const mutated = mutateText(dice, text, [text]);
    const mayHoldSecrets = dice.chance(0.5);
    show({ mutated, mayHoldSecrets });
    const read = () => readKeys(mutated, mayHoldSecrets);
    const found = await attemptAsync(read, [SyntaxError], { secrets: [SECRET, secret.k] });
    if (!("value" in found)) return;
    assert(found.value.length >= 1 && found.value.length <= KEYS_MAX);
    for (const { id, algorithm, key } of found.value) {
      assert(id === undefined || typeof id === "string");
      assert(algorithm !== "HS256" || mayHoldSecrets, "a secret came from elsewhere");
      assertEquals(key.usages, ["verify"]);
    }
  },
};

export const TOKEN_FUZZERS: readonly Fuzzer[] = [tokenFuzzer, claimsFuzzer, keysFuzzer];

function keyPairs(): Promise<SigningKeys[]> {
  return pairs ??= Promise.all([makeKeys("EdDSA", "ed"), makeKeys("ES256", "es")]);
}

async function signingKeys(): Promise<Pick<SigningKeys, "signing" | "checking">[]> {
  const secret = await secretKey(SECRET);
  return [{ signing: secret, checking: secret }, ...await keyPairs()];
}

/** A token with a header of its own, or a signature. */
function forge(dice: Dice, token: string): string {
  const [head = "", body = "", code = ""] = token.split(".");
  if (dice.chance(0.3)) return [head, body, respell(code)].join(".");
  const header = {
    alg: dice.pick(ALGORITHMS),
    typ: "JWT",
    ...(dice.chance(0.5) && { kid: dice.pick(["hs", "ed", 7, null, "__proto__", "../key"]) }),
    ...(dice.chance(0.2) && { crit: ["exp"] }),
    ...(dice.chance(0.2) && { jwk: { kty: "oct", k: encodePart(SECRET) } }),
  };
  const signature = dice.pick([
    "",
    code,
    encodeBytes(new Uint8Array(64)),
    encodeBytes(someBytes(dice, 64)),
    code + "=",
  ]);
  const claims = dice.pick([
    body,
    encodePart({ sub: "admin" }),
    encodePart("[]"),
    "A".repeat(TOKEN_CHARS_MAX),
  ]);
  return [dice.chance(0.3) ? head : encodePart(header), claims, signature].join(".");
}

/** Base64url that stands for the same bytes, but for bits that belong to none. */
function respell(text: string): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return text.slice(0, -1) + letters[letters.indexOf(text.slice(-1)) ^ 1];
}

function someClaims(
  dice: Dice,
  { tokenAudience, tokenIssuer }: Expectations,
): Record<string, unknown> {
  const patterns = () => several(dice, 3, () => someSubscription(dice));
  const odd = <T>(value: T) => dice.chance(0.9) ? value : someJsonValue(dice);
  return {
    exp: odd(NOW_S + dice.upTo(100) - 20),
    ...(dice.chance(0.5) && { nbf: odd(NOW_S + dice.upTo(100) - 60) }),
    ...(dice.chance(0.5) && { sub: odd(someText(dice)) }),
    ...(tokenAudience !== "" && { aud: odd(dice.pick([tokenAudience, ["a", tokenAudience], []])) }),
    ...(tokenIssuer !== "" && { iss: odd(tokenIssuer) }),
    ...(dice.chance(0.8) &&
      { hark: odd({ subscribe: odd(patterns()), publish: odd(patterns()) }) }),
  };
}

function checkClaims({ user, subscribe, publish, expiresAt }: Claims): void {
  assert(user === undefined || isUser(user));
  for (const pattern of [...subscribe, ...publish]) assert(isSubscription(pattern), pattern);
  assert(Number.isFinite(expiresAt) && expiresAt > NOW_S * 1000 - CLOCK_SKEW_MS);
}

function someJsonValue(dice: Dice): unknown {
  return JSON.parse(JSON.stringify(someValue(dice)));
}
