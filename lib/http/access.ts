import { basicPassword, bearer, type Keys } from "../auth/keys.ts";
import type { Claims } from "../auth/claims.ts";
import { looksLikeToken } from "../auth/jwt.ts";
import type { Tokens } from "../auth/tokens.ts";
import { isLoopback, networkOf } from "../core/address.ts";
import type { Guard } from "../core/channel.ts";
import { Refusal } from "../core/errors.ts";
import { type Allowance, Grant } from "../core/grant.ts";
import { isForwarded } from "./forwarded.ts";
import type { Askers, Need } from "./operation.ts";
import type { Origins } from "./origin.ts";
import type { Exchange } from "./router.ts";
import { isLocalHost, readTarget } from "./target.ts";

/** What is asked for, and allowed, to whom. */
export interface AccessOptions {
  readonly keys: Keys;
  /** Those that read metrics: `keys`, and the one for that alone. */
  readonly metricsKeys: Keys;
  /** Undefined if the server takes no tokens. */
  readonly tokens: Tokens | undefined;
  readonly origins: Origins;
  /** Nobody needs a credential for anything. */
  readonly isOpen: boolean;
  /** Which names are guarded: only a key or token gives these. Undefined for none. */
  readonly isGuarded: Guard | undefined;
  /** Channels and patterns that anyone may receive; empty for all where no tokens are taken. */
  readonly public: readonly string[];
  /** How many proxies in front are trusted. */
  readonly trustProxy: number;
}

/** What identifies the sender of a request. */
export interface Caller {
  readonly method: string;
  readonly headers: Headers;
  readonly query: URLSearchParams;
  readonly address: string;
  /** The `auth.token` of Socket.IO. */
  readonly token?: unknown;
}

/** What identifies the sender of an exchange. */
export function callerOf({ request, query, address }: Exchange): Caller {
  return { method: request.method, headers: request.headers, query, address };
}

/** What a caller shows: a key, a token, or what may be either. */
interface Credential {
  readonly kind: "key" | "token" | "either";
  readonly text: string;
}

const EVERYTHING = ["*"];
const COOKIE = /(?:^|;) *hark_token=([^;]*)/;
const WRONG_KEY = "it is not one of the server's";

/** Identifies the sender of a request, and what it may do. */
export class Access {
  readonly #options: AccessOptions;
  readonly #public: Allowance;
  /** Only tokens name users: where none are taken there is nobody to hide. */
  readonly #watchedByAnyone: readonly string[];

