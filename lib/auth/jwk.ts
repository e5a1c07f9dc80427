import type { JsonObject } from "../core/json.ts";
import { type Algorithm, PARAMETERS, SECRET_BYTES_MIN, type TokenKey } from "./jwt.ts";

/** What is read of a key of one kind (`kty`). */
interface Kind {
  readonly algorithm: Algorithm;
  readonly curve?: string;
  /** The members of the public key; those of a private key are ignored. */
  readonly members: readonly string[];
  /** The member that has the length of the key, and the bounds of it. */
  readonly sized: readonly [member: string, bytesMin: number, bytesMax: number];
}

const KINDS: ReadonlyMap<unknown, Kind> = new Map<unknown, Kind>([
  ["oct", { algorithm: "HS256", members: ["k"], sized: ["k", SECRET_BYTES_MIN, 1024] }],
  // RFC 7518 section 3.3: 2048 bits or more.
  ["RSA", { algorithm: "RS256", members: ["n", "e"], sized: ["n", 256, 1024] }],
  ["EC", { algorithm: "ES256", curve: "P-256", members: ["x", "y"], sized: ["x", 32, 32] }],
  ["OKP", { algorithm: "EdDSA", curve: "Ed25519", members: ["x"], sized: ["x", 32, 32] }],
]);

/** Keys in a set. */
export const KEYS_MAX = 100;

/**
 * Reads the keys of a JSON Web Key Set (RFC 7517) that can check tokens; other kinds, other uses and
 * malformed keys are ignored, and so are secrets unless `mayHoldSecrets`. Throws a `SyntaxError` if the
 * text is no such set, or if it has no key that can be used.
 */
export async function readKeys(text: string, mayHoldSecrets: boolean): Promise<TokenKey[]> {
  const { keys } = readObject(text);
  if (!Array.isArray(keys)) throw new SyntaxError('expected a JWKS, {"keys":[…]}');
  if (keys.length > KEYS_MAX) throw new SyntaxError(`expected at most ${KEYS_MAX} keys`);
  const known = await Promise.all(keys.map((jwk) => readKey(jwk, mayHoldSecrets)));
  const usable = known.filter((key) => key !== undefined);
  if (usable.length > 0) return usable;
  throw new SyntaxError(
    "expected a key for HS256, ES256, RS256 or EdDSA, found none that is usable",
  );
}

function readObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not with the message of the parser, which may quote a secret.
    throw new SyntaxError("expected JSON");
  }
  return Object(value);
}

async function readKey(jwk: unknown, mayHoldSecrets: boolean): Promise<TokenKey | undefined> {
  const fields: JsonObject = Object(jwk);
  const { kty, kid } = fields;
  const kind = KINDS.get(kty);
  if (kind === undefined || !fits(fields, kind) || (kty === "oct" && !mayHoldSecrets)) {
    return undefined;
  }
  const { algorithm, curve, members } = kind;
  const parts = Object.fromEntries(members.map((name) => [name, fields[name]]));
  const key = { kty, ...(curve && { crv: curve }), ...parts } as JsonWebKey;
  try {
    const parameters = PARAMETERS[algorithm];
    const imported = await crypto.subtle.importKey("jwk", key, parameters, false, ["verify"]);
    // A key is imported even if it is no point of its curve, or accepts any signature: try it.
    const nothing = new Uint8Array(64);
    if (await crypto.subtle.verify(parameters, imported, nothing, nothing)) return undefined;
    return { id: kid as string | undefined, algorithm, key: imported };
  } catch {
    return undefined; // Other keys of the set may still be right.
  }
}

/** Reports whether a key is for checking signatures (RFC 7517 section 4), and has a valid length. */
function fits(fields: JsonObject, { algorithm, curve, members, sized }: Kind): boolean {
  const { alg = algorithm, crv, use = "sig", key_ops: operations = ["verify"], kid } = fields;
  const [member, bytesMin, bytesMax] = sized;
  if (!members.every((name) => typeof fields[name] === "string")) return false;
  const bytes = Math.floor((fields[member] as string).length * 3 / 4);
  return alg === algorithm && crv === curve && use === "sig" &&
    Array.isArray(operations) && operations.includes("verify") &&
    (kid === undefined || typeof kid === "string") && bytes >= bytesMin && bytes <= bytesMax;
}
