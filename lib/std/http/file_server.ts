/**
 * Serves files as `@std/http/file-server` does.
 *
 * @module
 */
import { join, posix, relative } from "node:path";
import { contentType } from "./content_type.ts";

/** What {@linkcode serveDir} serves, and how. */
export interface ServeDirOptions {
  /** The folder whose files are served; the current one by default. */
  fsRoot?: string;
  /** Whether a folder's `index.html` answers for the folder; true by default. */
  showIndex?: boolean;
  /** Folders are never listed. */
  showDirListing?: false;
  /** Requests are never logged. */
  quiet?: boolean;
  /** Header lines, `name: value`, that every response but a redirect gets. */
  headers?: string[];
}

/** Which bytes of a file a request asks for: both ends are included. */
interface ByteRange {
  start: number;
  end: number;
}

/**
 * Answers a GET request with the file that its path names below `opts.fsRoot`: with `ETag` and
 * `Last-Modified`, conditional requests (304) and one range (206, 416). HEAD gets the headers of the
 * whole file, whatever its conditions and range. Anything that goes wrong is a response as well: 301
 * to the tidy path, 404, also for a name that begins with a dot, 405, or 500, also for a path whose
 * percent-encoding is malformed.
 */
export async function serveDir(req: Request, opts: ServeDirOptions = {}): Promise<Response> {
  if (req.method !== "GET" && req.method !== "HEAD") return plainResponse(405);
  const response = await findResponse(req, opts).catch(errorResponse);
  if (response.status === 301) return response;
  for (const line of opts.headers ?? []) {
    const colon = line.indexOf(":");
    response.headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return response;
}

async function findResponse(req: Request, opts: ServeDirOptions): Promise<Response> {
  const { fsRoot = ".", showIndex = true } = opts;
  const url = new URL(req.url);
  const path = decodeURIComponent(url.pathname);
  const tidyPath = posix.normalize(path);
  if (tidyPath !== path) return redirect(url, tidyPath);

  if (tidyPath.includes("/.")) return plainResponse(404);
  const filePath = join(fsRoot, tidyPath.replace(/\/$/, ""));
  if (relative(fsRoot, filePath).startsWith("..")) return plainResponse(404);

  const file = await Deno.stat(filePath);
  const asFolder = url.pathname.endsWith("/");
  if (file.isDirectory) {
    if (!asFolder) return redirect(url, `${url.pathname}/`);
    return showIndex ? await fileResponse(req, join(filePath, "index.html")) : plainResponse(404);
  }
  if (asFolder) return redirect(url, url.pathname.slice(0, -1));
  return fileResponse(req, filePath, file);
}

async function fileResponse(
  req: Request,
  path: string,
  file?: Deno.FileInfo,
): Promise<Response> {
  file ??= await Deno.stat(path);
  if (!file.isFile) return plainResponse(404);

  const headers = new Headers({ "accept-ranges": "bytes", server: "deno" });
  const type = contentType(path);
  if (type) headers.set("content-type", type);
  if (file.mtime) {
    headers.set("etag", await etag(file.size, file.mtime));
    headers.set("last-modified", file.mtime.toUTCString());
  }
  if (req.method === "HEAD") {
    headers.set("content-length", `${file.size}`);
    return new Response(null, { status: 200, statusText: statusTexts[200], headers });
  }
  if (isNotModified(req.headers, headers.get("etag"), file.mtime)) {
    return new Response(null, { status: 304, statusText: "Not Modified", headers });
  }

  const range = parseRange(req.headers.get("range"), file.size);
  if (range && (range.end < range.start || range.start >= file.size)) {
    headers.set("content-range", `bytes */${file.size}`);
    return plainResponse(416, headers);
  }
  headers.set("content-length", `${range ? range.end - range.start + 1 : file.size}`);
  if (range) headers.set("content-range", `bytes ${range.start}-${range.end}/${file.size}`);

  const status = range ? 206 : 200;
  return new Response(await openBody(path, range), {
    status,
    statusText: statusTexts[status],
    headers,
  });
}

/** A weak validator: the size in hexadecimal and a hash of the time of the last change. */
async function etag(size: number, mtime: Date): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(mtime.toJSON()));
  return `W/"${size.toString(16)}-${new Uint8Array(hash).toBase64().slice(0, 27)}"`;
}

/** RFC 9110, section 13.2.2: `If-None-Match` goes before `If-Modified-Since`. */
function isNotModified(request: Headers, etag: string | null, mtime: Date | null): boolean {
  const ifNoneMatch = request.get("if-none-match");
  if (ifNoneMatch !== null) return etag !== null && matches(ifNoneMatch, etag);

  const ifModifiedSince = request.get("if-modified-since");
  if (ifModifiedSince === null || mtime === null) return false;
  return mtime.getTime() < Date.parse(ifModifiedSince) + 1000;
}

/** Weak comparison (RFC 9110, section 8.8.3.2) with a list of tags, or `*`. */
function matches(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  const opaque = (tag: string) => tag.trim().replace(/^W\//, "");
  return ifNoneMatch.split(",").some((tag) => opaque(tag) === opaque(etag));
}

/** The one range asked for, or undefined if there is none or it is malformed (RFC 9110, 14.2). */
function parseRange(range: string | null, size: number): ByteRange | undefined {
  const [, first = "", last = ""] = range?.match(/^bytes=(\d*)-(\d*)$/) ?? [];
  if (size === 0 || (first === "" && last === "")) return undefined;
  if (first === "") return { start: Math.max(0, size - Number(last)), end: size - 1 };
  return {
    start: Number(first),
    end: last === "" ? size - 1 : Math.min(Number(last), size - 1),
  };
}

async function openBody(path: string, range?: ByteRange): Promise<ReadableStream<Uint8Array>> {
  const file = await Deno.open(path);
  if (!range) return file.readable;
  await file.seek(range.start, Deno.SeekMode.Start);
  return file.readable.pipeThrough(firstBytes(range.end - range.start + 1));
}

/** Lets `count` bytes through and ends the stream there. */
function firstBytes(count: number): TransformStream<Uint8Array, Uint8Array> {
  let left = count;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) controller.terminate();
    },
  });
}

function redirect(url: URL, path: string): Response {
  url.pathname = path;
  return Response.redirect(url, 301);
}

function errorResponse(error: unknown): Response {
  if (error instanceof Deno.errors.NotFound) return plainResponse(404);
  return plainResponse(500);
}

const statusTexts = {
  200: "OK",
  206: "Partial Content",
  404: "Not Found",
  405: "Method Not Allowed",
  416: "Range Not Satisfiable",
  500: "Internal Server Error",
};

function plainResponse(status: keyof typeof statusTexts, headers?: Headers): Response {
  headers?.delete("content-type");
  const statusText = statusTexts[status];
  return new Response(statusText, { status, statusText, ...(headers && { headers }) });
}
