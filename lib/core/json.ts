/** A JSON object, as it was read. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** How deep a peer may nest arrays and objects: their readers are recursive. */
export const DEPTH_MAX = 100;

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_ARRAY, CLOSE_ARRAY] = [0x5b, 0x5d];
const [OPEN_OBJECT, CLOSE_OBJECT] = [0x7b, 0x7d];

/**
 * Parses the JSON of a peer. Throws a `SyntaxError` if it is none, and a `RangeError` if arrays and
 * objects are nested more than `depthMax` deep.
 */
export function parseJson(text: string, depthMax: number = DEPTH_MAX): unknown {
  const value: unknown = JSON.parse(text);
  // Each level takes two characters at least: short texts need no look.
  if (text.length <= 2 * depthMax || isWithinDepth(text, depthMax)) return value;
  throw new RangeError(`expected at most ${depthMax} levels of arrays and objects`);
}

/** Reports whether a value of JSON is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Looks at the text of valid JSON: to go through the values takes ten times as long. */
function isWithinDepth(json: string, depthMax: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (isInString) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) isInString = false;
    } else if (code === QUOTE) isInString = true;
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      if (++depth > depthMax) return false;
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth--;
  }
  return true;
}
