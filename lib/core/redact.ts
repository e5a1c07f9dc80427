/** The beginning of a URL; `unix:/run/hark.sock` and `C:/keys.json` are names of files. */
const URL_START = /^\s*(?:https?:\/*|[a-z][a-z0-9+.-]+:\/\/)/i;

/**
 * Returns a text as it may be shown: a URL without user, password, query and fragment, each of which can
 * hold a secret. Any other text stays as it is.
 */
export function withoutSecrets(text: string): string {
  const [start] = URL_START.exec(text) ?? [];
  if (start === undefined) return text;
  const url = URL.parse(text);
  // Of a malformed URL nobody knows which part is which.
  if (url === null) return /[@?#]/.test(text) ? `${start}…` : text;
  const { protocol, username, password, host, pathname, search, hash } = url;
  return username + password + search + hash === "" ? text : `${protocol}//${host}${pathname}`;
}
