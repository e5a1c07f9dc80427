import { Refusal } from "../core/errors.ts";
import type { CorsPolicy } from "./cors.ts";
import type { OperationDoc } from "./operation.ts";
import { problem } from "./problem.ts";

/** One request, taken apart before anything is done with it. */
export interface Exchange {
  readonly request: Request;
  /** As it was sent, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** What stands in the place of each `:name` of the route, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The client's address. */
  readonly address: string;
}

/** Answers one request; what it throws as a `Refusal` becomes a problem. */
export type Handler = (exchange: Exchange) => Response | Promise<Response>;

/** What can be done with one method. */
export interface Operation {
  readonly handle: Handler;
  /** Of a `GET`: answers `HEAD`, which otherwise gets what `handle` answers without its body. */
  readonly head?: Handler;
  /** What `/openapi.json` says of it. */
  readonly doc: OperationDoc;
}

/** One path and what can be done there. */
export interface Route {
  /** Segments, of which those that begin with `:` stand for any text: `/broadcast/:message`. */
  readonly path: string;
  /** By method, but for `HEAD` and `OPTIONS`. */
  readonly methods: Readonly<Record<string, Operation>>;
  /** Answers every method, those in `methods` too; for protocols of their own. */
  readonly protocol?: Handler;
  /** What pages of other sites may do here. */
  readonly cors: CorsPolicy;
}

/** A route's methods that are `GET` alone. */
export function get(handle: Handler, doc: OperationDoc): { readonly GET: Operation } {
  return { GET: { handle, doc } };
}

/** A route's methods that are `POST` alone. */
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

  /** The first route of this path, which is taken as it was sent, still percent-encoded. */
  find(path: string): Match | undefined {
    const given = path.split("/");
    for (const { route, segments } of this.#bySegments.get(given.length) ?? []) {
      if (matches(segments, given)) return { route, params: paramsOf(segments, given) };
    }
    return undefined;
  }
}

/** Answers by what the route has for the request's method. Throws what the handler throws. */
export async function answer(route: Route, exchange: Exchange): Promise<Response> {
  const { method } = exchange.request;
  const { methods } = route;
  // A client names the method: what every object has is none.
  const operation = Object.hasOwn(methods, method) ? methods[method] : undefined;
  const handle = route.protocol ?? operation?.handle;
  if (handle !== undefined) return await handle(exchange);
  if (method === "HEAD" && methods.GET !== undefined) {
    const { head, handle } = methods.GET;
    return head === undefined ? withoutBody(await handle(exchange)) : await head(exchange);
  }
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: allow(route) });
  return problem(
    405,
    "method-not-allowed",
    `${route.path} does not take this method: use ${allow(route).allow}`,
    allow(route),
  );
}

/** The methods that a route takes, as a header. */
function allow({ methods }: Route): { allow: string } {
  const names = new Set([...Object.keys(methods), "OPTIONS"]);
  if (names.has("GET")) names.add("HEAD");
  return { allow: [...names].sort().join(", ") };
}

/** GET's answer as HEAD gives it: RFC 9110 section 9.3.2. */
export async function withoutBody(response: Response): Promise<Response> {
  const { status, headers } = response;
  const bytes = (await response.arrayBuffer()).byteLength;
  headers.set("content-length", String(bytes));
  return new Response(null, { status, headers });
}

/** Decodes a path's segment; throws a `Refusal` that says what is malformed. */
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
  return segments.every((segment, index) => {
    return segment.startsWith(":") ? given[index] !== "" : segment === given[index];
  });
}

function paramsOf(segments: readonly string[], given: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  segments.forEach((segment, index) => {
    if (segment.startsWith(":")) params[segment.slice(1)] = given[index]!;
  });
  return params;
}
