import type { Broker } from "../../broker/broker.ts";
import type { PusherApp } from "../../config/pusher_app.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { networkOf } from "../../core/address.ts";
import { Refusal } from "../../core/errors.ts";
import { Quota } from "../../core/quota.ts";
import type { Access } from "../../http/access.ts";
import type { Exchange, Handler } from "../../http/router.ts";
import { Connection, type ConnectionReports, type Connections } from "../../hub/connections.ts";
import type { Hub } from "../../hub/hub.ts";
import type { HarkMetrics } from "../../observe/hark_metrics.ts";
import type { Log } from "../../observe/log.ts";
import { SILENT_BEATS_MAX } from "../websocket/endpoint.ts";
import { refuseHandshake } from "../../http/upgrade.ts";
import {
  acceptSocket,
  type Socket,
  type SocketHandler,
  type SocketOptions,
} from "../websocket/socket.ts";
import { App } from "./app.ts";
import type { ClientContext } from "./client.ts";
import { encodeError } from "./codec.ts";
import { Guest, Silence } from "./guest.ts";
import type { Senders } from "./senders.ts";
import { Webhooks } from "./webhooks.ts";

/** What the Pusher endpoint needs. */
export interface PusherEndpointOptions extends Omit<SocketOptions, "idleTimeoutS"> {
  readonly apps: readonly PusherApp[];
  readonly hub: Hub;
  readonly cluster: Cluster;
  readonly broker: Pick<Broker, "history">;
  readonly connections: Connections;
  readonly access: Access;
  readonly log: Pick<Log, "warn">;
  readonly heartbeatS: number;
  readonly channelsPerSessionMax: number;
  readonly metrics: Pick<HarkMetrics, "webhookEvents">;
}

/** Connections at a time that are accepted to send the reason why they are refused. */
export const REFUSED_MAX = 1000;

/** Versions of the protocol that are served: they differ in what Hark sends or takes in nothing. */
const PROTOCOLS = ["5", "6", "7"];

/** A close code of Pusher's, and a sentence. */
interface Fault {
  readonly code: number;
  readonly reason: string;
}

const NO_APP: Fault = { code: 4001, reason: "There is no app with this key" };
const NO_PROTOCOL: Fault = { code: 4008, reason: "No protocol is given: connect with ?protocol=7" };
const OTHER_PROTOCOL: Fault = { code: 4007, reason: "This protocol is not served: use 5, 6 or 7" };

/** Answers `/app/:key`: WebSocket for the clients of Pusher's protocol. */
export class PusherEndpoint {
  readonly apps: readonly App[];
  readonly #options: PusherEndpointOptions;
  readonly #socketOptions: SocketOptions;
  readonly #refused: Quota = new Quota(REFUSED_MAX);
  /** Clients that came while the server is stopping. */
  readonly #held = new Map<Socket, Fault>();
  readonly #silence: Silence;
  /** What the clients of each app share. */
  readonly #contexts: ReadonlyMap<App, ClientContext>;

  constructor(options: PusherEndpointOptions) {
    const { apps, hub, cluster, clock, heartbeatS, channelsPerSessionMax } = this.#options =
      options;
    const prefixes = apps.map(({ prefix }) => prefix);
    this.apps = apps.map((settings) => {
      const makeWebhooks = (senders: Senders) => webhooksOf(settings, options, senders);
      return new App({ settings, prefixes, hub, clock, cluster, makeWebhooks });
    });
    this.#socketOptions = {
      ...options,
      idleTimeoutS: SILENT_BEATS_MAX * heartbeatS,
      // A client that comes back subscribes to all its channels at once, with a frame for each.
      inboundPerSecondMax: options.inboundPerSecondMax + channelsPerSessionMax,
    };
    this.#silence = new Silence(clock);
    const waitingMax = this.#socketOptions.inboundPerSecondMax;
    const shared = { hub, broker: options.broker, clock, waitingMax };
    this.#contexts = new Map(this.apps.map((app) => [app, { ...shared, app }]));
  }

  /**
   * Makes a session of a request. Whoever is refused gets a frame and a close code: an answer of HTTP makes
   * clients retry for ever.
   */
  readonly accept: Handler = async (exchange) => {
    const { request, params, address } = exchange;
    const fault = refuseHandshake(request);
    if (fault !== undefined) return fault;
    const app = this.apps.find(({ settings }) => settings.key === params.key);
    if (app === undefined) return this.#refuse(exchange, NO_APP);
    const protocol = exchange.query.get("protocol");
    if (protocol === null) return this.#refuse(exchange, NO_PROTOCOL);
    if (!PROTOCOLS.includes(protocol)) return this.#refuse(exchange, OTHER_PROTOCOL);
    let connection: Connection;
    try {
      connection = await this.#options.connections.admit(address);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return this.#refuse(exchange, { code: 4100, reason: error.message }, error);
    }
    const peer = { address, grant: this.#options.access.anonymous(address) };
    const context = this.#contexts.get(app)!;
    const open = (socket: Socket) => new Guest(socket, context, peer, this.#silence);
    return acceptSocket(request, { connection, open }, this.#socketOptions);
  };

  /** Sends away those that came while the server is stopping: now another one may listen soon. */
  close(): void {
    for (const [socket, fault] of this.#held) tell(socket, fault);
  }

  /** Sends the webhooks that wait, or hands them on, and sends no more. */
  async flush(): Promise<void> {
    await Promise.all(this.apps.map((app) => app.flush()));
  }

  /** Accepts a connection to refuse it. */
  #refuse(
    { request, address }: Exchange,
    fault: Fault,
    refusal = new Refusal("forbidden", fault.reason),
  ): Response {
    const { connections } = this.#options;
    const release = this.#refused.take(networkOf(address));
    if (typeof release !== "function") throw refusal;
    connections.refused(refusal.type, refusal.message, address);
    const connection = new Connection(address, release, NO_REPORTS);
    const open = (socket: Socket): SocketHandler => {
      if (refusal.type !== "unavailable") tell(socket, fault);
      else this.#held.set(socket, fault);
      return { ...REFUSED, socketClosed: () => void this.#held.delete(socket) };
    };
    return acceptSocket(request, { connection, open }, this.#socketOptions);
  }
}

function webhooksOf(
  { webhook: url, key, secret }: PusherApp,
  { clock, log, metrics }: PusherEndpointOptions,
  senders: Senders,
): Webhooks | undefined {
  if (url === undefined) return undefined;
  return new Webhooks({
    ...{ url, key, secret, clock, log },
    count: (outcome, events) => metrics.webhookEvents.with(outcome).add(events),
    isSender: () => senders.isHere,
    handOn: (estate) => senders.handOn(estate),
  });
}

/** A WebSocket that was accepted to send the reason why it is refused. */
const REFUSED: SocketHandler = {
  receiveFrame: () => {},
  socketFault: () => {},
  socketClosed: () => {},
};
/** A refused connection is counted as refused, and that is all. */
const NO_REPORTS: ConnectionReports = {
  closing: { inc: () => {}, dec: () => {} },
  fault: () => {},
};

function tell(socket: Socket, fault: Fault): void {
  socket.send(encodeError(fault.code, fault.reason));
  socket.close(fault);
}
