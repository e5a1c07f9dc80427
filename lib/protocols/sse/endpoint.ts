import { HEARTBEAT, idBlock, joinChunks, retryLater, retryLine, sse } from "./codec.ts";
import { type Clock, every, type Timer } from "../../core/clock.ts";
import { Refusal } from "../../core/errors.ts";
import type { Grant } from "../../core/grant.ts";
import type { Hub } from "../../hub/hub.ts";
import { peerOf } from "../../hub/peer.ts";
import type { Session } from "../../hub/session.ts";
import { type Batching, BatchingTransport } from "../../hub/batching.ts";
import type { Connections } from "../../hub/connections.ts";
import type { Protocol } from "../protocol.ts";
import { SseTransport } from "./transport.ts";
import type { Access } from "../../http/access.ts";
import { CORS } from "../../http/cors.ts";
import type { OperationDoc } from "../../http/operation.ts";
import { AT_CHANNELS, AT_SINCE, TEXT } from "../../http/parameters.ts";
import type { Exchange, Handler, Route } from "../../http/router.ts";
import { readSubscription, type Subscription } from "../../http/subscription.ts";

/** What the SSE endpoint needs. */
export interface EventsOptions {
  readonly hub: Hub;
  readonly connections: Connections;
  readonly access: Access;
  readonly clock: Clock;
  readonly batching: Batching;
  /** Seconds between two heartbeats. */
  readonly heartbeatS: number;
}

const RETRY_MIN_MS = 1000;
const RETRY_SPREAD_MS = 2000;
const HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Keeps nginx, and proxies that copy it, from buffering events.
  "x-accel-buffering": "no",
};

const EVENTS_DOC: OperationDoc = {
  id: "events",
  summary: "A stream of Server-Sent Events, which does not end by itself",
  need: "receive",
  parameters: [
    AT_CHANNELS,
    AT_SINCE,
    {
      name: "Last-Event-ID",
      in: "header",
      description: "Where the client was, as an EventSource sends it",
      schema: TEXT,
    },
  ],
  answers: {
    200: {
      description: "The stream, or one that ends at once and says when to retry",
      content: { "text/event-stream": TEXT },
    },
  },
};

/** Answers `/events` with Server-Sent Events. */
export class EventsEndpoint implements Protocol {
  readonly routes: readonly Route[];
  readonly #options: EventsOptions;
  readonly #heartbeat: Timer;

  constructor(options: EventsOptions) {
    this.#options = options;
    const GET = { handle: this.#open, head: this.#head, doc: EVENTS_DOC };
    this.routes = [{ path: "/events", methods: { GET }, cors: CORS.readable }];
    this.#heartbeat = every(options.clock, options.heartbeatS * 1000, () => this.#beat());
  }

  /**
   * Opens a stream. Rejects with a `Refusal` before anything is opened. A refusal that says when to retry
   * becomes a stream that ends at once: an `EventSource` comes back after no other status than 200 (WHATWG
   * HTML, section 9.2.3).
   */
  readonly #open: Handler = async (exchange) => {
    try {
      return await this.#stream(exchange);
    } catch (error) {
      if (!(error instanceof Refusal) || error.retryAfterS === undefined) throw error;
      const { type, message, retryAfterS } = error;
      this.#options.connections.refused(type, message, exchange.address);
      const body = retryLater(message, spread(retryAfterS * 1000));
      return new Response(body, { headers: HEADERS });
    }
  };

  async #stream(exchange: Exchange): Promise<Response> {
    const { hub, connections, batching } = this.#options;
    const { address } = exchange;
    const { grant, subscription } = await this.#admit(exchange);
    const { channels, since } = subscription;
    hub.subscribers.check(channels, address);
    let session: Session | undefined;
    const connection = await connections.admit(address);
    const transport = new SseTransport(connection, () => session?.lost("client closed"));
    transport.write(retryLine(spread(RETRY_MIN_MS)));
    const batched = new BatchingTransport(transport, joinChunks, batching);
    try {
      session = hub.open(batched, peerOf(address, grant), channels, { since });
    } catch (error) {
      connection.gone();
      throw error;
    }
    const opened = session;
    if (since !== undefined) {
      // Resolves after the replay, before the first live publication.
      opened.subscribe([]).then(() => opened.write(idBlock(hub.positionId)));
    }
    return new Response(transport.stream, { headers: HEADERS });
  }

  /** Answers as GET does, and opens nothing. */
  readonly #head: Handler = async (exchange) => {
    await this.#admit(exchange);
    return new Response(null, { headers: HEADERS });
  };

  /** Reads the subscription. Rejects with a `Refusal` if it is malformed or not allowed. */
  async #admit(exchange: Exchange): Promise<{ grant: Grant; subscription: Subscription }> {
    const { request, query } = exchange;
    const { access, clock } = this.#options;
    const lastEventId = request.headers.get("last-event-id");
    const subscription = readSubscription(query, clock.now(), lastEventId);
    const grant = await access.identify(exchange);
    grant.checkReceive(subscription.channels);
    return { grant, subscription };
  }

  /** Stops the heartbeat. */
  close(): void {
    this.#heartbeat.cancel();
  }

  #beat(): void {
    for (const session of this.#options.hub.sessions()) {
      if (session.transport.encoder === sse) session.write(HEARTBEAT);
    }
  }
}

/** Spreads the clients that were cut or refused together. */
function spread(ms: number): number {
  return ms + Math.random() * RETRY_SPREAD_MS;
}
