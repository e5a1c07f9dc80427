import { Refusal } from "../core/errors.ts";
import type { CorsPolicy } from "./cors.ts";
import type { OperationDoc } from "./operation.ts";
import { problem } from "./problem.ts";

/** One request, with its target parsed. */
export interface Exchange {
  readonly request: Request;
  /** As it was sent, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The value of each `:name` of the route, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The client's address. */
  readonly address: string;
}

/** Answers one request; a `Refusal` that it throws becomes a problem. */
export type Handler = (exchange: Exchange) => Response | Promise<Response>;

/** What one method does. */
export interface Operation {
  readonly handle: Handler;
  /** With a `GET`: answers `HEAD`; by default `handle` does, and its body is left out. */
  readonly head?: Handler;
  /** Its description in `/openapi.json`. */
  readonly doc: OperationDoc;
}

/** One path and its methods. */
export interface Route {
  /** A segment that begins with `:` matches any text: `/broadcast/:message`. */
  readonly path: string;
  /** By method, without `HEAD` and `OPTIONS`. */
  readonly methods: Readonly<Record<string, Operation>>;
  /** Answers every method, also those in `methods`; for protocols on top of HTTP. */
  readonly protocol?: Handler;
  /** What pages of other sites may do here. */
  readonly cors: CorsPolicy;
}

/** The methods of a route that has only `GET`. */
export function get(handle: Handler, doc: OperationDoc): { readonly GET: Operation } {
  return { GET: { handle, doc } };
}

/** The methods of a route that has only `POST`. */
export function post(handle: Handler, doc: OperationDoc): { readonly POST: Operation } {
  return { POST: { handle, doc } };
}

/** A route that matches a path. */
export interface Match {
  readonly route: Route;
  /** Still percent-encoded. */
  readonly params: Readonly<Record<string, string>>;
}

/** Finds the route of a path. */
export class Router {
  readonly #bySegments = new Map<number, { route: Route; segments: readonly string[] }[]>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const segments = route.path.split("/");
      const { length } = segments;
      const others = this.#bySegments.get(length);
      if (others === undefined) this.#bySegments.set(length, [{ route, segments }]);
      else others.push({ route, segments });
    }
  }

  /** The first route that matches a path as it was sent, still percent-encoded. */
  find(path: string): Match | undefined {
    const given = path.split("/");
    for (const { route, segments } of this.#bySegments.get(given.length) ?? []) {
      if (matches(segments, given)) return { route, params: paramsOf(segments, given) };
    }
    return undefined;
  }
}

/** Answers with the operation of the request's method. Throws what the handler throws. */
export function answer(route: Route, exchange: Exchange): Response | Promise<Response> {
  const { method } = exchange.request;
  const { methods } = route;
  // The client names the method: it may be the name of a member that every object has.
  const operation = Object.hasOwn(methods, method) ? methods[method] : undefined;
  const handle = route.protocol ?? operation?.handle;
  if (handle !== undefined) return handle(exchange);
  if (method === "HEAD" && methods.GET !== undefined) {
    const { head, handle } = methods.GET;
    return head === undefined ? withoutBody(handle(exchange)) : head(exchange);
  }
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: allow(route) });
  return problem(
    405,
    "method-not-allowed",
    `${route.path} does not take this method: use ${allow(route).allow}`,
    allow(route),
  );
}

/** The header that lists the methods of a route. */
function allow({ methods }: Route): { allow: string } {
  const names = new Set([...Object.keys(methods), "OPTIONS"]);
  if (names.has("GET")) names.add("HEAD");
  return { allow: [...names].sort().join(", ") };
}

/** The answer to HEAD, made from that to GET (RFC 9110 section 9.3.2). */
async function withoutBody(answered: Response | Promise<Response>): Promise<Response> {
  const response = await answered;
  const { status, headers } = response;
  const bytes = (await response.arrayBuffer()).byteLength;
  headers.set("content-length", String(bytes));
  return new Response(null, { status, headers });
}

/** Decodes a segment of a path. Throws a `Refusal` if it is malformed. */
export function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal(
      "bad-request",
      "Cannot decode the path: its percent-encoding is malformed or not UTF-8",
    );
  }
}

function matches(segments: readonly string[], given: readonly string[]): boolean {
  for (let index = 0; index < segments.length; index++) {
    const segment = segments[index]!;
    const isMatch = segment.startsWith(":") ? given[index] !== "" : given[index] === segment;
    if (!isMatch) return false;
  }
  return true;
}

function paramsOf(segments: readonly string[], given: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  segments.forEach((segment, index) => {
    if (segment.startsWith(":")) params[segment.slice(1)] = given[index]!;
  });
  return params;
}
