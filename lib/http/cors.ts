import { Refusal } from "../core/errors.ts";

/** What pages of sites that are not allowed may do with an endpoint. */
export interface CorsPolicy {
  /** Methods whose answers they may read. */
  readonly methods: readonly string[];
  /** Whether they may send credentials, and so have to be named in the answer. */
  readonly credentials: boolean;
  /** Request headers that may be set; undefined for whatever is asked for. */
  readonly headers: string | undefined;
}

const HEADERS =
  "authorization, cache-control, content-type, idempotency-key, last-event-id, traceparent, " +
  "tracestate, x-requested-with";

/**
 * Every policy there is (WHATWG Fetch, "CORS protocol"). The server's own pages and those of allowed
 * origins may use every method and send credentials, where not every page may send them anyway.
 */
export const CORS = {
  /** Nobody else reads the answers. */
  allowed: { methods: [], credentials: false, headers: HEADERS },
  /** What is open to everybody, as long as they do not send what they have of others. */
  readable: { methods: ["GET", "HEAD"], credentials: false, headers: HEADERS },
  /** The oldest browser clients always send credentials, and the newer ones headers of their own. */
  engineio: { methods: ["GET", "POST"], credentials: true, headers: undefined },
} as const satisfies Readonly<Record<string, CorsPolicy>>;

const PREFLIGHT_MAX_AGE_S = "600";

/**
 * Adds to an answer's headers what lets the asking page read it, and to that of a preflight what it
 * may ask. `isAllowed` reports whether the page is the server's own or of an allowed origin.
 */
export function addCors(
  policy: CorsPolicy,
  request: Request,
  headers: Headers,
  isAllowed: () => boolean,
): void {
  headers.append("vary", "Origin");
  const origin = request.headers.get("origin");
  if (origin === null) return;
  const wanted = preflightMethod(request);
  const mayAll = !policy.credentials && isAllowed();
  if (!mayAll && !policy.methods.includes(wanted ?? request.method)) return;
  const isNamed = mayAll || policy.credentials;
  headers.set("access-control-allow-origin", isNamed ? origin : "*");
  if (isNamed) headers.set("access-control-allow-credentials", "true");
  if (wanted === undefined) return;
  headers.set("access-control-allow-methods", mayAll ? wanted : policy.methods.join(", "));
  const names = policy.headers ?? request.headers.get("access-control-request-headers");
  if (names !== null) headers.set("access-control-allow-headers", names);
  headers.set("access-control-max-age", PREFLIGHT_MAX_AGE_S);
}

/**
 * Throws a `Refusal` if the request is a preflight for a request that the asking page may not make.
 * `isAllowed` as for `addCors()`.
 */
export function checkPreflight(
  policy: CorsPolicy,
  request: Request,
  isAllowed: () => boolean,
): void {
  const { headers } = request;
  const wanted = preflightMethod(request);
  if (wanted === undefined || !headers.has("origin")) return;
  if (!policy.methods.includes(wanted) && !isAllowed()) {
    throw new Refusal(
      "forbidden",
      "Cannot use this method from a page of another site: start the server with --origins to " +
        "allow it",
    );
  }
  if (policy.headers === undefined) return;
  const allowed = policy.headers.split(", ");
  const asked = headers.get("access-control-request-headers")?.split(",") ?? [];
  const names = asked.map((name) => name.trim().toLowerCase()).filter((name) => name !== "");
  if (names.every((name) => allowed.includes(name))) return;
  throw new Refusal(
    "forbidden",
    `Cannot set other headers from a page of another origin than: ${policy.headers}`,
  );
}

/** The method that a preflight asks about; undefined if the request is none. */
export function preflightMethod(
  { method, headers }: Pick<Request, "method" | "headers">,
): string | undefined {
  if (method !== "OPTIONS") return undefined;
  return headers.get("access-control-request-method") ?? undefined;
}
