import type { Refusal, RefusalType } from "../core/errors.ts";

const STATUSES: Readonly<Record<RefusalType, number>> = {
  "bad-request": 400,
  "unauthorized": 401,
  "forbidden": 403,
  "not-found": 404,
  "timeout": 408,
  "conflict": 422,
  "too-large": 413,
  "unsupported": 415,
  "too-many-requests": 429,
  "connect-rate": 429,
  "over-limit": 503,
  "unavailable": 503,
};

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The media type of problem details. */
export const PROBLEM_TYPE = "application/problem+json";

const HEADERS = {
  "content-type": PROBLEM_TYPE,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

/** The title of problems with that status. */
export function titleOf(status: number): string {
  return TITLES[status] ?? "";
}

/** Reports whether the same request may succeed later, so that there may be a `Retry-After`. */
export function isTemporary(status: number): boolean {
  return status === 429 || status === 503;
}

/**
 * An error as problem details (RFC 9457). `type` is stable: `urn:hark:problem:<name>`. `detail` is a sentence
 * that says what to do, `help` the path of its documentation.
 */
export function problem(
  status: number,
  name: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const type = `urn:hark:problem:${name}`;
  const help = `/docs/errors.md#${name}`;
  const body = JSON.stringify({ type, title: titleOf(status), status, detail, help });
  return new Response(`${body}\n`, {
    status,
    headers: { ...HEADERS, ...headers },
  });
}

/** A `Refusal` as problem details. */
export function refusalProblem(refusal: Refusal): Response {
  const { type, message, retryAfterS } = refusal;
  const status = STATUSES[type];
  const headers: Record<string, string> = {};
  if (retryAfterS !== undefined) headers["retry-after"] = String(retryAfterS);
  if (status === 401) headers["www-authenticate"] = 'Bearer realm="hark"';
  return problem(status, type, message, headers);
}

/** An answer of what is JSON already; `Response.json()` encodes everything else. */
export function json(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/json" } });
}
