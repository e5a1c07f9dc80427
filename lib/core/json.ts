/** How deeply arrays and objects may be nested in what a peer sends: readers go by recursion. */
export const DEPTH_MAX = 100;

/**
 * Parses the JSON of a peer. Throws a `SyntaxError` if it is none, and a `RangeError` if arrays and
 * objects are nested more than `depthMax` deep.
 */
export function parseJson(text: string, depthMax: number = DEPTH_MAX): unknown {
  const value: unknown = JSON.parse(text);
  // Each level takes two characters at least, so that short texts need no look.
  if (text.length <= 2 * depthMax || isWithinDepth(value, depthMax)) return value;
  throw new RangeError(`expected at most ${depthMax} levels of arrays and objects`);
}

function isWithinDepth(value: unknown, depthMax: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depthMax > 0 && Object.values(value).every((item) => isWithinDepth(item, depthMax - 1));
}
