/** Reports whether a text is a URL of a node: http, a host, and a port or none. */
export function isNodeUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "http:" && url.origin === text.replace(/\/$/, "");
}

/** Returns the host and port on which the node of this URL listens; port 0 if it names none. */
export function addressOf(nodeUrl: string): { hostname: string; port: number } {
  const { hostname, port } = new URL(nodeUrl);
  return { hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
}
