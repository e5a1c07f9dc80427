import { problem } from "./problem.ts";

/**
 * The answer to a path that nothing is behind: 404, which names the path that was meant if it is served
 * and only has fewer slashes.
 */
export async function notFound(
  path: string,
  isServed: (path: string) => boolean | Promise<boolean>,
): Promise<Response> {
  const meant = path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
  const detail = meant !== path && await isServed(meant)
    ? `There is nothing here: the path has a slash too many, use ${meant}`
    : "There is nothing here: see /docs/ for the endpoints";
  return problem(404, "not-found", detail);
}
