import { faultsOf, resolve, type Schema } from "./json_schema.ts";

/** As much of an OpenAPI document as tests look at. */
export interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: Readonly<Record<string, unknown>>;
}

/** What the document says of a method at a path. */
export interface OpenApiOperation {
  readonly operationId?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: Schema;
  }[];
  readonly security?: readonly unknown[];
  readonly responses: Readonly<Record<string, OpenApiResponse | { readonly $ref: string }>>;
}

interface OpenApiResponse {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

/** A request and what it got. */
export interface Exchanged {
  readonly method: string;
  /** With its query, still percent-encoded. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** The path of the document that a path has; undefined if it has none. */
export function pathOf({ paths }: OpenApi, path: string): string | undefined {
  const [given = ""] = path.split(/[?#]/);
  return Object.keys(paths).find((each) => {
    const pattern = each.split("/").map((part) => part.startsWith("{") ? "[^/]+" : escape(part));
    return new RegExp(`^${pattern.join("/")}$`).test(given);
  });
}

/** What of an answer is not as the document says; nothing for a path that it does not have. */
export function undocumented(document: OpenApi, exchanged: Exchanged): string[] {
  const { method, status, headers, body } = exchanged;
  const path = pathOf(document, exchanged.path);
  if (path === undefined || method === "OPTIONS") return [];
  const name = method === "HEAD" ? "get" : method.toLowerCase();
  const operation = document.paths[path]![name];
  const what = `${method} ${path} with ${status}`;
  if (operation === undefined) return status === 405 ? [] : [`${what} is no operation`];
  const documented = operation.responses[status];
  if (documented === undefined) return [`${what} is not documented`];
  const response = "$ref" in documented
    ? resolve(documented.$ref, document) as OpenApiResponse
    : documented;
  if (body === "") return [];
  const type = headers.get("content-type")?.split(";")[0] ?? "";
  const content = response.content?.[type];
  if (content === undefined) return [`${what} is documented without ${type}`];
  const value = type.endsWith("json") ? JSON.parse(body) : body;
  return faultsOf(value, content.schema, document, what);
}

function escape(part: string): string {
  return part.replaceAll(/[^\w]/g, "\\$&");
}
