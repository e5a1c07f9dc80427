// @ts-check
/// <reference lib="dom" />
import { byId, digits } from "./dom.js";

const READ_MS = 3000;
const NAMES_SHOWN = 12;

/** The clients on the channel on view. */
export class Presence {
  #access;
  #filter;

  /** @param {import("./access.js").Access} access @param {import("./filter.js").Filter} filter */
  constructor(access, filter) {
    this.#access = access;
    this.#filter = filter;
    setInterval(() => document.hidden || this.read(), READ_MS);
    filter.onChange(() => this.read());
    this.read();
  }

  async read() {
    const { channel } = this.#filter;
    if (channel === undefined) return show("");
    const path = `channels/${encodeURIComponent(channel)}/presence`;
    const answer = await this.#access.tryFetch(path).catch(() => new Error());
    if (channel !== this.#filter.channel) return;
    show(answer instanceof Error ? "" : textOf(answer));
  }
}

/** "3 here: Ana, Jürgen (2), and 1 without a name". */
function textOf(/** @type {{ count: number, entries: { user?: string }[] }} */ { count, entries }) {
  /** @type {Map<string, number>} */ const sessions = new Map();
  for (const { user } of entries) {
    if (user !== undefined) sessions.set(user, (sessions.get(user) ?? 0) + 1);
  }
  const names = Array.from(sessions, ([user, amount]) => amount > 1 ? `${user} (${amount})` : user);
  const shown = names.sort().slice(0, NAMES_SHOWN);
  const named = entries.filter(({ user }) => user !== undefined).length;
  if (names.length > shown.length) shown.push(`${digits(names.length - shown.length)} more`);
  if (count > named && names.length > 0) shown.push(`${digits(count - named)} without a name`);
  return `${digits(count)} here${shown.length > 0 ? `: ${shown.join(", ")}` : ""}`;
}

function show(/** @type {string} */ text) {
  const here = byId("present");
  if (here.textContent !== text) here.textContent = text;
}
