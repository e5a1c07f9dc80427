import { CORS } from "../../http/cors.ts";
import type { Handler, Route } from "../../http/router.ts";

/** Where the newest 4.x of Socket.IO's client is. */
const CLIENT_URL = "https://cdn.jsdelivr.net/npm/socket.io-client@4/dist/";
/** The scripts of it that Socket.IO's own server has beside its endpoint. */
const CLIENT_SCRIPTS = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"];

/**
 * What is served below `socketioPath`, which has a slash at its end: Socket.IO by `handle`, with the slash
 * and without it, and beside it where its client is found.
 */
export function routesOf(socketioPath: string, handle: Handler): Route[] {
  const protocol = [socketioPath, socketioPath.slice(0, -1)].map((path) => {
    return { path, methods: {}, protocol: handle, cors: CORS.engineio };
  });
  const scripts = CLIENT_SCRIPTS.map((name) => {
    const location = CLIENT_URL + name;
    const GET: Handler = () => new Response(null, { status: 302, headers: { location } });
    return { path: socketioPath + name, methods: { GET }, cors: CORS.readable };
  });
  return [...protocol, ...scripts];
}
