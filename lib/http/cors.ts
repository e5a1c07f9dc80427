import { Refusal } from "../core/errors.ts";

/** What pages of every site may do with an endpoint. */
export interface CorsPolicy {
  /** Methods with answers that they may read. */
  readonly methods: readonly string[];
  /** True if they may send credentials; then the answer has to name their origin. */
  readonly credentials: boolean;
  /** Request headers that they may set; undefined for all. */
  readonly headers: string | undefined;
}

const HEADERS =
  "authorization, cache-control, content-type, idempotency-key, last-event-id, traceparent, " +
  "tracestate, x-requested-with";

/**
 * All policies (WHATWG Fetch, "CORS protocol"). Beyond them, the server's own pages and those of allowed
 * origins may use every method and send credentials.
 */
export const CORS = {
  /** No page of another site reads the answers. */
  allowed: { methods: [], credentials: false, headers: HEADERS },
  /** Every page reads the answers to requests without credentials. */
  readable: { methods: ["GET", "HEAD"], credentials: false, headers: HEADERS },
  /** The oldest clients always send credentials, and newer ones set headers of their own. */
  engineio: { methods: ["GET", "POST"], credentials: true, headers: undefined },
} as const satisfies Readonly<Record<string, CorsPolicy>>;

const PREFLIGHT_MAX_AGE_S = "600";

/**
 * Adds the headers by which the page that asks may read an answer, and to the answer of a preflight those
 * that allow the request. `isAllowed` reports whether the page is the server's own or of an allowed origin.
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

/** The method that a preflight asks for; undefined if the request is not a preflight. */
export function preflightMethod(
  { method, headers }: Pick<Request, "method" | "headers">,
): string | undefined {
  if (method !== "OPTIONS") return undefined;
  return headers.get("access-control-request-method") ?? undefined;
}
