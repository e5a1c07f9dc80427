import type { Publisher } from "../../broker/publisher.ts";
import type { Occupancy, SubscriberCounts } from "../../cluster/occupancy.ts";
import type { Clock } from "../../core/clock.ts";
import { readInput, Refusal } from "../../core/errors.ts";
import { BodyReader } from "../../http/body.ts";
import type { Exchange, Handler } from "../../http/router.ts";
import { parseTraceparent } from "../../core/traceparent.ts";
import type { Use } from "../../observe/hark_metrics.ts";
import type { App } from "./app.ts";
import { triggeredText } from "./codec.ts";
import { kindOf } from "./names.ts";
import {
  type Attributes,
  checkBody,
  checkSignature,
  readAttributes,
  readBatch,
  readTrigger,
  type Trigger,
} from "./requests.ts";

/** What Pusher's HTTP API needs. */
export interface PusherApiOptions {
  readonly occupancy: Occupancy;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** Seconds that a publication is kept. */
  readonly historyAgeS: number;
  /** Milliseconds that a body may take. */
  readonly bodyTimeoutMs: number;
}

/** Bytes of one body. */
export const BODY_BYTES_MAX = 1024 ** 2;
/** Bytes of all bodies that are being read. */
export const BODIES_BYTES_MAX = 64 * BODY_BYTES_MAX;

/** A request that its app has signed. */
interface Call extends Exchange {
  readonly app: App;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The last event of a cache channel, and the seconds for which it is still kept. */
interface Cached {
  readonly data: string;
  readonly ttl: number;
}

/** The attributes of a channel. */
interface Info {
  user_count?: number;
  subscription_count?: number;
  cache?: Cached | null;
}

/** Answers `/apps/:app/…`: backends trigger events, and ask which channels and users are there. */
export class PusherApi {
  readonly #apps: readonly App[];
  readonly #options: PusherApiOptions;
  readonly #bodies: BodyReader;

  constructor(apps: readonly App[], options: PusherApiOptions) {
    this.#apps = apps;
    this.#options = options;
    const { clock, bodyTimeoutMs: timeoutMs } = options;
    this.#bodies = new BodyReader({ clock, timeoutMs, bytesMax: BODIES_BYTES_MAX });
  }

  get use(): Use {
    return { bodyBytes: this.#bodies.heldBytes };
  }

  /** Rejects the requests whose bodies are not complete: stopping waits for none. */
  close(): void {
    this.#bodies.close();
  }

  /** `POST /apps/:app/events`: publishes to each channel, all or none. */
  readonly events: Handler = this.#signed(async (call) => {
    const { app, body } = call;
    const trigger = readInput(() => readTrigger(body, app.names));
    const [infos = []] = await this.#trigger(call, [trigger]);
    if (trigger.info.size === 0) return Response.json({});
    const names = trigger.drafts.map(({ channel }) => app.names.toWire(channel));
    return Response.json({
      channels: Object.fromEntries(names.map((name, at) => [name, infos[at]])),
    });
  });

