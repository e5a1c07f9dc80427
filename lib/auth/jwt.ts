/**
 * JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, by WebCrypto. The key decides how a token is
 * checked, never the token: each key is for one algorithm, and the token must name that one.
 */

import { Refusal } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";

/** How tokens may be signed (RFC 7518 section 3.1, RFC 8037 section 3.1). */
export type Algorithm = "HS256" | "ES256" | "RS256" | "EdDSA";

/** A key and its algorithm. */
export interface TokenKey {
  /** The `kid` by which tokens name it. */
  readonly id?: string | undefined;
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
}

/** Finds the key that a token names; throws a `Refusal` if there is none. */
export type FindKey = (id: string | undefined) => TokenKey | Promise<TokenKey>;

/** The parameters of each algorithm for WebCrypto. */
export const PARAMETERS = {
  HS256: { name: "HMAC", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
} as const satisfies Record<Algorithm, object>;

/** RFC 7518 section 3.2: at least the length of the hash. */
export const SECRET_BYTES_MIN = 32;
/** A character of a token is one byte. */
export const TOKEN_CHARS_MAX = 8192;

const BASE64URL = /^[A-Za-z0-9_-]+$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reports whether a text has the form of a JWT, whose header is the base64url of a JSON object. */
export function looksLikeToken(text: string): boolean {
  return /^e[wy][\w-]*\.[\w-]*\.[\w-]*$/.test(text);
}

/** The refusal of a token; `why` MUST contain nothing of it. */
export function refuseToken(why: string): Refusal {
  return new Refusal("unauthorized", `Cannot use this token: ${why}`);
}

/** Makes a key from the text of a secret. Rejects with a `RangeError` if it is too short. */
export async function secretKey(secret: string): Promise<TokenKey> {
  const bytes = encoder.encode(secret);
  if (bytes.length < SECRET_BYTES_MIN) {
    throw new RangeError(`A secret for tokens has at least ${SECRET_BYTES_MIN} bytes`);
  }
  const { HS256 } = PARAMETERS;
  const key = await crypto.subtle.importKey("raw", bytes, HS256, false, ["sign", "verify"]);
  return { algorithm: "HS256", key };
}

/**
 * Checks the signature of a token and returns its claims, which are not checked. Rejects with a `Refusal`
 * that says what is wrong and contains nothing of the token, and with what `findKey` throws.
 */
export async function verifyToken(token: string, findKey: FindKey): Promise<JsonObject> {
  if (token.length > TOKEN_CHARS_MAX) {
    throw refuseToken(`it has more than ${TOKEN_CHARS_MAX} characters`);
  }
  const parts = token.split(".");
  const [head = "", body = "", code = ""] = parts;
  if (parts.length !== 3) throw refuseToken("it is not a JWT, which has three parts");
  const header = readHeader(head);
  const signature = readBytes(code, "signature is");
  const { algorithm, key } = await findKey(header.kid);
  if (header.alg !== algorithm) throw refuseToken("its algorithm is not that of the key");
  const signed = encoder.encode(`${head}.${body}`);
  if (!await crypto.subtle.verify(PARAMETERS[algorithm], key, signature, signed)) {
    throw refuseToken("its signature is wrong");
  }
  return readObject(body, "claims are");
}

/** Signs claims. */
export async function signToken(claims: JsonObject, key: TokenKey): Promise<string> {
  const header = { alg: key.algorithm, typ: "JWT", kid: key.id };
  const signed = `${encode(JSON.stringify(header))}.${encode(JSON.stringify(claims))}`;
  const parameters = PARAMETERS[key.algorithm];
  const signature = await crypto.subtle.sign(parameters, key.key, encoder.encode(signed));
  return `${signed}.${toBase64Url(new Uint8Array(signature))}`;
}

interface Header {
  readonly alg: unknown;
  readonly kid: string | undefined;
}

function readHeader(text: string): Header {
  const { alg, kid, crit } = readObject(text, "header is");
  // RFC 7515 section 4.1.11: an extension that we would have to understand.
  if (crit !== undefined) throw refuseToken("its header has a crit, which is not supported");
  if (kid !== undefined && typeof kid !== "string") throw refuseToken("its kid is not a string");
  return { alg, kid };
}

function readObject(text: string, name: string): JsonObject {
  const bytes = readBytes(text, name);
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    throw refuseToken(`its ${name} not JSON`);
  }
  if (isJsonObject(value)) return value;
  throw refuseToken(`its ${name} not a JSON object`);
}

function readBytes(text: string, name: string): Uint8Array<ArrayBuffer> {
  if (BASE64URL.test(text)) {
    try {
      // Strict decoding takes padding, and checks the unused bits at the end.
      const padded = text + "=".repeat(-text.length & 3);
      return Uint8Array.fromBase64(padded, {
        alphabet: "base64url",
        lastChunkHandling: "strict",
      });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  throw refuseToken(`its ${name} not base64url`);
}

function encode(text: string): string {
  return toBase64Url(encoder.encode(text));
}

function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
