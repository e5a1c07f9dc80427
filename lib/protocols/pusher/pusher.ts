import type { PusherApp } from "../../config/pusher_app.ts";
import { CORS } from "../../http/cors.ts";
import { get, post, type Route } from "../../http/router.ts";
import type { Use } from "../../observe/hark_metrics.ts";
import type { Protocol } from "../protocol.ts";
import * as docs from "./docs.ts";
import { PusherApi, type PusherApiOptions } from "./api.ts";
import { App, type AppOptions } from "./app.ts";
import { PusherEndpoint, type PusherEndpointOptions } from "./endpoint.ts";

/** What the Pusher protocol needs. */
export interface PusherOptions extends AppOptions, PusherEndpointOptions, PusherApiOptions {
  readonly apps: readonly PusherApp[];
}

/** The Pusher protocol, for the apps that are configured: clients connect, backends trigger. */
export class Pusher implements Protocol {
  readonly routes: readonly Route[];
  readonly #apps: readonly App[];
  readonly #endpoint: PusherEndpoint;
  readonly #api: PusherApi;

  constructor(options: PusherOptions) {
    const apps = this.#apps = options.apps.map((settings) => new App(settings, options));
    this.#endpoint = new PusherEndpoint(apps, options);
    this.#api = new PusherApi(apps, options);
    this.routes = routesOf(this.#endpoint, this.#api);
  }

  get use(): Use {
    return this.#api.use;
  }

  /** Ends the last clients, and rejects the requests whose bodies are not complete. */
  close(): void {
    this.#endpoint.close();
    this.#api.close();
  }

  /** Sends the webhooks that wait, or hands them on, and sends no more. */
  async flush(): Promise<void> {
    await Promise.all(this.#apps.map((app) => app.flush()));
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
