import { serveDir } from "@std/http/file-server";
import { fromFileUrl } from "@std/path";
import { problem } from "./problem.ts";

// Found by the module's own place, which is right in a checkout and inside a compiled binary alike.
const ROOT = fromFileUrl(new URL("../../static", import.meta.url));

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

/** Answers with a file of `static/`; 404 for whatever is not a file there. */
export async function serveStatic(request: Request, path: string): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") return notFound();
  if (!isPlainPath(path)) return notFound();
  const response = await serveDir(request, { fsRoot: ROOT, quiet: true, showDirListing: false });
  if (response.status >= 300 && response.status !== 304) {
    await response.body?.cancel();
    return response.status === 416 ? response : notFound();
  }
  for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value);
  return response;
}

/** The answer to a path that nothing is behind. */
export function notFound(): Response {
  return problem(404, "not-found", "There is nothing here: see the README for the endpoints");
}

// No file of the page needs more, and nothing else can mean a way out of the folder.
function isPlainPath(path: string): boolean {
  return /^\/([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?$/.test(path);
}
