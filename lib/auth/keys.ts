/** A set of keys, in which a key is found in constant time. */
export class Keys {
  /** True if there is no key. */
  readonly isEmpty: boolean;
  /** Made with the first code: an open server needs none, and starts sooner without. */
  #hmacKey: Promise<CryptoKey> | undefined;
  readonly #indexes: Promise<ReadonlyMap<string, number>>;

  constructor(keys: readonly string[]) {
    this.isEmpty = keys.length === 0;
    const entries = keys.map(async (key, index) => [await this.#code(key), index] as const);
    this.#indexes = Promise.all(entries).then((codes) => new Map(codes));
  }

  /** The index of this key; undefined if it is not in the set. */
  async find(key: string): Promise<number | undefined> {
    const [indexes, code] = await Promise.all([this.#indexes, this.#code(key)]);
    return indexes.get(code);
  }

  /**
   * The name under which a key is kept. Nobody can predict it, so the time of a look-up reveals nothing
   * about the keys.
   */
  async #code(key: string): Promise<string> {
    this.#hmacKey ??= crypto.subtle.generateKey(HMAC, false, ["sign"]);
    const code = await crypto.subtle.sign(HMAC, await this.#hmacKey, encoder.encode(key));
    return new Uint8Array(code).toBase64();
  }
}

const HMAC: HmacKeyGenParams = { name: "HMAC", hash: "SHA-256" };
const encoder = new TextEncoder();

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
