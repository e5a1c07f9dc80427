import { Refusal } from "../core/errors.ts";

/** Which hosts and origins a server answers to. */
export interface OriginRules {
  /** Nobody needs a key: then the browser's rules are all that keeps other sites out. */
  readonly isOpen: boolean;
  /** Origins beside the server's own whose pages may publish. */
  readonly origins: readonly string[];
  /** Names beside localhost by which the server may be called. */
  readonly publicHosts: readonly string[];
}

const IP_LITERAL = /^(\[[0-9a-f:.]+\]|\d{1,3}(\.\d{1,3}){3})$/i;
const PORT = /:\d*$/;
const PREFLIGHT_MAX_AGE_S = "600";

/** Tells which requests come from where they may. */
export class Origins {
  readonly #rules: OriginRules;

  constructor(rules: OriginRules) {
    this.#rules = rules;
  }

  /**
   * Tells whether the server may be called by this request's `Host`. An open server answers only to
   * names that cannot be pointed at it by others: DNS rebinding needs a name of the attacker's.
   */
  isOwnHost({ headers }: Request): boolean {
    const host = headers.get("host");
    if (!this.#rules.isOpen || host === null) return true;
    const name = host.replace(PORT, "").toLowerCase();
    return name === "localhost" || name.endsWith(".localhost") || IP_LITERAL.test(name) ||
      this.#rules.publicHosts.includes(name);
  }

  /** Tells whether the page behind a request is the server's own or of an allowed origin. */
  isAllowed({ headers }: Request): boolean {
    const origin = headers.get("origin");
    if (origin === null) return true;
    return this.#rules.origins.includes(origin) || isSameHost(origin, headers.get("host"));
  }

  /**
   * Throws a `Refusal` if a page of another site makes a browser publish. What is no browser, the
   * address bar and allowed origins pass. With keys there is nothing to guard: a page of another
   * site has none.
   */
  checkPublish(request: Request): void {
    if (!this.#rules.isOpen || this.isTrusted(request)) return;
    throw new Refusal(
      "forbidden",
      "Cannot publish from a page of another site: start the server with --origins to allow it",
    );
  }

  /** Tells whether no page of another site stands behind a request. */
  isTrusted(request: Request): boolean {
    const { headers } = request;
    if (headers.has("origin")) return this.isAllowed(request);
    const site = headers.get("sec-fetch-site");
    return site !== "cross-site" && site !== "same-site";
  }

  /**
   * Adds what lets a page read the answer (WHATWG Fetch, "CORS protocol"): any page if `isPublic`,
   * else those of allowed origins.
   */
  addCors(request: Request, headers: Headers, isPublic: boolean): void {
    const origin = request.headers.get("origin");
    headers.append("vary", "Origin");
    if (origin === null) return;
    if (this.isAllowed(request)) headers.set("access-control-allow-origin", origin);
    else if (isPublic) headers.set("access-control-allow-origin", "*");
    else return;
    const method = request.headers.get("access-control-request-method");
    if (request.method !== "OPTIONS" || method === null) return;
    headers.set("access-control-allow-methods", method);
    headers.set(
      "access-control-allow-headers",
      "authorization, content-type, idempotency-key, last-event-id",
    );
    headers.set("access-control-max-age", PREFLIGHT_MAX_AGE_S);
  }
}

function isSameHost(origin: string, host: string | null): boolean {
  return host !== null && (origin === `http://${host}` || origin === `https://${host}`);
}
