import { Refusal } from "../core/errors.ts";
import { matchesOrigin, OPAQUE_ORIGIN } from "../core/origin.ts";
import type { Protocol } from "./forwarded.ts";
import { isLocalHost } from "./target.ts";

/** Which hosts and origins a server answers to. */
export interface OriginRules {
  /** Nobody needs a key: then the browser's rules are all that keeps other sites out. */
  readonly isOpen: boolean;
  /** It listens where only this machine reaches it: on a loopback address, or a Unix socket. */
  readonly isLocal: boolean;
  /** Patterns of the origins beside the server's own whose pages may publish. */
  readonly origins: readonly string[];
  /** Names beside localhost by which the server may be called. */
  readonly publicHosts: readonly string[];
  /** How a request has reached the server; undefined if that is not known. */
  readonly protocolOf?: (headers: Headers) => Protocol | undefined;
}

type HasHeaders = Pick<Request, "headers">;

const IP_LITERAL = /^(\[[0-9a-f:.]+\]|\d{1,3}(\.\d{1,3}){3})$/;

/** Checks hosts and origins of requests. */
export class Origins {
  readonly #rules: OriginRules;

  constructor(rules: OriginRules) {
    this.#rules = rules;
  }

  /**
   * Reports whether the server may be called by this host of a `Target`. An open server answers only to
   * names that cannot be pointed at it by others: DNS rebinding needs a name of the attacker's. A local
   * one answers only to local names and addresses: pages of other sites reach it by 0.0.0.0 or
   * [::ffff:127.0.0.1] too, for which browsers say nothing of the page.
   */
  isOwnHost(host: string): boolean {
    const { isOpen, isLocal, publicHosts } = this.#rules;
    if (!isOpen || isLocalHost(host) || publicHosts.includes(host)) return true;
    return !isLocal && IP_LITERAL.test(host);
  }

  /** Reports whether the page behind a request is the server's own or of an allowed origin. */
  isAllowed({ headers }: HasHeaders): boolean {
    const origin = headers.get("origin");
    if (origin === null) return true;
    return this.#rules.origins.some((each) => matchesOrigin(each, origin)) ||
      this.#isOwn(origin, headers);
  }

  /**
   * Why a request may not publish where nobody needs a key: a page of another site makes a browser
   * do it. What is no browser, the address bar and allowed origins may.
   */
  publishRefusal(request: HasHeaders): Refusal | undefined {
    if (!this.isFromForeignPage(request)) return undefined;
    return new Refusal(
      "forbidden",
      "Cannot publish from a page of another site: start the server with --origins to allow it",
    );
  }

  /** Reports whether a page of another site, which is not allowed, is behind a request. */
  isFromForeignPage(request: HasHeaders): boolean {
    const { headers } = request;
    if (headers.has("origin")) return !this.isAllowed(request);
    const site = headers.get("sec-fetch-site");
    return site === "cross-site" || site === "same-site";
  }

  /**
   * Why the cookies of a request do not count; undefined if they do. They speak for whoever sends it only
   * if it surely comes from a page of the server's own or of an allowed origin, as browsers add them to
   * what others ask for too. The origin `null` is any site's, though it be allowed.
   */
  cookieFault(request: HasHeaders): string | undefined {
    const { headers } = request;
    const origin = headers.get("origin");
    if (origin === null) {
      if (headers.get("sec-fetch-site") === "same-origin") return undefined;
      return "the request has no Origin, so that a page of any site may have made it";
    }
    if (origin === OPAQUE_ORIGIN) return "the origin null may be a page of any site";
    return this.isAllowed(request) ? undefined : "the page's origin is not among --origins";
  }

  // Where it is not known how a request came, something before the server may do its TLS.
  #isOwn(origin: string, headers: Headers): boolean {
    const host = headers.get("host");
    if (host === null) return false;
    const protocol = this.#rules.protocolOf?.(headers);
    const protocols = protocol === undefined ? ["http", "https"] : [protocol];
    return protocols.some((each) => origin === `${each}://${host}`);
  }
}
