import { isJsonObject } from "../core/json.ts";
import type { Access } from "./access.ts";
import { CORS } from "./cors.ts";
import { isTemporary, json, PROBLEM_TYPE, titleOf } from "./problem.ts";
import type { Askers, Content, OperationDoc, Parameter, Schema } from "./operation.ts";
import type { Route } from "./router.ts";

/** What the document depends on. */
export interface OpenApiOptions {
  readonly version: string;
  readonly access: Pick<Access, "askers">;
}

/** Statuses of every operation: a request that cannot be read or is for another host, and a server error. */
const COMMON_PROBLEMS = [400, 421, 500];
/** Statuses of operations that check credentials; 503 if the keys of tokens cannot be loaded. */
const NEED_PROBLEMS = [401, 403, 503];

const PROBLEM: Schema = {
  title: "Problem",
  description: "Problem details (RFC 9457)",
  type: "object",
  properties: {
    type: { type: "string", pattern: "^urn:hark:problem:[a-z-]+$" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string", description: "What was wrong, and what is right" },
    help: { type: "string", description: "The path of the page that says more" },
  },
  required: ["type", "title", "status", "detail", "help"],
};

const PROBLEM_CONTENT = { [PROBLEM_TYPE]: PROBLEM };

const SECURITY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer", description: "A key, or a token (JWT)" },
  key: { type: "apiKey", in: "query", name: "key", description: "A key, for what sends no header" },
  basic: { type: "http", scheme: "basic", description: "A key as the password; POST alone" },
};

const DESCRIPTION =
  "Pushes messages from any program to any browser. Each GET may be a HEAD, and each path takes " +
  "OPTIONS. WebSocket, Socket.IO and Pusher are protocols of their own, of which only the HTTP " +
  "requests are here.";

/** The same routes, and one at `/openapi.json` that describes them all. */
export function withOpenApi(routes: readonly Route[], options: OpenApiOptions): Route[] {
  let text: string | undefined;
  const doc: OperationDoc = {
    id: "openapi",
    summary: "This document",
    answers: {
      200: { description: "OpenAPI 3.1", content: { "application/json": { type: "object" } } },
    },
  };
  const handle = () => json(text ??= JSON.stringify(openApiOf(all, options)));
  const own = { path: "/openapi.json", methods: { GET: { doc, handle } }, cors: CORS.readable };
  const all: Route[] = [...routes, own];
  return all;
}

/**
 * The OpenAPI document of these routes.
 *
 * @see https://spec.openapis.org/oas/v3.1.1
 */
function openApiOf(routes: readonly Route[], { version, access }: OpenApiOptions): unknown {
  const names = new Names();
  const paths = routes.map(({ path, methods }) => {
    const operations = Object.entries(methods).map(([method, { doc }]) => {
      return [method.toLowerCase(), operationOf(method, doc, names, access)];
    });
    return [path.replaceAll(/:(\w+)/g, "{$1}"), Object.fromEntries(operations)];
  });
  return {
    openapi: "3.1.0",
    info: { title: "Hark", version, description: DESCRIPTION, license: { name: "MIT" } },
    externalDocs: { url: "docs/publish.md" },
    paths: Object.fromEntries(paths),
    components: {
      schemas: names.schemas,
      responses: names.responses,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

/** Members that are undefined are left out of the JSON. */
function operationOf(
  method: string,
  doc: OperationDoc,
  names: Names,
  access: OpenApiOptions["access"],
): unknown {
  const { id, summary, need, parameters, body, answers, problems = [] } = doc;
  const statuses = [...COMMON_PROBLEMS, ...need === undefined ? [] : NEED_PROBLEMS, ...problems];
  const responses = Object.entries(answers).map(([status, { description, content }]) => {
    const problems = statuses.includes(Number(status)) ? PROBLEM_CONTENT : {};
    return [status, { description, content: contentOf({ ...content, ...problems }, names) }];
  });
  const refusals = statuses.filter((status) => !(status in answers))
    .map((status) => [status, names.problem(status)]);
  return {
    // Ids are unique in a document: only the first operation with an id gets it.
    operationId: names.take(id) ? id : undefined,
    summary,
    security: securityOf(method, need === undefined ? "nobody" : access.askers(need)),
    parameters: parameters?.map((each) => parameterOf(each, names)),
    requestBody: body && { content: contentOf(body, names) },
    responses: Object.fromEntries([...responses, ...refusals]),
  };
}

function parameterOf(parameter: Parameter, names: Names): unknown {
  const required = parameter.in === "path";
  return { ...parameter, required, schema: names.hoist(parameter.schema) };
}

/** Undefined if there is none. */
function contentOf(content: Content, names: Names): unknown {
  const entries = Object.entries(content).map(([type, schema]) => {
    return [type, { schema: names.hoist(schema) }];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Undefined if nobody needs a credential. */
function securityOf(method: string, askers: Askers): unknown {
  if (askers === "nobody") return undefined;
  const schemes = method === "POST" ? ["bearer", "key", "basic"] : ["bearer", "key"];
  const ways = schemes.map((name) => ({ [name]: [] }));
  return askers === "some" ? [{}, ...ways] : ways;
}

/** The names in a document: each is defined once. */
class Names {
  readonly schemas: Record<string, Schema> = {};
  readonly responses: Record<string, unknown> = {};
  readonly #taken = new Set<string>();

  /** Takes the id of an operation. Reports whether it was free. */
  take(id: string): boolean {
    const isFree = !this.#taken.has(id);
    this.#taken.add(id);
    return isFree;
  }

  /** A reference to the answer of problems with that status. */
  problem(status: number): Schema {
    const name = titleOf(status).replaceAll(" ", "");
    const retry = { description: "Seconds to wait", schema: { type: "integer" } };
    this.responses[name] ??= {
      description: titleOf(status),
      headers: isTemporary(status) ? { "Retry-After": retry } : undefined,
      content: contentOf(PROBLEM_CONTENT, this),
    };
    return { $ref: `#/components/responses/${name}` };
  }

  /** The schema, with references in place of all schemas that have a `title`: these move to `schemas`. */
  hoist(schema: Schema): Schema {
    const entries = Object.entries(schema).map(([name, value]) => [name, this.#hoistIn(value)]);
    const { title, ...copy } = Object.fromEntries(entries);
    if (typeof title !== "string") return Object.fromEntries(entries);
    const known = this.schemas[title] ??= copy;
    if (JSON.stringify(known) !== JSON.stringify(copy)) {
      throw new TypeError(`Cannot name two schemas ${title}`);
    }
    return { $ref: `#/components/schemas/${title}` };
  }

  #hoistIn(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#hoistIn(each));
    return isJsonObject(value) ? this.hoist(value) : value;
  }
}
