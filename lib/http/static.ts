import { serveDir } from "@std/http/file-server";
import { fromFileUrl } from "@std/path";
import { preflightMethod } from "./cors.ts";
import { problem } from "./problem.ts";

/**
 * Found by the module's own place, which is right in a checkout and inside a compiled binary alike.
 * A program that imports the server from a URL has no such folder.
 */
const ROOT = import.meta.url.startsWith("file:")
  ? fromFileUrl(new URL("../../static", import.meta.url))
  : undefined;

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

/** The modules that pages of every site may import. */
const MODULES = ["/client.js", "/hark-pusher.js"];
const TYPESCRIPT = "application/typescript; charset=UTF-8";
const ALLOW = "GET, HEAD, OPTIONS";
/** The folder of the documentation, whose README lists the pages. */
const DOCS = "/docs/";
/** How a file is answered with: whole, in part, not again, or for a part that it does not have. */
const SERVED = [200, 206, 304, 416];

/** Answers with a file of `static/`, and at `/docs/` with the list of pages; resolves with undefined if there is none. */
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

/** A redirect that holds behind a proxy too, which may serve the server under another path. */
function toDocs(): Response {
  return new Response(null, { status: 308, headers: { ...HEADERS, location: DOCS.slice(1) } });
}

/** The answer to a GET of a file; to any other method what GET would get but for its body. */
async function askForFile(request: Request, path: string, fsRoot: string): Promise<Response> {
  const isGet = request.method === "GET";
  const headers = new Headers(request.headers);
  // RFC 9110 section 14.2: only GET has ranges.
  if (!isGet) headers.delete("range");
  // Not the request itself: its URL is made of a Host header that may say anything. And always GET,
  // as serveDir() heeds no If-None-Match of a HEAD.
  const asked = new Request(`http://localhost${path}`, { headers });
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

/** Reports whether there is such a file in `static/`. */
export async function isFile(path: string): Promise<boolean> {
  return await serveStatic(new Request("http://localhost/", { method: "HEAD" }), path) !==
    undefined;
}

// No file of the page needs more, and nothing else can mean a way out of the folder.
function isPlainPath(path: string): boolean {
  return /^\/(docs\/)?([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?$/.test(path);
}
