import type { ChannelsEndpoint } from "./api/channels.ts";
import * as docs from "./api/docs.ts";
import type { PublishEndpoint } from "./api/publish.ts";
import type { SessionsEndpoint } from "./api/sessions.ts";
import type { StatusEndpoint } from "./api/status.ts";
import { CORS } from "./http/cors.ts";
import { type OpenApiOptions, withOpenApi } from "./http/openapi.ts";
import { get, type Operation, post, type Route, Router } from "./http/router.ts";
import type { Protocol } from "./protocols/protocol.ts";

/** What answers requests, besides the protocols. */
export interface Endpoints {
  readonly publish: PublishEndpoint;
  readonly channels: ChannelsEndpoint;
  readonly sessions: SessionsEndpoint;
  readonly status: StatusEndpoint;
}

/** Makes the router of all routes: of the endpoints, the protocols, and the document that describes them. */
export function routerOf(
  endpoints: Endpoints,
  protocols: readonly Protocol[],
  options: OpenApiOptions,
): Router {
  const ofProtocols = protocols.flatMap(({ routes }) => routes);
  return new Router(withOpenApi([...routesOf(endpoints), ...ofProtocols], options));
}

/** Each endpoint that is not a protocol: path, methods, and what pages of other sites may do there. */
function routesOf(endpoints: Endpoints): Route[] {
  const { publish, channels, sessions, status } = endpoints;
  const { allowed, readable } = CORS;
  const broadcast: Operation = {
    doc: docs.BROADCAST_DOC,
    handle: publish.broadcast,
    head: publish.broadcastHead,
  };
  return [
    {
      path: "/broadcast/:message",
      methods: {
        GET: broadcast,
        POST: broadcast,
        PUT: broadcast,
        PATCH: broadcast,
        DELETE: broadcast,
      },
      cors: allowed,
    },
    { path: "/channels", methods: get(channels.list, docs.CHANNELS_DOC), cors: allowed },
    {
      path: "/channels/:channel",
      methods: {
        ...get(channels.history, docs.HISTORY_DOC),
        ...post(publish.publish, docs.PUBLISH_DOC),
      },
      cors: readable,
    },
    {
      path: "/channels/:channel/presence",
      methods: get(channels.presence, docs.PRESENCE_DOC),
      cors: readable,
    },
    { path: "/count", methods: get(status.count, docs.COUNT_DOC), cors: readable },
    {
      path: "/sessions",
      methods: {
        ...get(sessions.list, docs.SESSIONS_DOC),
        DELETE: { handle: sessions.end, doc: docs.END_SESSIONS_DOC },
      },
      cors: allowed,
    },
    { path: "/nodes", methods: get(status.nodes, docs.NODES_DOC), cors: allowed },
    { path: "/healthz", methods: get(status.health, docs.HEALTH_DOC), cors: allowed },
    { path: "/readyz", methods: get(status.readiness, docs.READINESS_DOC), cors: allowed },
    { path: "/metrics", methods: get(status.metrics, docs.METRICS_DOC), cors: allowed },
  ];
}
