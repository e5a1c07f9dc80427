import { CORS } from "../../http/cors.ts";
import { get, post, type Route } from "../../http/router.ts";
import type { Use } from "../../observe/hark_metrics.ts";
import type { Protocol } from "../protocol.ts";
import * as docs from "./docs.ts";
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

  get use(): Use {
    return { bodyBytes: this.#api.bodyBytes };
  }

  /** Sends the last clients away, and gives up the requests whose bodies have not come whole. */
  close(): void {
    this.#endpoint.close();
    this.#api.close();
  }

  /** Sends the webhooks that wait, or hands them on, and sends no more. */
  flush(): Promise<void> {
    return this.#endpoint.flush();
  }
}

function routesOf({ accept }: PusherEndpoint, api: PusherApi): Route[] {
  const { events, batch, channels, channel, users, terminate } = api;
  const cors = CORS.allowed;
  const app = "/apps/:app";
  const oneUser = `${app}/users/:user/terminate_connections`;
  return [
    { path: "/app/:key", methods: get(accept, docs.CONNECT_DOC), cors },
    { path: `${app}/events`, methods: post(events, docs.EVENTS_DOC), cors },
    { path: `${app}/batch_events`, methods: post(batch, docs.BATCH_DOC), cors },
    { path: `${app}/channels`, methods: get(channels, docs.CHANNELS_DOC), cors },
    { path: `${app}/channels/:channel`, methods: get(channel, docs.CHANNEL_DOC), cors },
    { path: `${app}/channels/:channel/users`, methods: get(users, docs.USERS_DOC), cors },
    { path: oneUser, methods: post(terminate, docs.TERMINATE_DOC), cors },
  ];
}
