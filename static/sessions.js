// @ts-check
/// <reference lib="dom" />
import { Refused } from "./access.js";
import { byId, count, digits, part, stamp } from "./dom.js";
import { formatAge } from "./format.js";
import { Paged, silentText } from "./pages.js";

const READ_MS = 2000;
const CHANNELS_SHOWN = 8;

/**
 * A session as the server lists it.
 * @typedef {{ client: string, user?: string, address: string, transport: string, channels: string[],
 *   connected: number, unsent: number }} Session
 */

/** The table of connected clients, read again and again while it is on view. */
export class Sessions {
  #access;
  /** @type {Paged<Session>} */ #listed;
  /** @type {Map<string, HTMLElement>} */ #rows = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #shown = false;

  /** @param {import("./access.js").Access} access */
  constructor(access) {
    this.#access = access;
    this.#listed = new Paged(access, "sessions", byId("sessions-next"), () => this.read());
  }

  /** Starts or stops reading. */
  set shown(/** @type {boolean} */ shown) {
    if (this.#shown === shown) return;
    this.#shown = shown;
    clearTimeout(this.#timer);
    if (shown) this.read();
  }

  async read() {
    clearTimeout(this.#timer);
    if (!this.#shown) return;
    if (!document.hidden) {
      const answer = await this.#listed.read().catch(String);
      if (typeof answer === "string") say("The server cannot be reached");
      else if (!(answer instanceof Refused)) this.#show(answer);
      else if (this.#access.isWanting(answer)) return this.#refused(answer);
      else say(answer.message);
    }
    this.#timer = setTimeout(() => this.read(), READ_MS);
  }

  #refused(/** @type {Refused} */ { message }) {
    this.#show({ entries: [], more: false, silent: [] });
    say("Sessions are shown only with a key");
    this.#access.ask(message, () => this.read());
  }

  /** @param {{ entries: Session[], more: boolean, silent: string[] }} listed */
  #show({ entries: sessions, more, silent }) {
    const amount = count(sessions.length, "session");
    say((more ? `The first ${amount}, of more` : amount) + silentText(silent));
    sessions.sort((a, b) => b.connected - a.connected);
    const body = byId("sessions-rows");
    const rows = sessions.map((session) => this.#fill(session));
    rows.forEach((row, at) => {
      if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
    });
    const kept = new Set(sessions.map(({ client }) => client));
    for (const [client, row] of this.#rows) {
      if (kept.has(client)) continue;
      row.remove();
      this.#rows.delete(client);
    }
  }

  #fill(/** @type {Session} */ session) {
    const { client, user, address, transport, channels, connected, unsent } = session;
    let row = this.#rows.get(client);
    if (row === undefined) {
      row = stamp("session-row");
      const end = (/** @type {string} */ query) => () => this.#end(query);
      part(row, ".end").addEventListener("click", end(`client=${encodeURIComponent(client)}`));
      part(row, ".end").setAttribute("aria-label", `Disconnect session ${client} of ${address}`);
      const endUser = part(row, ".end-user");
      endUser.hidden = user === undefined;
      endUser.setAttribute("aria-label", `Disconnect all sessions of user ${user}`);
      endUser.addEventListener("click", end(`user=${encodeURIComponent(user ?? "")}`));
      this.#rows.set(client, row);
    }
    const more = channels.length - CHANNELS_SHOWN;
    const names = channels.slice(0, CHANNELS_SHOWN).join(", ");
    const since = part(row, ".since");
    since.title = new Date(connected).toLocaleString();
    /** @type {Record<string, string>} */
    const texts = {
      user: user ?? "–",
      address,
      protocol: PROTOCOLS[transport] ?? transport,
      channels: more > 0 ? `${names} and ${digits(more)} more` : names,
      since: formatAge(Date.now() - connected),
      unsent: digits(unsent),
    };
    for (const [name, text] of Object.entries(texts)) {
      const cell = part(row, `.${name}`);
      if (cell.textContent !== text) cell.textContent = text;
    }
    return row;
  }

  async #end(/** @type {string} */ query) {
    try {
      const { ended, silent } = await this.#access.fetch(`sessions?${query}`, { method: "DELETE" });
      await this.read();
      say(
        `${count(ended, "session")} disconnected; clients may connect again${silentText(silent)}`,
      );
    } catch (error) {
      if (!this.#access.isWanting(error)) say(/** @type {Error} */ (error).message);
    }
  }
}

/** @type {Record<string, string>} */
const PROTOCOLS = {
  sse: "Server-Sent Events",
  websocket: "WebSocket",
  socketio: "Socket.IO",
  pusher: "Pusher",
};

function say(/** @type {string} */ text) {
  const answer = byId("sessions-answer");
  if (answer.textContent !== text) answer.textContent = text;
}
