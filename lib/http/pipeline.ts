import { Refusal } from "../core/errors.ts";
import type { Connections } from "../hub/connections.ts";
import type { Log } from "../observe/log.ts";
import { addCors, checkPreflight } from "./cors.ts";
import { type ForwardedRules, readForwarded } from "./forwarded.ts";
import type { Origins } from "./origin.ts";
import { problem, refusalProblem } from "./problem.ts";
import { answer, decodeSegment, type Exchange, type Route, type Router } from "./router.ts";
import { isFile, serveStatic } from "./static.ts";
import { readTarget } from "./target.ts";
import { isUpgrade } from "./upgrade.ts";

/** What a pipeline needs. */
export interface PipelineOptions {
  readonly router: Router;
  readonly originPolicy: Origins;
  readonly connections: Connections;
  readonly log: Log;
  readonly proxies: ForwardedRules;
  /** The path at which a request for a WebSocket at `/` is answered. */
  readonly socketPath: string;
}

/** What every request passes: check of the host, route, preflight, handler, headers of every answer. */
export class Pipeline {
  readonly #options: PipelineOptions;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /**
   * Answers a request that came from the address `peer`. With `isFromNode` another node has forwarded it,
   * and its host is not checked: it is the address by which nodes reach each other.
   */
  async handle(request: Request, peer: string, isFromNode = false): Promise<Response> {
    const { proxies, originPolicy, socketPath } = this.#options;
    const address = readForwarded(request.headers, proxies).address ?? peer;
    try {
      const { host, path, search } = readTarget(request);
      if (!isFromNode && !originPolicy.isOwnHost(host)) return this.#misdirected(address);
      const served = path === "/" && isUpgrade(request) ? socketPath : path;
      return await this.#answer(served, request, address, search);
    } catch (error) {
      return this.#refuse(error, address);
    }
  }

  #misdirected(address: string): Response {
    const why = "This host name is not the server's: start it with --public-host NAME to allow it";
    this.#options.connections.refused("misdirected", why, address);
    return problem(421, "misdirected", why);
  }

  async #answer(
    path: string,
    request: Request,
    address: string,
    search: string,
  ): Promise<Response> {
    const { router, originPolicy } = this.#options;
    const match = router.find(path);
    if (match === undefined) return await this.#serveFile(request, path);
    try {
      const params: Record<string, string> = {};
      for (const [name, text] of Object.entries(match.params)) params[name] = decodeSegment(text);
      const query = new URLSearchParams(search);
      const exchange: Exchange = { request, path, query, params, address };
      checkPreflight(match.route.cors, request, () => originPolicy.isAllowed(request));
      const response = await answer(match.route, exchange);
      if (response.status === 101) return response;
      return this.#finish(request, response, match.route);
    } catch (error) {
      return this.#finish(request, this.#refuse(error, address), match.route);
    }
  }

  async #serveFile(request: Request, path: string): Promise<Response> {
    return await serveStatic(request, path) ?? await this.#notFound(path);
  }

  /** The 404. It names the path with fewer slashes if that one is served. */
  async #notFound(path: string): Promise<Response> {
    const meant = path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
    const isServed = () => this.#options.router.find(meant) !== undefined || isFile(meant);
    const detail = meant !== path && await isServed()
      ? `There is nothing here: the path has a slash too many, use ${meant}`
      : "There is nothing here: see /docs/ for the endpoints";
    return problem(404, "not-found", detail);
  }

  #finish(request: Request, response: Response, route: Route): Response {
    const { originPolicy } = this.#options;
    const { headers } = response;
    addCors(route.cors, request, headers, () => originPolicy.isAllowed(request));
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    headers.set("x-content-type-options", "nosniff");
    return response;
  }

  #refuse(error: unknown, address: string): Response {
    const { connections, log } = this.#options;
    if (error instanceof Refusal) {
      connections.refused(error.type, error.message, address);
      return refusalProblem(error);
    }
    log.error("request failed", { address, error: String(error) }, address);
    return problem(500, "internal", "Something went wrong in the server, not in your request");
  }
}
