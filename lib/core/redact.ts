/** What begins as a URL does; `unix:/run/hark.sock` and `C:/keys.json` are names of files. */
const URL_START = /^\s*(?:https?:\/*|[a-z][a-z0-9+.-]+:\/\/)/i;

/**
 * A text as it may be shown: of a URL no user, password, query or fragment, each of which can hold a
 * secret. What is no URL, or has none of these, is left as it is.
 */
export function withoutSecrets(text: string): string {
  const [start] = URL_START.exec(text) ?? [];
  if (start === undefined) return text;
  const url = URL.parse(text);
  // Nobody knows which part is which of one that is wrong.
  if (url === null) return /[@?#]/.test(text) ? `${start}…` : text;
  const { protocol, username, password, host, pathname, search, hash } = url;
  return username + password + search + hash === "" ? text : `${protocol}//${host}${pathname}`;
}
