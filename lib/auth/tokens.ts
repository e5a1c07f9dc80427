import type { Clock } from "../core/clock.ts";
import { type Claims, type Expectations, readClaims } from "./claims.ts";
import { isRemote, Jwks } from "./jwks.ts";
import { type FindKey, secretKey, verifyToken } from "./jwt.ts";

/** Which tokens count. */
export interface TokensOptions extends Expectations {
  /** The secret that they are signed with, of 32 bytes or more; empty if there is none. */
  readonly tokenSecret: string;
  /** Where the keys are that they are signed with, a file or an https URL; empty if there are none. */
  readonly tokenJwks: string;
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
  /** Called when the keys cannot be had. */
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
      const secret = secretKey(tokenSecret);
      this.#findKey = () => secret;
    } else {
      const jwks = this.#jwks = new Jwks({ fetch, ...options, source });
      this.#findKey = (id) => jwks.find(id);
    }
  }

  /** Reads the keys. Throws a `SyntaxError` if their file is not as it should be. */
  async start(): Promise<void> {
    await this.#jwks?.start();
  }

  /** Whether the keys are in a file. */
  get areInFile(): boolean {
    return this.#jwks !== undefined && !isRemote(this.#options.tokenJwks);
  }

  /** Reads the keys of a file again. Throws a `SyntaxError`, and stays with the old ones, if it cannot. */
  async renew(): Promise<void> {
    await this.#jwks?.renew();
  }

  /** What the bearer of a token may do. Throws a `Refusal` that says why it does not count. */
  async check(token: string): Promise<Claims> {
    const claims = await verifyToken(token, this.#findKey);
    return readClaims(claims, this.#options, this.#options.clock.now());
  }

  /** Gives up what is being read. */
  close(): void {
    this.#jwks?.close();
  }
}
