import { checkSubscription } from "../core/channel.ts";
import { DISCONNECTS, readInput, Refusal } from "../core/errors.ts";
import type { Hub } from "../hub/hub.ts";
import type { Session } from "../hub/session.ts";
import type { Access } from "../http/access.ts";
import { readLimit } from "./channels.ts";
import { channelsOf } from "../http/channels.ts";
import { json } from "../http/problem.ts";
import type { Handler } from "../http/router.ts";

/** What looking after sessions needs. */
export interface SessionsOptions {
  readonly hub: Hub;
  readonly access: Access;
}

const SESSION_ID = /^[\w-]{22}$/;
/** Names of channels in one answer, unless its first session alone has more. */
export const NAMES_MAX = 10_000;

/** Lists and ends sessions; for whoever has a key or, where there is none, for this machine. */
export class SessionsEndpoint {
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /**
   * `GET /sessions?user=&channel=&after=&limit=`: the sessions of a user, and those that are
   * subscribed to exactly this channel or pattern, in the order of their ids.
   */
  readonly list: Handler = async (exchange) => {
    await this.#options.access.checkSessions(exchange);
    const { query } = exchange;
    const after = readAfter(query);
    const limit = readLimit(query);
    const found = this.#find(query).filter(({ id }) => id > after)
      .sort((a, b) => a.id < b.id ? -1 : 1);
    const sessions = fitting(found.slice(0, limit)).map(describe);
    const next = sessions.at(-1)?.client ?? after;
    return json(JSON.stringify({ sessions, next, more: found.length > sessions.length }));
  };

  /**
   * `DELETE /sessions?user=` or `?client=`: ends the sessions of a user, or one, and answers how many
   * that were. They come back only with a token that still counts.
   */
  readonly end: Handler = async (exchange) => {
    const { hub, access } = this.#options;
    await access.checkSessions(exchange);
    const { query } = exchange;
    const user = query.get("user");
    const client = query.get("client");
    if ((user === null) === (client === null)) {
      throw new Refusal(
        "bad-request",
        "Cannot end sessions: expected ?user=USER or ?client=CLIENT",
      );
    }
    const sessions = client === null ? this.#find(query) : [hub.get(client)];
    let ended = 0;
    for (const session of sessions) {
      if (session === undefined) continue;
      session.end(DISCONNECTS.revoked);
      ended++;
    }
    return json(JSON.stringify({ ended }));
  };

  #find(query: URLSearchParams): Session[] {
    const { hub } = this.#options;
    const user = query.get("user");
    const [channel] = channelsOf(query);
    const all = channel === undefined
      ? hub.sessions()
      : hub.subscribers(readInput(() => checkSubscription(channel)));
    return Array.from(all).filter(({ peer }) => user === null || peer.user === user);
  }
}

function describe({ id, peer, transport, subscriptions, openedAt, expiresAt }: Session) {
  return {
    client: id,
    user: peer.user,
    address: peer.address,
    transport: transport.name,
    channels: [...subscriptions.keys()],
    connected: openedAt,
    expires: expiresAt,
  };
}

/** As many of the first as one answer may hold, at least one. */
function fitting(sessions: readonly Session[]): readonly Session[] {
  let names = 0;
  const end = sessions.findIndex(({ subscriptions }, index) => {
    names += subscriptions.size;
    return index > 0 && names > NAMES_MAX;
  });
  return end < 0 ? sessions : sessions.slice(0, end);
}

function readAfter(query: URLSearchParams): string {
  const after = query.get("after") ?? "";
  if (after === "" || SESSION_ID.test(after)) return after;
  throw new Refusal("bad-request", "Cannot read after: expected the id of a client, 22 characters");
}
