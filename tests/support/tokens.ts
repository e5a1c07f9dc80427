import {
  type Algorithm,
  PARAMETERS,
  secretKey,
  signToken,
  type TokenKey,
} from "../../lib/auth/jwt.ts";
import type { JsonObject } from "../../lib/core/json.ts";

/** A secret to sign tests' tokens with. */
export const SECRET = "a secret of 32 bytes, or of more";

/** The time of every clock that stands still: 2026-01-01. */
export const NOW_S = Date.UTC(2026, 0, 1) / 1000;

/** How a token is signed; its claims beside these. */
export interface Issued extends JsonObject {
  readonly secret?: string;
}

/** A token signed with `SECRET` that ends in an hour, unless its claims say otherwise. */
export async function issue({ secret = SECRET, ...claims }: Issued = {}): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return await signToken({ exp, ...claims }, await secretKey(secret));
}

/** A key to sign with, the one to check with, and that one as JWK. */
export interface SigningKeys {
  readonly signing: TokenKey;
  readonly checking: TokenKey;
  readonly jwk: JsonObject;
}

/** Makes keys for an algorithm. */
export async function makeKeys(algorithm: Algorithm, id?: string): Promise<SigningKeys> {
  const { publicKey, privateKey } = await generate(algorithm);
  const { ext: _, key_ops: __, ...jwk } = await crypto.subtle.exportKey("jwk", publicKey);
  return {
    signing: { id, algorithm, key: privateKey },
    checking: { id, algorithm, key: publicKey },
    jwk: { ...jwk, alg: algorithm, ...(id !== undefined && { kid: id }) },
  };
}

async function generate(algorithm: Algorithm): Promise<CryptoKeyPair> {
  const rsa = { modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) };
  const parameters = { ...PARAMETERS[algorithm], ...(algorithm === "RS256" && rsa) };
  const made = await crypto.subtle.generateKey(parameters, true, ["sign", "verify"]);
  if (!(made instanceof CryptoKey)) return made as CryptoKeyPair;
  return { publicKey: made, privateKey: made };
}

/** The text of a part of a token. */
export function encodePart(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return encodeBytes(new TextEncoder().encode(text));
}

export function encodeBytes(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
