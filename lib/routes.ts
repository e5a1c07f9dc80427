import type { ChannelsEndpoint } from "./api/channels.ts";
import type { NodesEndpoint } from "./api/nodes.ts";
import type { StatusEndpoint } from "./api/status.ts";
import type { EventsEndpoint } from "./protocols/sse/endpoint.ts";
import type { PublishEndpoint } from "./api/publish.ts";
import type { Handler, Route } from "./http/router.ts";
import type { SessionsEndpoint } from "./api/sessions.ts";
import type { SocketEndpoint } from "./protocols/websocket/endpoint.ts";
import type { SocketIoEndpoint } from "./protocols/socketio/endpoint.ts";
import type { Pusher } from "./protocols/pusher/pusher.ts";
import { CORS } from "./http/cors.ts";

/** What answers. */
export interface Endpoints {
  readonly publish: PublishEndpoint;
  readonly channels: ChannelsEndpoint;
  readonly sessions: SessionsEndpoint;
  readonly socket: SocketEndpoint;
  readonly events: EventsEndpoint;
  readonly socketio: SocketIoEndpoint;
  /** Where Socket.IO is, with a slash at its end; undefined for nowhere. */
  readonly socketioPath: string | undefined;
  readonly pusher: Pusher;
  readonly nodes: NodesEndpoint;
  readonly status: StatusEndpoint;
}

/** Where WebSockets connect, and what `/` is for them. */
export const WS_PATH = "/ws";

/** Every endpoint: its path, its methods, and what pages of other sites may do there. */
export function routesOf(endpoints: Endpoints): Route[] {
  const { publish, channels, sessions, socket, events } = endpoints;
  const { nodes, status } = endpoints;
  const { allowed, readable } = CORS;
  const broadcast = {
    GET: publish.broadcast,
    POST: publish.broadcast,
    PUT: publish.broadcast,
    PATCH: publish.broadcast,
    DELETE: publish.broadcast,
    HEAD: publish.broadcastHead,
  };
  const channel = { GET: channels.history, POST: publish.publish };
  const stream = { GET: events.open, HEAD: events.head };
  const upgrade: Handler = (exchange) => socket.accept(exchange);
  return [
    { path: "/broadcast/:message", methods: broadcast, cors: allowed },
    { path: "/channels", methods: { GET: channels.list }, cors: allowed },
    { path: "/channels/:channel", methods: channel, cors: readable },
    { path: "/channels/:channel/presence", methods: { GET: channels.presence }, cors: readable },
    { path: WS_PATH, methods: { GET: upgrade }, cors: readable },
    { path: "/events", methods: stream, cors: readable },
    { path: "/count", methods: { GET: status.count }, cors: readable },
    { path: "/sessions", methods: { GET: sessions.list, DELETE: sessions.end }, cors: allowed },
    { path: "/nodes", methods: { GET: nodes.list }, cors: allowed },
    ...socketioRoutes(endpoints),
    ...endpoints.pusher.routes,
    { path: "/healthz", methods: { GET: status.health }, cors: allowed },
    { path: "/readyz", methods: { GET: status.readiness }, cors: allowed },
    { path: "/metrics", methods: { GET: status.metrics }, cors: allowed },
  ];
}

/** Where the newest 4.x of Socket.IO's client is. */
const CLIENT_URL = "https://cdn.jsdelivr.net/npm/socket.io-client@4/dist/";
/** The scripts of it that Socket.IO's own server has beside its endpoint. */
const CLIENT_SCRIPTS = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"];

/** Socket.IO is served with and without the slash at the end, and its client is found beside it. */
function socketioRoutes({ socketio, socketioPath }: Endpoints): Route[] {
  if (socketioPath === undefined) return [];
  const protocol = [socketioPath, socketioPath.slice(0, -1)].map((path) => {
    return { path, methods: {}, protocol: socketio.handle, cors: CORS.engineio };
  });
  const scripts = CLIENT_SCRIPTS.map((name) => {
    const location = CLIENT_URL + name;
    const GET: Handler = () => new Response(null, { status: 302, headers: { location } });
    return { path: socketioPath + name, methods: { GET }, cors: CORS.readable };
  });
  return [...protocol, ...scripts];
}
