import type { ChannelsEndpoint } from "./api/channels.ts";
import type { NodesEndpoint } from "./api/nodes.ts";
import type { StatusEndpoint } from "./api/status.ts";
import type { PublishEndpoint } from "./api/publish.ts";
import type { Route } from "./http/router.ts";
import type { SessionsEndpoint } from "./api/sessions.ts";
import { CORS } from "./http/cors.ts";

/** What answers, besides the protocols of clients. */
export interface Endpoints {
  readonly publish: PublishEndpoint;
  readonly channels: ChannelsEndpoint;
  readonly sessions: SessionsEndpoint;
  readonly nodes: NodesEndpoint;
  readonly status: StatusEndpoint;
}

/** Every endpoint that is no protocol of clients: its path, its methods, and what pages of other sites may do there. */
export function routesOf(endpoints: Endpoints): Route[] {
  const { publish, channels, sessions, nodes, status } = endpoints;
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
  return [
    { path: "/broadcast/:message", methods: broadcast, cors: allowed },
    { path: "/channels", methods: { GET: channels.list }, cors: allowed },
    { path: "/channels/:channel", methods: channel, cors: readable },
    { path: "/channels/:channel/presence", methods: { GET: channels.presence }, cors: readable },
    { path: "/count", methods: { GET: status.count }, cors: readable },
    { path: "/sessions", methods: { GET: sessions.list, DELETE: sessions.end }, cors: allowed },
    { path: "/nodes", methods: { GET: nodes.list }, cors: allowed },
    { path: "/healthz", methods: { GET: status.health }, cors: allowed },
    { path: "/readyz", methods: { GET: status.readiness }, cors: allowed },
    { path: "/metrics", methods: { GET: status.metrics }, cors: allowed },
  ];
}
