import { concat } from "../core/bytes.ts";

/** What is signed of a request from one node to another. */
export interface SignedRequest {
  readonly method: string;
  /** Its path and query. */
  readonly target: string;
  /** The client's. */
  readonly address: string;
  /** When it was signed, in milliseconds since 1970. */
  readonly time: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Signs requests of a node, and verifies those of nodes with the same secret (HMAC-SHA256, RFC 2104). */
export class RequestSigner {
  readonly #secret: string;
  #imported: Promise<CryptoKey> | undefined;

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** Returns the signature as base64url. */
  async sign(request: SignedRequest): Promise<string> {
    const signature = await crypto.subtle.sign("HMAC", await this.#key(), bytesOf(request));
    return new Uint8Array(signature).toBase64({ alphabet: "base64url", omitPadding: true });
  }

  /** Reports, in constant time, whether the signature is that of the request. */
  async verify(request: SignedRequest, signature: string): Promise<boolean> {
    let given: Uint8Array<ArrayBuffer>;
    try {
      given = Uint8Array.fromBase64(signature, { alphabet: "base64url" });
    } catch (error) {
      if (error instanceof SyntaxError) return false;
      throw error;
    }
    return await crypto.subtle.verify("HMAC", await this.#key(), given, bytesOf(request));
  }

  /** Imported for the first request: nobody waits for what a constructor begins. */
  #key(): Promise<CryptoKey> {
    if (this.#imported === undefined) {
      const bytes = new TextEncoder().encode(this.#secret);
      const algorithm = { name: "HMAC", hash: "SHA-256" };
      this.#imported = crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign", "verify"]);
    }
    return this.#imported;
  }
}

/** No part but the body can have a line break, so no two requests have the same bytes. */
function bytesOf({ method, target, address, time, body }: SignedRequest): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(`${method}\n${target}\n${address}\n${time}\n`);
  return concat([head, body]);
}
