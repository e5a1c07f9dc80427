import { checkChannel, checkSubscription } from "../core/channel.ts";
import type { Clock } from "../core/clock.ts";
import type { Broker, ChannelInfo } from "../broker/broker.ts";
import { readInput, Refusal } from "../core/errors.ts";
import type { Grant } from "../core/grant.ts";
import type { ClusterView } from "../cluster/view.ts";
import { dataBytes, formatPosition, type Publication } from "../core/publication.ts";
import type { Access } from "../http/access.ts";
import { json } from "../http/problem.ts";
import type { Exchange, Handler } from "../http/router.ts";
import { readSince } from "../http/subscription.ts";

/** What telling about channels needs, and its bounds. */
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

/** Of `?limit=`. */
export const LIMIT_MAX = 1000;
const LIMIT = 100;

/** Answers what is on a channel, its presence, and the list of channels. */
export class ChannelsEndpoint {
  readonly #options: ChannelsOptions;

  constructor(options: ChannelsOptions) {
    this.#options = options;
  }

  /**
   * `GET /channels/:channel?since=&limit=&order=`: what is kept of a channel, or of a pattern's, after
   * `since`, oldest first, from the oldest on without it. `complete` is false if something after
   * `since` is gone; `next` is the `since` of the next page, which can be had now if there is `more`.
   * With `order=newest` the latest come first, `next` is the `since` of what comes later, and `more`
   * says that there are older ones.
   */
  readonly history: Handler = async (exchange) => {
    const { broker, clock } = this.#options;
    const { channel, grant } = await this.#readChannel(exchange, checkSubscription);
    grant.checkReceive([channel]);
    const { query } = exchange;
    const since = readSince(query, clock.now());
    const limit = readLimit(query);
    const newestFirst = isNewestFirst(query);
    const page = await broker.history({ channels: [channel], since, limit, newestFirst });
    // A pattern may take in guarded channels that its reader may not receive.
    const visible = page.publications.filter(({ channel }) => grant.mayReceive(channel));
    const fitting = this.#fitting(visible);
    const isCut = fitting.length < visible.length;
    const next = formatPosition(isCut && !newestFirst ? fitting.at(-1)! : page.position);
    const more = page.more || isCut;
    return json(
      `{"channel":"${channel}","publications":[${fitting.map(encode).join(",")}],` +
        `"complete":${page.complete},"next":"${next}","more":${more}}`,
    );
  };

  /**
   * `GET /channels?after=&limit=`: every channel that somebody is on by its name or that has a
   * history, in the order of the names. For holders of a key.
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
    return json(JSON.stringify({ channels, next, more: found.length > limit }));
  };

  /**
   * `GET /channels/:channel/presence`: how many are on the channel by its name and, for whoever has a
   * key or token that allows it, who they are.
   */
  readonly presence: Handler = async (exchange) => {
    const { view, presenceMax } = this.#options;
    const { channel, grant } = await this.#readChannel(exchange, checkChannel);
    grant.checkReceive([channel]);
    const present = await view.present(channel, grant.mayWatch(channel) ? presenceMax : 0);
    return json(JSON.stringify({ channel, ...present }));
  };

  /** The channel of a request, and what its sender may do. */
  async #readChannel(
    exchange: Exchange,
    check: (name: string) => string,
  ): Promise<{ channel: string; grant: Grant }> {
    const channel = readInput(() => check(exchange.params.channel!));
    return { channel, grant: await this.#options.access.identify(exchange) };
  }

  /** As many of the first as one answer may hold, at least one. */
  #fitting(publications: readonly Publication[]): readonly Publication[] {
    let bytes = 0;
    const end = publications.findIndex(({ data }, index) => {
      bytes += dataBytes(data);
      return index > 0 && bytes > this.#options.outboundBytesMax;
    });
    return end < 0 ? publications : publications.slice(0, end);
  }
}

interface Listed extends Omit<ChannelInfo, "last"> {
  readonly last: string | null;
}

/** Both lists in one, in the order of the names; what is in both once, as the first has it. */
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
  const got = JSON.stringify(order.slice(0, 80));
  throw new Refusal("bad-request", `Cannot read order: expected oldest or newest, got ${got}`);
}

/** Reads `limit`, how many entries a page has. Throws a `Refusal` that says what is wrong. */
export function readLimit(query: URLSearchParams): number {
  const text = query.get("limit");
  if (text === null) return LIMIT;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  const got = JSON.stringify(text.slice(0, 80));
  throw new Refusal(
    "bad-request",
    `Cannot read limit: expected an integer from 1 to ${LIMIT_MAX}, got ${got}`,
  );
}
