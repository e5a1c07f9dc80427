/** Reports whether a text is where a node can be reached: an http URL of a host, with a port or none. */
export function isNodeUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "http:" && url.origin === text.replace(/\/$/, "");
}
