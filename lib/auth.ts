import { createHash, timingSafeEqual } from "node:crypto";
import { Refusal } from "./core/errors.ts";

/** The keys that let a caller publish. */
export class Keys {
  readonly #digests: readonly Uint8Array[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest);
  }

  /** True if there is no key: then nobody needs one. */
  get isEmpty(): boolean {
    return this.#digests.length === 0;
  }

  /**
   * The number of the key that a request carries, from 0. Takes the same time whichever key it is
   * and whatever of it is right. Throws a `Refusal` that says how to send one.
   */
  check(request: Request, query: URLSearchParams): number {
    const given = bearer(request.headers) ?? query.get("key");
    if (given === null) {
      throw new Refusal(
        "unauthorized",
        "Cannot publish without a key: send it as Authorization: Bearer KEY or as ?key=KEY",
      );
    }
    const sought = digest(given);
    let found = -1;
    for (const [index, known] of this.#digests.entries()) {
      if (timingSafeEqual(known, sought)) found = index;
    }
    if (found >= 0) return found;
    throw new Refusal("unauthorized", "Cannot publish with this key: it is not one of the server's");
  }
}

/** The credential of `Authorization: Bearer …` (RFC 6750 section 2.1), or null. */
export function bearer(headers: Headers): string | null {
  return /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1] ?? null;
}

// Digests have one length, which is what a comparison in constant time needs.
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
