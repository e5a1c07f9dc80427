import { preflightMethod } from "./cors.ts";
import { problem } from "./problem.ts";

/**
 * The folder `static/`, relative to this module: in a checkout and in a compiled binary alike. Undefined in
 * a program that imports the server from a URL.
 */
const ROOT = import.meta.dirname && `${import.meta.dirname}/../../static`;

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

/** Modules that pages of every site may import. */
const MODULES = ["/client.js", "/hark-pusher.js"];
const TYPESCRIPT = "application/typescript; charset=UTF-8";
const ALLOW = "GET, HEAD, OPTIONS";
/** The documentation; README.md in it lists the pages. */
const DOCS = "/docs/";
/** Statuses of answers for a file: all of it, a part, not changed, no such part. */
const SERVED = [200, 206, 304, 416];

/** Answers with a file of `static/`, and `/docs/` with the list of pages; undefined if there is none. */
export async function serveStatic(request: Request, path: string): Promise<Response | undefined> {
  if (ROOT === undefined || !isPlainPath(path)) return undefined;
  const { method } = request;
  if (path === DOCS.slice(0, -1)) return toDocs();
  const response = await askForFile(request, path === DOCS ? `${DOCS}README.md` : path, ROOT);
  if (!SERVED.includes(response.status)) {
    await response.body?.cancel();
    return undefined;
  }
  if (method !== "GET" && method !== "HEAD") return refuseMethod(request);
  for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value);
  if (path.endsWith(".d.ts")) response.headers.set("content-type", TYPESCRIPT);
  if (MODULES.includes(path)) response.headers.set("access-control-allow-origin", "*");
  return response;
}

/** A relative redirect: a proxy in front may serve the server under another path. */
function toDocs(): Response {
  return new Response(null, { status: 308, headers: { ...HEADERS, location: DOCS.slice(1) } });
}

/** Answers GET for a file; the answer to any other method is the same without its body. */
async function askForFile(request: Request, path: string, fsRoot: string): Promise<Response> {
  const isGet = request.method === "GET";
  const headers = new Headers(request.headers);
  // RFC 9110 section 14.2: only GET has ranges.
  if (!isGet) headers.delete("range");
  // A request of our own: the URL of the client's contains its Host header, which may be anything. It is
  // always GET, as serveDir() ignores If-None-Match with HEAD.
  const asked = new Request(`http://localhost${path}`, { headers });
  // Loaded on demand: a start with it takes a tenth longer, and most servers serve no files.
  const { serveDir } = await import("@std/http/file-server");
  const response = await serveDir(asked, { fsRoot, quiet: true, showDirListing: false });
  if (isGet) return response;
  await response.body?.cancel();
  return new Response(null, response);
}

function refuseMethod(request: Request): Response {
  const { method } = request;
  if (preflightMethod(request) !== undefined) {
    return problem(403, "forbidden", "Cannot use a page's files like this from another origin");
  }
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow: ALLOW } });
  const detail = `This is a file: use ${ALLOW}`;
  return problem(405, "method-not-allowed", detail, { allow: ALLOW });
}

/** Reports whether `static/` has a file at this path. */
export async function isFile(path: string): Promise<boolean> {
  return await serveStatic(new Request("http://localhost/", { method: "HEAD" }), path) !==
    undefined;
}

// No file needs other characters, and no path of these leads out of the folder.
function isPlainPath(path: string): boolean {
  return /^\/(docs\/)?([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?$/.test(path);
}
