/** What a page in a sandbox, of a file or of a `data:` URL says it comes from (RFC 6454 section 6). */
export const OPAQUE_ORIGIN = "null";

const PATTERN = /^[a-z][a-z0-9+.-]*:\/\/(\*\.)?[^*A-Z]+$/;
const LABEL = /^[a-z0-9_-]+$/;

/**
 * Reports whether a text names origins: `scheme://host[:port]` as browsers write it, of apps too, whose
 * first label may be `*`; or `null`, written out.
 */
export function isOriginPattern(text: string): boolean {
  if (text === OPAQUE_ORIGIN) return true;
  if (!PATTERN.test(text)) return false;
  const plain = text.replace("*", "x");
  const url = URL.parse(plain);
  return url !== null && url.host !== "" && `${url.protocol}//${url.host}` === plain;
}

/** Reports whether an origin is one that a pattern names; `*` stands for one label. */
export function matchesOrigin(pattern: string, origin: string): boolean {
  if (pattern === origin) return true;
  const [head = "", tail] = pattern.split("*");
  if (tail === undefined || !origin.startsWith(head) || !origin.endsWith(tail)) return false;
  return LABEL.test(origin.slice(head.length, origin.length - tail.length));
}
