import type { Clock } from "../core/clock.ts";
import { type Claims, type Expectations, readClaims } from "./claims.ts";
import { isRemote, Jwks } from "./jwks.ts";
import { type FindKey, secretKey, type TokenKey, verifyToken } from "./jwt.ts";

/** Where the keys of tokens are, and what tokens must name. */
export interface TokensOptions extends Expectations {
  /** The secret that signs them, of 32 bytes or more; empty for none. */
  readonly tokenSecret: string;
  /** A file or an https URL with the keys that sign them; empty for none. */
  readonly tokenJwks: string;
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
  /** Called when the keys cannot be read. */
  readonly onFailure: (why: string) => void;
}

/** Checks tokens. */
export class Tokens {
  readonly #options: TokensOptions;
  readonly #jwks: Jwks | undefined;
  readonly #findKey: FindKey;

  constructor(options: TokensOptions) {
    const { tokenSecret, tokenJwks: source } = options;
    this.#options = options;
    if (tokenSecret !== "") {
      let secret: Promise<TokenKey> | undefined;
      this.#findKey = () => secret ??= secretKey(tokenSecret);
    } else {
      const jwks = this.#jwks = new Jwks({ fetch, ...options, source });
      this.#findKey = (id) => jwks.find(id);
    }
  }

  /** Reads the keys. Rejects with a `SyntaxError` if their file is malformed. */
  async start(): Promise<void> {
    await this.#jwks?.start();
  }

  /** True if the keys are in a file. */
  get areInFile(): boolean {
    return this.#jwks !== undefined && !isRemote(this.#options.tokenJwks);
  }

  /** Reads a file of keys again. Rejects with a `SyntaxError`, and keeps the old ones, if it is malformed. */
  async renew(): Promise<void> {
    await this.#jwks?.renew();
  }

  /** What the bearer of a token may do. Rejects with a `Refusal` that says why it does not count. */
  async check(token: string): Promise<Claims> {
    const claims = await verifyToken(token, this.#findKey);
    return readClaims(claims, this.#options, this.#options.clock.now());
  }

  /** Aborts reading. */
  close(): void {
    this.#jwks?.close();
  }
}
