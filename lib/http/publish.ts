import type { Keys } from "../auth.ts";
import { BROADCAST } from "../core/channel.ts";
import { MESSAGE } from "../core/publication.ts";
import type { Publisher } from "../core/publisher.ts";
import type { Origins } from "./origin.ts";
import { json } from "./problem.ts";
import type { Exchange, Handler } from "./router.ts";

/** What publishing over HTTP needs. */
export interface PublishOptions {
  readonly publisher: Publisher;
  readonly keys: Keys;
  readonly origins: Origins;
}

/** Answers requests that publish. */
export class PublishEndpoint {
  readonly #options: PublishOptions;

  constructor(options: PublishOptions) {
    this.#options = options;
  }

  /** `/broadcast/:message`: publishes `{"message":"…"}` and answers the same. */
  readonly broadcast: Handler = async (exchange) => {
    const caller = this.authorize(exchange);
    const { params, query } = exchange;
    const data = JSON.stringify({ message: params.message });
    const channel = query.get("channel") ?? BROADCAST;
    const event = query.get("event") ?? MESSAGE;
    await this.#options.publisher.publish([{ channel, event, data }], caller);
    return json(data);
  };

  /** What `broadcast` would answer, with nothing published. */
  readonly broadcastHead: Handler = (exchange) => {
    this.authorize(exchange);
    return json(JSON.stringify({ message: exchange.params.message }));
  };

  /** Who publishes, for the rate: a key or an address. Throws a `Refusal` if they may not. */
  authorize({ request, query, address }: Exchange): string {
    const { keys, origins } = this.#options;
    origins.checkPublish(request);
    return keys.isEmpty ? address : `key ${keys.check(request, query)}`;
  }
}
