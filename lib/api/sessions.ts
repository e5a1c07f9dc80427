import { checkSubscription } from "../core/channel.ts";
import { readInput, Refusal } from "../core/errors.ts";
import type { ClusterView, SessionQuery } from "../cluster/view.ts";
import type { Access } from "../http/access.ts";
import { channelsOf } from "../http/subscription.ts";
import type { Handler } from "../http/router.ts";
import { fitting, readLimit } from "./pages.ts";

/** What listing and ending sessions needs. */
export interface SessionsOptions {
  readonly view: ClusterView;
  readonly access: Access;
}

/** The id of a client as a regular expression. */
export const SESSION_ID_PATTERN = "^[A-Za-z0-9_-]{22}$";
const SESSION_ID = new RegExp(SESSION_ID_PATTERN);
/** Names of channels in one answer, unless its first session alone has more. */
export const NAMES_MAX = 10_000;

/** Lists and ends sessions; for holders of a key or, on a server without keys, for this machine. */
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
    const { access, view } = this.#options;
    await access.checkSessions(exchange);
    const { query } = exchange;
    const after = readAfter(query);
    const limit = readLimit(query);
    const { found, silent } = await view.sessions({ ...readQuery(query), after }, limit + 1);
    const sessions = fitting(found.slice(0, limit), NAMES_MAX, ({ channels }) => channels.length);
    const next = sessions.at(-1)?.client ?? after;
    const more = found.length > sessions.length;
    return Response.json({ sessions, next, more, silent: unlessEmpty(silent) });
  };

  /**
   * `DELETE /sessions?user=` or `?client=`: ends the sessions of a user, or one, and answers how many
   * it has ended. Their clients come back only with a token that is still valid.
   */
  readonly end: Handler = async (exchange) => {
    const { access, view } = this.#options;
    await access.checkSessions(exchange);
    const { user, client, channel } = readQuery(exchange.query);
    if ((user === undefined) === (client === undefined)) {
      throw new Refusal(
        "bad-request",
        "Cannot end sessions: expected ?user=USER or ?client=CLIENT",
      );
    }
    const { found: ended, silent } = await view.end({ user, client, channel });
    return Response.json({ ended, silent: unlessEmpty(silent) });
  };
}

function readQuery(query: URLSearchParams): SessionQuery {
  const [channel] = channelsOf(query);
  if (channel !== undefined) readInput(() => checkSubscription(channel));
  const user = query.get("user") ?? undefined;
  return { user, client: query.get("client") ?? undefined, channel };
}

/** The nodes that did not answer; undefined, which JSON leaves out, if all did. */
function unlessEmpty(silent: readonly string[]): readonly string[] | undefined {
  return silent.length === 0 ? undefined : silent;
}

function readAfter(query: URLSearchParams): string {
  const after = query.get("after") ?? "";
  if (after === "" || SESSION_ID.test(after)) return after;
  throw new Refusal("bad-request", "Cannot read after: expected the id of a client, 22 characters");
}
