import { CORS } from "../../http/cors.ts";
import type { Route } from "../../http/router.ts";
import type { Protocol, ProtocolUse } from "../protocol.ts";
import { PusherApi, type PusherApiOptions } from "./api.ts";
import { PusherEndpoint, type PusherEndpointOptions } from "./endpoint.ts";

/** What the Pusher protocol needs. */
export type PusherOptions = PusherEndpointOptions & Omit<PusherApiOptions, "apps">;

/** The Pusher protocol, for the apps that are configured: clients connect, backends trigger. */
export class Pusher implements Protocol {
  /** None if there is no app. */
  readonly routes: readonly Route[];
  readonly #endpoint: PusherEndpoint;
  readonly #api: PusherApi;

  constructor(options: PusherOptions) {
    const endpoint = this.#endpoint = new PusherEndpoint(options);
    const api = this.#api = new PusherApi({ ...options, apps: endpoint.apps });
    this.routes = endpoint.apps.length === 0 ? [] : routesOf(endpoint, api);
  }

  get use(): ProtocolUse {
    return { bodyBytes: this.#api.bodyBytes };
  }

  /** Sends away the clients that came while the server is stopping. */
  endAll(): void {
    this.#endpoint.endAll();
  }

  /** Sends the webhooks that wait, or hands them on. */
  drain(): Promise<void> {
    return this.#endpoint.drain();
  }

  /** Gives up the requests whose bodies have not come whole, and tells nothing more. */
  close(): void {
    this.#endpoint.close();
    this.#api.close();
  }
}

function routesOf({ accept }: PusherEndpoint, api: PusherApi): Route[] {
  const { events, batch, channels, channel, users, terminate } = api;
  const cors = CORS.allowed;
  const user = "/apps/:app/users/:user/terminate_connections";
  return [
    { path: "/app/:key", methods: { GET: accept }, cors },
    { path: "/apps/:app/events", methods: { POST: events }, cors },
    { path: "/apps/:app/batch_events", methods: { POST: batch }, cors },
    { path: "/apps/:app/channels", methods: { GET: channels }, cors },
    { path: "/apps/:app/channels/:channel", methods: { GET: channel }, cors },
    { path: "/apps/:app/channels/:channel/users", methods: { GET: users }, cors },
    { path: user, methods: { POST: terminate }, cors },
  ];
}
