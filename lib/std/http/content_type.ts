import { extname } from "node:path";

const contentTypes = new Map([
  [".css", "text/css; charset=UTF-8"],
  [".html", "text/html; charset=UTF-8"],
  [".ico", "image/vnd.microsoft.icon"],
  [".js", "text/javascript; charset=UTF-8"],
  [".json", "application/json; charset=UTF-8"],
  [".md", "text/markdown; charset=UTF-8"],
  [".mjs", "text/javascript; charset=UTF-8"],
  [".png", "image/png"],
  [".svg", "image/svg+xml"],
  [".txt", "text/plain; charset=UTF-8"],
  [".webmanifest", "application/manifest+json; charset=UTF-8"],
  [".yaml", "text/yaml; charset=UTF-8"],
]);

/** The `content-type` of a file by the ending of its name, or undefined for an unknown one. */
export function contentType(path: string): string | undefined {
  return contentTypes.get(extname(path).toLowerCase());
}
