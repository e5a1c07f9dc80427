/** A set of keys, in which a key is found in constant time. */
export class Keys {
  readonly #keys: readonly string[];
  /** Made with the first look-up: then a start waits for nothing. */
  #codes: Promise<Codes> | undefined;

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  /** True if there is no key. */
  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  /** The index of this key; undefined if it is not in the set. */
  async find(key: string): Promise<number | undefined> {
    const { hmacKey, indexes } = await (this.#codes ??= makeCodes(this.#keys));
    return indexes.get(await codeOf(key, hmacKey));
  }
}

interface Codes {
  readonly hmacKey: CryptoKey;
  /** The index of each key, by its code. */
  readonly indexes: ReadonlyMap<string, number>;
}

const HMAC: HmacKeyGenParams = { name: "HMAC", hash: "SHA-256" };
const encoder = new TextEncoder();

async function makeCodes(keys: readonly string[]): Promise<Codes> {
  const hmacKey = await crypto.subtle.generateKey(HMAC, false, ["sign"]);
  const entries = keys.map(async (key, index) => [await codeOf(key, hmacKey), index] as const);
  return { hmacKey, indexes: new Map(await Promise.all(entries)) };
}

/** Nobody can predict the code of a key, so the time of a look-up reveals nothing about the keys. */
async function codeOf(key: string, hmacKey: CryptoKey): Promise<string> {
  const code = await crypto.subtle.sign(HMAC, hmacKey, encoder.encode(key));
  return new Uint8Array(code).toBase64();
}

/** The credential of `Authorization: Bearer …` (RFC 6750 section 2.1), or null. */
export function bearer(headers: Headers): string | null {
  return /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1] ?? null;
}

/** The password of `Authorization: Basic …` (RFC 7617 section 2) for any user, or null. */
export function basicPassword(headers: Headers): string | null {
  const [, code] = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(headers.get("authorization") ?? "") ??
    [];
  if (code === undefined) return null;
  try {
    const pair = new TextDecoder().decode(Uint8Array.fromBase64(code));
    const colon = pair.indexOf(":");
    return colon < 0 ? null : pair.slice(colon + 1);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
