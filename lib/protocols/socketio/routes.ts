import { CORS } from "../../http/cors.ts";
import type { OperationDoc } from "../../http/operation.ts";
import { COUNT, inQuery, object, TEXT } from "../../http/parameters.ts";
import type { Handler, Route } from "../../http/router.ts";
import { SOCKET_ANSWERS } from "../websocket/endpoint.ts";

/** The newest 4.x of Socket.IO's client. */
const CLIENT_URL = "https://cdn.jsdelivr.net/npm/socket.io-client@4/dist/";
/** Its scripts that Socket.IO's own server serves beside its endpoint. */
const CLIENT_SCRIPTS = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"];

/** The types of payloads, and of the `ok` that answers a post. */
const TYPES = ["text/plain", "application/octet-stream", "text/javascript", "text/html"];
const ERROR = object("EngineError", { code: COUNT, message: TEXT });

/** Engine.IO has statuses and errors of its own. */
const ENGINE_DOC: OperationDoc = {
  id: "socketio",
  summary: "Socket.IO: Engine.IO 3 and 4, by polling or WebSocket",
  need: "receive",
  parameters: [
    inQuery("EIO", "The version of Engine.IO", TEXT, "4"),
    inQuery("transport", "polling or websocket", TEXT, "polling"),
    inQuery("sid", "The session, once there is one", TEXT),
  ],
  answers: {
    ...SOCKET_ANSWERS,
    200: { description: "Packets", content: Object.fromEntries(TYPES.map((type) => [type, TEXT])) },
    400: {
      description: "What is wrong, as Engine.IO says it",
      content: { "application/json": ERROR, "text/html": TEXT },
    },
  },
  problems: [413, 429],
};

const SCRIPT_DOC: OperationDoc = {
  id: "socketioScript",
  summary: "Where the client of Socket.IO is",
  answers: { 302: { description: "The newest 4.x, at a content delivery network" } },
};

/**
 * The routes below `socketioPath`, which ends in a slash. `handle` answers Socket.IO, with the slash and
 * without it. Beside it are redirects to the scripts of its client.
 */
export function routesOf(socketioPath: string, handle: Handler): Route[] {
  const protocol = [socketioPath, socketioPath.slice(0, -1)].map((path) => {
    const operation = { handle, doc: ENGINE_DOC };
    const methods = { GET: operation, POST: operation };
    return { path, methods, protocol: handle, cors: CORS.engineio };
  });
  const scripts = CLIENT_SCRIPTS.map((name) => {
    const location = CLIENT_URL + name;
    const handle = () => new Response(null, { status: 302, headers: { location } });
    const GET = { handle, doc: SCRIPT_DOC };
    return { path: socketioPath + name, methods: { GET }, cors: CORS.readable };
  });
  return [...protocol, ...scripts];
}