  constructor(options: AccessOptions) {
    const { tokens, public: channels } = options;
    this.#options = options;
    this.#watchedByAnyone = tokens !== undefined ? [] : channels.length > 0 ? channels : EVERYTHING;
    if (channels.length > 0) this.#public = channels;
    else if (tokens === undefined) this.#public = EVERYTHING;
    else {
      this.#public = new Refusal(
        "unauthorized",
        "Cannot receive without a token: send it as Authorization: Bearer TOKEN or as ?token=TOKEN",
      );
    }
  }

  /**
   * What a caller may do; at once, unless there is a key or a token to check. Throws, or rejects
   * with, a `Refusal` if a token does not count.
   */
  identify(caller: Caller): Grant | Promise<Grant> {
    if (this.#options.isOpen) return this.#open(caller);
    const credential = this.#findCredential(caller);
    if (credential === undefined) return this.#anonymous(caller);
    return this.#check(credential, caller);
  }

  /** What the bearer of a token may do. Throws a `Refusal` if it does not count. */
  async readToken(token: string, address: string): Promise<Grant> {
    const { tokens } = this.#options;
    if (tokens === undefined) throw new Refusal("unsupported", "This server takes no tokens");
    return this.#bearer(await tokens.check(token), address);
  }

  /** Who has to show a credential for what an operation does. */
  askers(need: Need): Askers {
    if (need === "measure") return this.#guardsMetrics ? "all" : "nobody";
    if (this.#options.isOpen) return "nobody";
    if (need !== "receive") return "all";
    return this.#public instanceof Refusal ? "all" : "some";
  }

  /**
   * Throws, or rejects with, a `Refusal` unless whoever sends a request may list and end sessions: it
   * takes a key or, where nobody needs one, a program of this machine that comes past no proxy.
   */
  async checkSessions(exchange: Exchange): Promise<void> {
    if (this.#options.isOpen && !this.#isDirectAndLocal(exchange)) throw LOCAL_ONLY;
    (await this.identify(callerOf(exchange))).checkManage();
  }

  /**
   * Throws, or rejects with, a `Refusal` unless whoever sends a request may read metrics: wherever it comes
   * from, it takes a key but on an open server that has none for that.
   */
  async checkMetrics({ request, query }: Exchange): Promise<void> {
    if (!this.#guardsMetrics) return;
    const { metricsKeys } = this.#options;
    if (metricsKeys.isEmpty) throw NO_METRICS_KEY;
    const key = bearer(request.headers) ?? query.get("key");
    if (key === null) throw SEND_METRICS_KEY;
    if (await metricsKeys.find(key) === undefined) {
      throw new Refusal("unauthorized", `Cannot read metrics with this key: ${WRONG_KEY}`);
    }
  }

  get #guardsMetrics(): boolean {
    const { isOpen, metricsKeys } = this.#options;
    return !isOpen || !metricsKeys.isEmpty;
  }

  #isDirectAndLocal({ request, address }: Exchange): boolean {
    return this.#options.trustProxy === 0 && isLoopback(address) &&
      isLocalHost(readTarget(request).host) && !isForwarded(request.headers);
  }

  #findCredential(caller: Caller): Credential | undefined {
    const { headers, query, token } = caller;
    const { tokens } = this.#options;
    const given = tokens === undefined ? undefined : token;
    if (given !== undefined && given !== null) {
      // What is no text is no token either, and refused as such.
      return { kind: "token", text: typeof given === "string" ? given : "" };
    }
    const found: readonly [Credential["kind"], string | null][] = [
      ["either", bearer(headers)],
      ["key", query.get("key")],
      ["token", tokens === undefined ? null : query.get("token") ?? this.#readCookie(headers)],
      ["key", this.#readBasic(caller)],
    ];
    for (const [kind, text] of found) {
      if (text !== null) return { kind, text };
    }
    return undefined;
  }

  #readCookie(headers: Headers): string | null {
    return this.#options.origins.cookieFault({ headers }) === undefined ? cookieOf(headers) : null;
  }

  /**
   * A key as the password of Basic authentication, which many senders of webhooks know alone. Browsers
   * add it to what pages of other sites ask for too, so that it counts only where none is behind it.
   */
  #readBasic({ method, headers }: Caller): string | null {
    const { keys, origins } = this.#options;
    if (method !== "POST" || keys.isEmpty || origins.isFromForeignPage({ headers })) return null;
    return basicPassword(headers);
  }

  async #check({ kind, text }: Credential, caller: Caller): Promise<Grant> {
    const { keys, tokens } = this.#options;
    const index = kind === "token" ? undefined : await keys.find(text);
    if (index !== undefined) return holder(index);
    if (kind !== "key" && tokens !== undefined) {
      if (kind === "either" && !keys.isEmpty && !looksLikeToken(text)) throw NEITHER;
      return await this.readToken(text, caller.address);
    }
    const can = tokens === undefined ? "publish with" : "use";
    const wrong = new Refusal("unauthorized", `Cannot ${can} this key: ${WRONG_KEY}`);
    if (tokens !== undefined) throw wrong;
    return this.#anonymous(caller, wrong);
  }

  /** Nobody needs anything, but for pages of other sites, which may not publish. */
  #open({ headers, address }: Caller): Grant {
    const refusal = this.#options.origins.publishRefusal({ headers });
    return new Grant({
      caller: networkOf(address),
      receive: this.#public,
      watch: this.#watchedByAnyone,
      publish: refusal ?? EVERYTHING,
      manage: refusal,
    });
  }

  /** What anyone at `address` may do who shows nothing. */
  anonymous(address: string): Grant {
    return this.#anonymous({ headers: new Headers(), address });
  }

  #anonymous(
    { headers, address }: Pick<Caller, "headers" | "address">,
    wrong?: Refusal,
  ): Grant {
    const cookie = this.#ignoredCookie(headers);
    const receive = this.#public;
    const isRefused = receive instanceof Refusal;
    return new Grant({
      caller: networkOf(address),
      receive: isRefused ? new Refusal(receive.type, receive.message + cookie) : receive,
      isGuarded: this.#options.isGuarded,
      watch: this.#watchedByAnyone,
      publish: wrong ?? new Refusal("unauthorized", this.#howToPublish() + cookie),
      manage: this.#options.keys.isEmpty ? NO_KEYS : wrong ?? SEND_KEY,
    });
  }

  /** Why a cookie with a token did not count, as the end of a refusal; empty if there was none. */
  #ignoredCookie(headers: Headers): string {
    const { tokens, origins } = this.#options;
    if (tokens === undefined || cookieOf(headers) === null) return "";
    return `. The cookie hark_token did not count: ${origins.cookieFault({ headers })}`;
  }

  #howToPublish(): string {
    const { keys, tokens } = this.#options;
    if (tokens === undefined && keys.isEmpty) return ONLY_SIGNED;
    if (tokens === undefined) {
      return "Cannot publish without a key: send it as Authorization: Bearer KEY or as ?key=KEY";
    }
    const [what, example] = keys.isEmpty ? ["token", "TOKEN"] : ["key or token", "KEY_OR_TOKEN"];
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
      manage: this.#options.keys.isEmpty ? NO_KEYS : NEEDS_KEY,
    });
  }
}

const NEITHER = new Refusal(
  "unauthorized",
  "Cannot use this: it is neither one of the server's keys nor a token (a JWT, which has three parts)",
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

function cookieOf(headers: Headers): string | null {
  return COOKIE.exec(headers.get("cookie") ?? "")?.[1]?.trim() ?? null;
}

/** Whoever has a key may do everything. */
function holder(index: number): Grant {
  return new Grant({
    caller: `key ${index}`,
    receive: EVERYTHING,
    watch: EVERYTHING,
    publish: EVERYTHING,
    manage: undefined,
  });
}