  /** `POST /apps/:app/batch_events`: publishes all or none, in their order. */
  readonly batch: Handler = this.#signed(async (call) => {
    const triggers = readInput(() => readBatch(call.body, call.app.names));
    const infos = await this.#trigger(call, triggers);
    if (triggers.every(({ info }) => info.size === 0)) return Response.json({});
    return Response.json({ batch: infos.map(([first = {}]) => first) });
  });

  /** `GET /apps/:app/channels?filter_by_prefix=&info=`: the channels that have subscribers. */
  readonly channels: Handler = this.#signed(async ({ app, query }) => {
    const prefix = query.get("filter_by_prefix") ?? "";
    const info = readAttributes(query.get("info"));
    if (info.has("user_count") && !kindOf(prefix).isPresence) throw NOT_PRESENCE;
    const found: [string, Info][] = [];
    const counts = await this.#options.occupancy.starting(app.settings.prefix + prefix);
    for (const name of counts.keys()) {
      if (app.names.has(name)) {
        found.push([app.names.toWire(name), infoOf(app, name, info, counts)]);
      }
    }
    return Response.json({ channels: Object.fromEntries(found) });
  });

  /** `GET /apps/:app/channels/:channel?info=`: one channel, with the attributes that `info` names. */
  readonly channel: Handler = this.#signed(async ({ app, params, query }) => {
    const channel = params.channel!;
    const name = readInput(() => app.names.toHark(channel));
    const wanted = readAttributes(query.get("info"));
    const { isPresence, isCache } = kindOf(channel);
    if (wanted.has("user_count") && !isPresence) throw NOT_PRESENCE;
    const counts = await this.#options.occupancy.named([name]);
    const info = infoOf(app, name, wanted, counts);
    if (wanted.has("cache") && isCache) info.cache = await this.#cache(app, name);
    return Response.json({ occupied: counts.has(name), ...info });
  });

  /** `GET /apps/:app/channels/:channel/users`: the users on a presence channel. */
  readonly users: Handler = this.#signed(({ app, params }) => {
    const channel = params.channel!;
    const name = readInput(() => app.names.toHark(channel));
    if (!kindOf(channel).isPresence) throw NOT_PRESENCE;
    return Response.json({ users: app.members.of(name).map(({ userId: id }) => ({ id })) });
  });

  /** `POST /apps/:app/users/:user/terminate_connections`: ends the connections of a user that has signed in. */
  readonly terminate: Handler = this.#signed(({ app, params }) => {
    app.terminate(params.user!);
    return Response.json({});
  });

  /** Calls `handler` with requests that are signed by their app, and rejects all others. */
  #signed(handler: (call: Call) => Response | Promise<Response>): Handler {
    return async (exchange) => {
      const { request, params, path, query } = exchange;
      const app = this.#apps.find(({ settings }) => settings.id === params.app);
      if (app === undefined) throw new Refusal("not-found", "There is no app with this id");
      // Before the body is read: only the app may send one.
      checkSignature(app, { method: request.method, path, query }, this.#options.clock.now());
      const body = request.method === "POST"
        ? await this.#bodies.read(request, BODY_BYTES_MAX)
        : NO_BYTES;
      checkBody(body, query);
      return await handler({ ...exchange, app, body });
    };
  }

  /** Publishes all or none. Resolves to the attributes that each trigger asks for, by channel. */
  async #trigger({ app, request }: Call, triggers: readonly Trigger[]): Promise<Info[][]> {
    const traceparent = parseTraceparent(request.headers.get("traceparent"));
    const drafts = triggers.flatMap(({ drafts }) => drafts)
      .map((draft) => ({ ...draft, traceparent }));
    const caller = { caller: `app ${app.settings.id}`, mayManage: true };
    if (drafts.length > 0) await this.#options.publisher.publish(drafts, caller);
    const names = triggers.filter(({ info }) => info.has("subscription_count"))
      .flatMap(({ drafts }) => drafts.map(({ channel }) => channel));
    const counts = await this.#options.occupancy.named(names);
    return triggers.map(({ drafts, info }) =>
      drafts.map(({ channel }) => infoOf(app, channel, info, counts))
    );
  }

  async #cache(app: App, name: string): Promise<Cached | null> {
    const { clock, historyAgeS } = this.#options;
    const newest = await app.newest(name);
    if (newest === undefined) return null;
    const ageS = (clock.now() - newest.time) / 1000;
    return { data: triggeredText(newest), ttl: Math.max(0, Math.round(historyAgeS - ageS)) };
  }
}

const NOT_PRESENCE = new Refusal(
  "bad-request",
  "Only presence channels have users: use a name, or filter_by_prefix, that begins with presence-",
);
const NO_BYTES = new Uint8Array(0);

/** The attributes of a channel that are asked for; `name` is Hark's. */
function infoOf(app: App, name: string, wanted: Attributes, counts: SubscriberCounts): Info {
  const info: Info = {};
  if (wanted.has("user_count") && kindOf(app.names.toWire(name)).isPresence) {
    info.user_count = app.members.count(name);
  }
  if (wanted.has("subscription_count")) info.subscription_count = counts.get(name) ?? 0;
  return info;
}
