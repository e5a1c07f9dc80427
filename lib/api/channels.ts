import { checkChannel, checkSubscription } from "../core/channel.ts";
import type { Clock } from "../core/clock.ts";
import type { Broker, ChannelInfo } from "../broker/broker.ts";
import { readInput, Refusal } from "../core/errors.ts";
import type { Grant } from "../core/grant.ts";
import type { ClusterView } from "../cluster/view.ts";
import { dataBytes, formatPosition, type Publication } from "../core/publication.ts";
import { quoteText } from "../core/text.ts";
import type { Access } from "../http/access.ts";
import { json } from "../http/problem.ts";
import type { Exchange, Handler } from "../http/router.ts";
import { readSince } from "../http/subscription.ts";
import { fitting, readLimit } from "./pages.ts";

/** What answering about channels needs, and its bounds. */
export interface ChannelsOptions {
  readonly broker: Pick<Broker, "history" | "channels">;
  readonly clock: Clock;
  readonly view: ClusterView;
  /** Entries in one answer about presence. */
  readonly presenceMax: number;
  /** Bytes of data in one page of history, unless its first message alone has more. */
  readonly outboundBytesMax: number;
  readonly access: Access;
}

/** Answers the history and the presence of a channel, and the list of channels. */
export class ChannelsEndpoint {
  readonly #options: ChannelsOptions;

  constructor(options: ChannelsOptions) {
    this.#options = options;
  }

  /**
   * `GET /channels/:channel?since=&limit=&order=`: what is kept of a channel, or of those that a pattern
   * covers, after `since` or from the oldest on, the oldest first. `complete` is false if something after
   * `since` is evicted. `next` is the `since` of the next page, which is there already if `more` is true.
   * With `order=newest` the newest come first, `next` is the `since` of what comes later, and `more`
   * reports whether there are older ones.
   */
  readonly history: Handler = async (exchange) => {
    const { broker, clock, outboundBytesMax } = this.#options;
    const { channel, grant } = await this.#readChannel(exchange, checkSubscription);
    grant.checkReceive([channel]);
    const { query } = exchange;
    const since = readSince(query, clock.now());
    const limit = readLimit(query);
    const newestFirst = isNewestFirst(query);
    const page = await broker.history({ channels: [channel], since, limit, newestFirst });
    // A pattern may cover guarded channels that the caller may not receive.
    const visible = page.publications.filter(({ channel }) => grant.mayReceive(channel));
    const shown = fitting(visible, outboundBytesMax, ({ data }) => dataBytes(data));
    const isCut = shown.length < visible.length;
    const next = formatPosition(isCut && !newestFirst ? shown.at(-1)! : page.position);
    const more = page.more || isCut;
    return json(
      `{"channel":"${channel}","publications":[${shown.map(encode).join(",")}],` +
        `"complete":${page.complete},"next":"${next}","more":${more}}`,
    );
  };

  /**
   * `GET /channels?after=&limit=`: every channel that has subscribers by its name or a history, in the
   * order of the names. For holders of a key.
   */
  readonly list: Handler = async (exchange) => {
    const { broker, view, access } = this.#options;
    (await access.identify(exchange)).checkManage();
    const { query } = exchange;
    const after = readAfter(query);
    const limit = readLimit(query);
    const kept = await broker.channels(after, limit + 1);
    const sessions = await view.channels(after, limit + 1);
    const found = merge(kept, [...sessions.keys()]);
    const channels = found.slice(0, limit).map(({ channel, publications, last }) => {
      return { channel, sessions: sessions.get(channel) ?? 0, publications, last };
    });
    const next = channels.at(-1)?.channel ?? after;
    return Response.json({ channels, next, more: found.length > limit });
  };

  /**
   * `GET /channels/:channel/presence`: how many are on the channel by its name; with a key or token that
   * allows it, also their entries.
   */
  readonly presence: Handler = async (exchange) => {
    const { view, presenceMax } = this.#options;
    const { channel, grant } = await this.#readChannel(exchange, checkChannel);
    grant.checkReceive([channel]);
    const present = await view.present(channel, grant.mayWatch(channel) ? presenceMax : 0);
    return Response.json({ channel, ...present });
  };

  /** The channel of a request, and what its caller may do. */
  async #readChannel(
    exchange: Exchange,
    check: (name: string) => string,
  ): Promise<{ channel: string; grant: Grant }> {
    const channel = readInput(() => check(exchange.params.channel!));
    return { channel, grant: await this.#options.access.identify(exchange) };
  }
}

interface Listed extends Omit<ChannelInfo, "last"> {
  readonly last: string | null;
}

/** Both lists as one, in the order of the names. A channel in both is as in the first. */
function merge(kept: readonly ChannelInfo[], names: readonly string[]): Listed[] {
  const found = new Map<string, Listed>();
  for (const channel of names) found.set(channel, { channel, publications: 0, last: null });
  for (const info of kept) found.set(info.channel, info);
  return Array.from(found.values()).sort((a, b) => a.channel < b.channel ? -1 : 1);
}

function encode({ id, channel, event, data, time }: Publication): string {
  const head = `{"id":"${id}","channel":"${channel}","event":${JSON.stringify(event)}`;
  const body = typeof data === "string" ? `"data":${data}` : `"base64":"${data.toBase64()}"`;
  return `${head},${body},"time":${time}}`;
}

function readAfter(query: URLSearchParams): string {
  const after = query.get("after");
  return after ? readInput(() => checkChannel(after)) : "";
}

function isNewestFirst(query: URLSearchParams): boolean {
  const order = query.get("order") ?? "oldest";
  if (order === "newest" || order === "oldest") return order === "newest";
  throw new Refusal(
    "bad-request",
    `Cannot read order: expected oldest or newest, got ${quoteText(order)}`,
  );
}
