import { bearer, Keys } from "../auth/keys.ts";
import type { Claims } from "../auth/claims.ts";
import { looksLikeToken } from "../auth/jwt.ts";
import type { Tokens } from "../auth/tokens.ts";
import { isLoopback, networkOf } from "../core/address.ts";
import type { Guard } from "../core/channel.ts";
import { Refusal } from "../core/errors.ts";
import { type Allowance, Grant } from "../core/grant.ts";
import {
  type Caller,
  cookieOf,
  type Credential,
  type CredentialRules,
  findCredential,
} from "./credential.ts";
import { cameByProxy } from "./forwarded.ts";
import type { Askers, Need } from "./operation.ts";
import type { Origins } from "./origin.ts";
import type { Exchange } from "./router.ts";
import { isLocalHost, readTarget } from "./target.ts";

/** What a server requires, and what it allows. */
export interface AccessOptions {
  /** The keys that allow everything. */
  readonly publishKey: readonly string[];
  /** The key that only reads metrics; empty for none. */
  readonly metricsKey: string;
  /** Undefined if the server accepts no tokens. */
  readonly tokens: Tokens | undefined;
  readonly originPolicy: Origins;
  /** True if nobody needs a credential for anything. */
  readonly isOpen: boolean;
  /** Reports whether a name is allowed only by a key, or by a token that names it; undefined for none. */
  readonly isGuarded: Guard | undefined;
  /** Channels and patterns that everybody may receive; empty for all of them on a server without tokens. */
  readonly public: readonly string[];
  /** Trusted proxies between client and server. */
  readonly trustProxy: number;
}

const EVERYTHING = ["*"];
const WRONG_KEY = "it is not one of the server's";

/** Decides what each caller may do. */
export class Access {
  readonly #options: AccessOptions;
  readonly #keys: Keys;
  /** A publish key reads metrics too. */
  readonly #metricsKeys: Keys;
  readonly #rules: CredentialRules;
  readonly #public: Allowance;
  /** Without tokens there are no users: then presence hides nobody. */
  readonly #watchedByAnyone: readonly string[];

  constructor(options: AccessOptions) {
    const { tokens, public: channels, publishKey, metricsKey, originPolicy } = options;
    this.#options = options;
    this.#keys = new Keys(publishKey);
    this.#metricsKeys = metricsKey === "" ? this.#keys : new Keys([...publishKey, metricsKey]);
    const takesTokens = tokens !== undefined;
    this.#rules = { takesKeys: !this.#keys.isEmpty, takesTokens, originPolicy };
    const publicChannels = channels.length > 0 ? channels : EVERYTHING;
    this.#watchedByAnyone = takesTokens ? [] : publicChannels;
    this.#public = takesTokens && channels.length === 0 ? SEND_TOKEN : publicChannels;
  }

