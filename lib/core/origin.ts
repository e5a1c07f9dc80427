/** The origin of a page in a sandbox, of a file or of a `data:` URL (RFC 6454 section 6). */
export const OPAQUE_ORIGIN = "null";

const PATTERN = /^[a-z][a-z0-9+.-]*:\/\/(\*\.)?[^*A-Z]+$/;
const LABEL = /^[a-z0-9_-]+$/;

/**
 * Reports whether a text is an origin as browsers write it, `scheme://host[:port]` with the schemes of
 * apps too, whose first label may be `*`; or the word `null`.
 */
export function isOriginPattern(text: string): boolean {
  if (text === OPAQUE_ORIGIN) return true;
  if (!PATTERN.test(text)) return false;
  const plain = text.replace("*", "x");
  const url = URL.parse(plain);
  return url !== null && url.host !== "" && `${url.protocol}//${url.host}` === plain;
}

/** Reports whether an origin matches a pattern, whose `*` stands for one label. */
export function matchesOrigin(pattern: string, origin: string): boolean {
  if (pattern === origin) return true;
  const [head = "", tail] = pattern.split("*");
  if (tail === undefined || !origin.startsWith(head) || !origin.endsWith(tail)) return false;
  return LABEL.test(origin.slice(head.length, origin.length - tail.length));
}
