import type { WebhookEvent } from "../../lib/protocols/pusher/webhook_queue.ts";
import { Inbox } from "./inbox.ts";
import { APP } from "./pusher.ts";

/** A request with webhooks. */
export interface WebhookRequest {
  readonly headers: Headers;
  readonly body: string;
}

/** A server that takes the webhooks of an app, and keeps them. */
export class WebhookReceiver implements AsyncDisposable {
  readonly requests: Inbox<WebhookRequest> = new Inbox();
  /** The events of all requests that were taken. */
  readonly events: Inbox<WebhookEvent> = new Inbox();
  readonly url: string;
  /** What it answers: nothing else is taken than with 204. */
  status = 204;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const listen = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(listen, async (request) => {
      const body = await request.text();
      this.requests.push({ headers: request.headers, body });
      if (this.status === 204) {
        for (const event of JSON.parse(body).events) this.events.push(event);
      }
      return new Response(null, { status: this.status });
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}/hooks`;
  }

  /** The app with its webhooks, as the option has it; `settings` end in `&`. */
  app(settings = ""): string {
    return `${APP}?${settings}webhook=${this.url}`;
  }

  /** The next so many events, in the order of their names. */
  async next(count: number): Promise<string[]> {
    const events = await this.events.take(count);
    return events.map(({ name, channel }) => `${name} ${channel}`).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
