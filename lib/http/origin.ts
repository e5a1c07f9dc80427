import { isLoopback } from "../core/address.ts";
import { matchesOrigin, OPAQUE_ORIGIN } from "../core/origin.ts";
import { type ForwardedRules, readForwarded } from "./forwarded.ts";
import { isLocalHost } from "./target.ts";

/** Which hosts and origins a server answers to. */
export interface OriginRules extends ForwardedRules {
  /** True if nobody needs a key: then only the browser's rules keep other sites out. */
  readonly isOpen: boolean;
  /** The address that it listens on, and a Unix socket that it listens on instead. */
  readonly host: string;
  readonly listen: string;
  /** Its certificate; empty for none. */
  readonly tlsCert: string;
  /** Patterns of the origins whose pages may publish, besides the server's own. */
  readonly origins: readonly string[];
  /** Names of the server, besides localhost. */
  readonly publicHost: readonly string[];
}

type HasHeaders = Pick<Request, "headers">;

const IP_LITERAL = /^(\[[0-9a-f:.]+\]|\d{1,3}(\.\d{1,3}){3})$/;

/** Checks hosts and origins of requests. */
export class Origins {
  readonly #rules: OriginRules;
  /** True if only this machine reaches the server. */
  readonly #isLocal: boolean;

  constructor(rules: OriginRules) {
    this.#rules = rules;
    this.#isLocal = rules.listen !== "" || isLoopback(rules.host);
  }

  /**
   * Reports whether the server answers requests for this host of a `Target`. An open server accepts only
   * names that nobody else can point at it: DNS rebinding needs a name of the attacker's. If it is also
   * local, it accepts only local names and addresses: pages of other sites reach it as 0.0.0.0 and
   * [::ffff:127.0.0.1] too, and then browsers send nothing about the page.
   */
  isOwnHost(host: string): boolean {
    const { isOpen, publicHost } = this.#rules;
    if (!isOpen || isLocalHost(host) || publicHost.includes(host)) return true;
    return !this.#isLocal && IP_LITERAL.test(host);
  }

  /** Reports whether the page that made a request is the server's own or of an allowed origin. */
  isAllowed({ headers }: HasHeaders): boolean {
    const origin = headers.get("origin");
    if (origin === null) return true;
    return this.#rules.origins.some((each) => matchesOrigin(each, origin)) ||
      this.#isOwn(origin, headers);
  }

  /**
   * Reports whether a page of another site, which is not allowed, made a request. Other programs, the
   * address bar and pages of allowed origins may do more.
   */
  isFromForeignPage(request: HasHeaders): boolean {
    const { headers } = request;
    if (headers.has("origin")) return !this.isAllowed(request);
    const site = headers.get("sec-fetch-site");
    return site === "cross-site" || site === "same-site";
  }

  /**
   * Why the cookies of a request do not count; undefined if they do. Browsers also add cookies to requests
   * of other sites, so they count only if the page is surely the server's own or of an allowed origin. A
   * page of any site can have the origin `null`, even where that is allowed.
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

  #isOwn(origin: string, headers: Headers): boolean {
    const host = headers.get("host");
    if (host === null) return false;
    const ownProtocol = this.#rules.tlsCert === "" ? undefined : "https";
    const protocol = readForwarded(headers, this.#rules).protocol ?? ownProtocol;
    // If it is not known, a proxy in front may do the TLS.
    const protocols = protocol === undefined ? ["http", "https"] : [protocol];
    return protocols.some((each) => origin === `${each}://${host}`);
  }
}