  /**
   * What a caller may do; at once, unless there is a key or a token to check. `token` is the `auth.token`
   * of Socket.IO. Throws, or rejects with, a `Refusal` if a token does not count.
   */
  identify(caller: Caller, token?: unknown): Grant | Promise<Grant> {
    if (this.#options.isOpen) return this.#open(caller);
    const credential = findCredential(caller, token, this.#rules);
    if (credential === undefined) return this.#anonymous(caller.request.headers, caller.address);
    return this.#check(credential, caller);
  }

  /** What the bearer of a token may do. Throws a `Refusal` if it does not count. */
  async readToken(token: string, address: string): Promise<Grant> {
    const { tokens } = this.#options;
    if (tokens === undefined) throw new Refusal("unsupported", "This server takes no tokens");
    return this.#bearer(await tokens.check(token), address);
  }

  /** Which callers need a credential for this permission. */
  askers(need: Need): Askers {
    if (need === "measure") return this.#guardsMetrics ? "all" : "nobody";
    if (this.#options.isOpen) return "nobody";
    if (need !== "receive") return "all";
    return this.#public instanceof Refusal ? "all" : "some";
  }

  /**
   * Rejects with a `Refusal` unless the caller may list and end sessions. That takes a key or, on an open
   * server, a program of this machine that uses no proxy.
   */
  async checkSessions(exchange: Exchange): Promise<void> {
    if (this.#options.isOpen && !this.#isDirectAndLocal(exchange)) throw LOCAL_ONLY;
    (await this.identify(exchange)).checkManage();
  }

  /**
   * Rejects with a `Refusal` unless the caller may read metrics. That takes a key, except on an open server
   * that has no key for metrics.
   */
  async checkMetrics({ request, query }: Exchange): Promise<void> {
    if (!this.#guardsMetrics) return;
    if (this.#metricsKeys.isEmpty) throw NO_METRICS_KEY;
    const key = bearer(request.headers) ?? query.get("key");
    if (key === null) throw SEND_METRICS_KEY;
    if (await this.#metricsKeys.find(key) === undefined) {
      throw new Refusal("unauthorized", `Cannot read metrics with this key: ${WRONG_KEY}`);
    }
  }

  get #guardsMetrics(): boolean {
    return !this.#options.isOpen || !this.#metricsKeys.isEmpty;
  }

  #isDirectAndLocal({ request, address }: Exchange): boolean {
    return this.#options.trustProxy === 0 && isLoopback(address) &&
      isLocalHost(readTarget(request).host) && !cameByProxy(request.headers);
  }

  async #check({ kind, text }: Credential, caller: Caller): Promise<Grant> {
    const { tokens } = this.#options;
    const index = kind === "token" ? undefined : await this.#keys.find(text);
    if (index !== undefined) return holderOf(index);
    if (kind !== "key" && tokens !== undefined) {
      if (kind === "either" && !this.#keys.isEmpty && !looksLikeToken(text)) throw NEITHER;
      return await this.readToken(text, caller.address);
    }
    const can = tokens === undefined ? "publish with" : "use";
    const wrong = new Refusal("unauthorized", `Cannot ${can} this key: ${WRONG_KEY}`);
    if (tokens !== undefined) throw wrong;
    return this.#anonymous(caller.request.headers, caller.address, wrong);
  }

  /** On an open server callers may do everything; only pages of other sites may not publish. */
  #open({ request, address }: Caller): Grant {
    const isForeign = this.#options.originPolicy.isFromForeignPage(request);
    const refusal = isForeign ? FOREIGN_PAGE : undefined;
    return new Grant({
      caller: networkOf(address),
      receive: this.#public,
      watch: this.#watchedByAnyone,
      publish: refusal ?? EVERYTHING,
      manage: refusal,
    });
  }

  /** What a caller at `address` may do without a credential. */
  anonymous(address: string): Grant {
    return this.#anonymous(new Headers(), address);
  }

  #anonymous(headers: Headers, address: string, wrong?: Refusal): Grant {
    const cookie = this.#ignoredCookie(headers);
    const receive = this.#public;
    const isRefused = receive instanceof Refusal;
    return new Grant({
      caller: networkOf(address),
      receive: isRefused ? new Refusal(receive.type, receive.message + cookie) : receive,
      isGuarded: this.#options.isGuarded,
      watch: this.#watchedByAnyone,
      publish: wrong ?? new Refusal("unauthorized", this.#howToPublish() + cookie),
      manage: this.#keys.isEmpty ? NO_KEYS : wrong ?? SEND_KEY,
    });
  }

  /** The end of a refusal that says why a cookie with a token did not count; empty if there was none. */
  #ignoredCookie(headers: Headers): string {
    const { tokens, originPolicy } = this.#options;
    if (tokens === undefined || cookieOf(headers) === null) return "";
    return `. The cookie hark_token did not count: ${originPolicy.cookieFault({ headers })}`;
  }

  #howToPublish(): string {
    const { tokens } = this.#options;
    if (tokens === undefined && this.#keys.isEmpty) return ONLY_SIGNED;
    if (tokens === undefined) {
      return "Cannot publish without a key: send it as Authorization: Bearer KEY or as ?key=KEY";
    }
    const [what, example] = this.#keys.isEmpty
      ? ["token", "TOKEN"]
      : ["key or token", "KEY_OR_TOKEN"];
    return `Cannot publish without a ${what}: send it as Authorization: Bearer ${example}`;
  }

  #bearer({ user, subscribe, publish, expiresAt }: Claims, address: string): Grant {
    const anyone = this.#public instanceof Refusal ? [] : this.#public;
    return new Grant({
      caller: user === undefined ? networkOf(address) : `user ${user}`,
      user,
      expiresAt,
      receive: [...subscribe, ...anyone],
      isGuarded: this.#options.isGuarded,
      receiveGuarded: subscribe,
      watch: subscribe,
      publish,
      manage: this.#keys.isEmpty ? NO_KEYS : NEEDS_KEY,
    });
  }
}

const NEITHER = new Refusal(
  "unauthorized",
  "Cannot use this: it is neither one of the server's keys nor a token (a JWT, which has three parts)",
);
const FOREIGN_PAGE = new Refusal(
  "forbidden",
  "Cannot publish from a page of another site: start the server with --origins to allow it",
);
const SEND_TOKEN = new Refusal(
  "unauthorized",
  "Cannot receive without a token: send it as Authorization: Bearer TOKEN or as ?token=TOKEN",
);
const SEND_KEY = new Refusal(
  "unauthorized",
  "This takes a publish key: send it as Authorization: Bearer KEY or as ?key=KEY",
);
const SEND_METRICS_KEY = new Refusal(
  "unauthorized",
  "Cannot read metrics without a key: send that of --metrics-key, or a publish key, as " +
    "Authorization: Bearer KEY",
);
const NO_METRICS_KEY = new Refusal(
  "forbidden",
  "Reading metrics takes a key: start the server with --metrics-key KEY to have one",
);
const LOCAL_ONLY = new Refusal(
  "forbidden",
  "This takes a publish key from anywhere but this machine itself: start the server with " +
    "--publish-key KEY, or ask it directly, by localhost and past no proxy",
);
const NEEDS_KEY = new Refusal("forbidden", "This takes a publish key: a token is not enough");
const NO_KEYS = new Refusal(
  "forbidden",
  "This takes a publish key: start the server with --publish-key KEY to have one",
);

const ONLY_SIGNED =
  "Cannot publish here: sign it with the secret of an app of Pusher, or start the " +
  "server with --publish-key KEY";

/** What the holder of a key may do: everything. */
function holderOf(index: number): Grant {
  return new Grant({
    caller: `key ${index}`,
    receive: EVERYTHING,
    watch: EVERYTHING,
    publish: EVERYTHING,
    manage: undefined,
  });
}
