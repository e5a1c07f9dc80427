import { basicPassword, bearer } from "../auth/keys.ts";
import type { Origins } from "./origin.ts";
import type { Exchange } from "./router.ts";

/** The sender of a request, by all that identifies it; an `Exchange` is one. */
export interface Caller extends Pick<Exchange, "query" | "address"> {
  readonly request: Pick<Request, "method" | "headers">;
}

/** What a caller shows: a key, a token, or what may be either. */
export interface Credential {
  readonly kind: "key" | "token" | "either";
  readonly text: string;
}

/** Which credentials a server accepts. */
export interface CredentialRules {
  readonly takesKeys: boolean;
  readonly takesTokens: boolean;
  readonly originPolicy: Origins;
}

const COOKIE = /(?:^|;) *hark_token=([^;]*)/;

/**
 * The credential that a caller shows; undefined for none. `token` is the `auth.token` of Socket.IO, and
 * counts before all others.
 */
export function findCredential(
  { request, query }: Caller,
  token: unknown,
  rules: CredentialRules,
): Credential | undefined {
  const { takesTokens } = rules;
  if (takesTokens && token !== undefined && token !== null) {
    // What is no text is no token either, and is refused as a wrong one.
    return { kind: "token", text: typeof token === "string" ? token : "" };
  }
  const shown: readonly [Credential["kind"], string | null][] = [
    ["either", bearer(request.headers)],
    ["key", query.get("key")],
    ["token", takesTokens ? query.get("token") ?? readCookie(request, rules) : null],
    ["key", readBasic(request, rules)],
  ];
  for (const [kind, text] of shown) {
    if (text !== null) return { kind, text };
  }
  return undefined;
}

/** The token in the cookie `hark_token`, whether it counts or not; null if there is none. */
export function cookieOf(headers: Headers): string | null {
  return COOKIE.exec(headers.get("cookie") ?? "")?.[1]?.trim() ?? null;
}

function readCookie(request: Caller["request"], { originPolicy }: CredentialRules): string | null {
  return originPolicy.cookieFault(request) === undefined ? cookieOf(request.headers) : null;
}

/**
 * A key as the password of Basic authentication, which is all that many senders of webhooks can do.
 * Browsers add it to requests of other sites' pages too: so it counts only if no such page made the request.
 */
function readBasic(
  request: Caller["request"],
  { takesKeys, originPolicy }: CredentialRules,
): string | null {
  const counts = request.method === "POST" && takesKeys && !originPolicy.isFromForeignPage(request);
  return counts ? basicPassword(request.headers) : null;
}
