/** Reports whether a text is where a node can be reached: an http URL of a host, with a port or none. */
export function isNodeUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "http:" && url.origin === text.replace(/\/$/, "");
}

/** The host and the port to listen on to be found at such a URL; port 0 if it names none. */
export function addressOf(nodeUrl: string): { hostname: string; port: number } {
  const { hostname, port } = new URL(nodeUrl);
  return { hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
}
