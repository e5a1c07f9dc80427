import type { PresenceEntry } from "../core/encoder.ts";
import { DISCONNECTS } from "../core/errors.ts";
import type { Hub } from "../hub/hub.ts";
import type { Session } from "../hub/session.ts";
import type { Cluster } from "./cluster.ts";

/** Selects sessions: those that fit all fields. */
export interface SessionQuery {
  readonly user?: string | undefined;
  readonly client?: string | undefined;
  /** Subscribed to exactly this channel or pattern. */
  readonly channel?: string | undefined;
  /** Only sessions whose ids come after this. */
  readonly after?: string | undefined;
}

/** A session as its operator sees it. */
export interface SessionInfo {
  readonly client: string;
  readonly user?: string | undefined;
  readonly address: string;
  readonly transport: string;
  readonly channels: readonly string[];
  readonly connected: number;
  readonly expires?: number | undefined;
  /** Bytes that wait for the client. */
  readonly unsent: number;
}

/** The presence of a channel: how many, and some of the entries. */
export interface Present {
  readonly count: number;
  readonly entries: readonly PresenceEntry[];
}

/** The result of asking all nodes, and the names of those that did not answer. */
export interface Found<T> {
  readonly found: T;
  readonly silent: readonly string[];
}

/** Sessions and presence of the whole cluster: what this node knows, and what the others answer. */
export class ClusterView {
  readonly #cluster: Cluster;
  readonly #hub: Hub;

  constructor(cluster: Cluster, hub: Hub) {
    this.#cluster = cluster;
    this.#hub = hub;
    cluster.answer("count", () => hub.size);
    cluster.answer("present", ({ channel, limit }) => {
      return hub.present(String(channel), Number(limit));
    });
    cluster.answer("channels", ({ after, limit }) => {
      return this.#channels(String(after), Number(limit));
    });
    cluster.answer("sessions", ({ query, limit }) => {
      return this.#list(query as SessionQuery, Number(limit));
    });
    cluster.answer("end", ({ query }) => this.#end(query as SessionQuery));
  }

  /** Counts the sessions of all nodes. */
  async count(): Promise<number> {
    const { found } = await this.#ask<number>("count");
    return found.reduce((sum, count) => sum + count, this.#hub.size);
  }

  /** The presence of a channel with at most `limit` entries; a lone node knows it at once. */
  present(channel: string, limit: number): Present | Promise<Present> {
    if (this.#cluster.isAlone) return this.#hub.present(channel, limit);
    return this.#presentAnywhere(channel, limit);
  }

  /**
   * The first `limit` channels after `after` to which a session has subscribed by name, in the order of their
   * names, each with its number of sessions.
   */
  async channels(after: string, limit: number): Promise<ReadonlyMap<string, number>> {
    const { found } = await this.#ask<[string, number][]>("channels", { after, limit });
    const counts = new Map<string, number>();
    for (const [channel, count] of [this.#channels(after, limit), ...found].flat()) {
      counts.set(channel, (counts.get(channel) ?? 0) + count);
    }
    const names = [...counts.keys()].sort().slice(0, limit);
    return new Map(names.map((name) => [name, counts.get(name)!]));
  }

  /** The first `limit` sessions that fit, in the order of their ids. */
  async sessions(query: SessionQuery, limit: number): Promise<Found<SessionInfo[]>> {
    const { found, silent } = await this.#ask<SessionInfo[]>("sessions", { query, limit });
    const all = [...this.#list(query, limit), ...found.flat()];
    return { found: all.sort(byId).slice(0, limit), silent };
  }

  /** Ends the sessions that fit; they come back only with a token that is still valid. */
  async end(query: SessionQuery): Promise<Found<number>> {
    const ended = this.#end(query);
    const { found, silent } = await this.#ask<number>("end", { query });
    return { found: found.reduce((sum, count) => sum + count, ended), silent };
  }

  async #presentAnywhere(channel: string, limit: number): Promise<Present> {
    const { found } = await this.#ask<Present>("present", { channel, limit });
    const all = [this.#hub.present(channel, limit), ...found];
    return {
      count: all.reduce((sum, { count }) => sum + count, 0),
      entries: all.flatMap(({ entries }) => entries).slice(0, limit),
    };
  }

  async #ask<T>(name: string, question: Record<string, unknown> = {}): Promise<Found<T[]>> {
    // Before asking, so that a node that leaves meanwhile still has a name.
    const names = new Map(this.#cluster.nodes.map(({ id, name }) => [id, name]));
    const { answers, silent } = await this.#cluster.ask(name, question);
    return {
      found: [...answers.values()] as T[],
      silent: silent.map((id) => names.get(id) ?? id),
    };
  }

  #channels(after: string, limit: number): [string, number][] {
    const names = Array.from(this.#hub.subscribers.channelNames()).filter((name) => name > after)
      .sort();
    return names.slice(0, limit).map((name) => [name, this.#hub.subscribers.count(name)]);
  }

  #list(query: SessionQuery, limit: number): SessionInfo[] {
    const found = this.#find(query).filter(({ id }) => id > (query.after ?? ""));
    return found.map(describe).sort(byId).slice(0, limit);
  }

  #end(query: SessionQuery): number {
    const sessions = this.#find(query);
    for (const session of sessions) session.end(DISCONNECTS.revoked);
    return sessions.length;
  }

  #find({ user, client, channel }: SessionQuery): Session[] {
    const hub = this.#hub;
    if (client !== undefined) return [hub.get(client)].filter((session) => session !== undefined);
    const all = channel === undefined ? hub.sessions() : hub.subscribers.of(channel);
    return Array.from(all).filter(({ peer }) => user === undefined || peer.user === user);
  }
}

function describe({ id, peer, transport, subscriptions, openedAt }: Session) {
  return {
    client: id,
    user: peer.user,
    address: peer.address,
    transport: transport.name,
    channels: [...subscriptions.keys()],
    connected: openedAt,
    expires: peer.expiresAt,
    unsent: transport.bufferedBytes,
  };
}

function byId(one: SessionInfo, other: SessionInfo): number {
  return one.client < other.client ? -1 : 1;
}
