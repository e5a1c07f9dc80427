import { createHmac, randomBytes } from "node:crypto";

/** A set of keys, in which a key is found in constant time. */
export class Keys {
  /** True if there is no key. */
  readonly isEmpty: boolean;
  readonly #secret = randomBytes(32);
  readonly #indexes: ReadonlyMap<string, number>;

  constructor(keys: readonly string[]) {
    this.isEmpty = keys.length === 0;
    this.#indexes = new Map(keys.map((key, index) => [this.#code(key), index]));
  }

  /** The index of this key; undefined if it is not in the set. */
  find(key: string): number | undefined {
    return this.#indexes.get(this.#code(key));
  }

  /**
   * The name under which a key is kept. Nobody can predict it, so the time of a look-up reveals nothing
   * about the keys.
   */
  #code(key: string): string {
    return createHmac("sha256", this.#secret).update(key).digest("base64");
  }
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
