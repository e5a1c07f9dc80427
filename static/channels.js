// @ts-check
/// <reference lib="dom" />
import { byId, digits, part, stamp } from "./dom.js";
import { hueOf } from "./format.js";
import { covers, isPattern } from "./filter.js";
import { Paged } from "./pages.js";

const ROWS_MAX = 200;
const PREVIEW_CHARS = 80;
const DRAW_MS = 250;

/** What the page knows of a channel. @typedef {{ count: number, sessions: number, last: string, time: number }} Known */

/** The list of channels in use, with their counts. A click shows one channel only. */
export class ChannelList {
  /** @type {Map<string, Known>} */ #known = new Map();
  /** @type {Map<string, HTMLElement>} */ #rows = new Map();
  #filter;
  /** @type {Paged<{ channel: string, publications: number, sessions: number }>} */ #listed;
  /** How many channels are listed if the server has more; 0 if all are. */
  #first = 0;
  #drawing = false;
  /** Called with the name of the channel to show; "" for all. */
  onSelect = (/** @type {string} */ _name) => {};

  /** @param {import("./filter.js").Filter} filter @param {import("./access.js").Access} access */
  constructor(filter, access) {
    this.#filter = filter;
    this.#listed = new Paged(access, "channels", byId("channels-next"), () => this.list());
    byId("find-channel").addEventListener("input", () => this.#schedule());
    byId("find").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = byId("find-channel").value.trim();
      if (name) this.onSelect(name);
      byId("find-channel").value = "";
      this.#schedule();
    });
    byId("channels").addEventListener("click", ({ target }) => {
      const row = /** @type {Element} */ (target).closest("li");
      if (row) this.onSelect(row.dataset.name ?? "");
    });
    filter.onChange(() => this.#schedule());
    this.#schedule();
  }

  /** Names of channels that messages may be sent to. */
  get names() {
    return [...this.#known.keys()].sort();
  }

  /** Counts a new message, or notes one from the past. @param {import("./store.js").Item} item */
  heard(item, isPast = false) {
    if (item.channel === "") return;
    const known = this.#at(item.channel);
    if (!isPast) known.count++;
    if (item.time >= known.time) {
      known.time = item.time;
      known.last = item.described.text.slice(0, PREVIEW_CHARS);
    }
    this.#schedule();
  }

  /** Reads the server's list. Resolves to whether the server allows it. */
  async list() {
    const answer = await this.#listed.read().catch(() => new Error());
    if (answer instanceof Error) return false;
    for (const { channel, publications, sessions } of answer.entries) {
      Object.assign(this.#at(channel), { count: publications, sessions });
    }
    this.#first = answer.more ? answer.entries.length : 0;
    this.#schedule();
    return true;
  }

  #at(/** @type {string} */ name) {
    let known = this.#known.get(name);
    if (known === undefined) {
      known = { count: 0, sessions: 0, last: "", time: 0 };
      this.#known.set(name, known);
    }
    return known;
  }

  #schedule() {
    if (this.#drawing) return;
    this.#drawing = true;
    setTimeout(() => requestAnimationFrame(() => this.#draw()), this.#rows.size > 0 ? DRAW_MS : 0);
  }

  #draw() {
    this.#drawing = false;
    const sought = byId("find-channel").value.trim().toLowerCase();
    const looked = this.#filter.channels.filter((name) => !this.#known.has(name));
    const names = [...this.names, ...looked].sort().filter((name) =>
      name.toLowerCase().includes(sought) || isPattern(sought) && covers(sought, name)
    );
    const shown = ["", ...names.slice(0, ROWS_MAX)];
    for (const [name, row] of this.#rows) {
      if (shown.includes(name)) continue;
      row.remove();
      this.#rows.delete(name);
    }
    const list = byId("channels");
    shown.forEach((name, at) => {
      const row = this.#fill(name);
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
    const note = this.#noteOf(names.length, sought);
    byId("channels-more").hidden = note === "";
    setText(byId("channels-more"), note);
    byId("channel-names").replaceChildren(
      ...names.slice(0, ROWS_MAX).filter((name) => !isPattern(name)).map((value) =>
        Object.assign(document.createElement("option"), { value })
      ),
    );
  }

  #noteOf(/** @type {number} */ found, /** @type {string} */ sought) {
    const more = found - ROWS_MAX;
    const hint = more > 0
      ? `${digits(more)} more: type to find one.`
      : found > 0
      ? ""
      : `Press Enter to look at ${sought || "it"}.`;
    return this.#first > 0
      ? `${hint} The first ${digits(this.#first)} are listed; the server has more.`
        .trim()
      : hint;
  }

  #fill(/** @type {string} */ name) {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = stamp("channel-row");
      row.dataset.name = name;
      if (name !== "") row.classList.add(`hue-${hueOf(name)}`);
      part(row, ".name").textContent = name || "All channels";
      this.#rows.set(name, row);
    }
    const { channels } = this.#filter;
    const isLookedAt = name === "" ? channels.length === 0 : channels.includes(name);
    part(row, "button").setAttribute("aria-pressed", String(isLookedAt));
    const { count, last, sessions } = name === "" ? this.#sum() : this.#known.get(name) ?? NOTHING;
    setText(part(row, ".count"), count > 0 ? digits(count) : "");
    setText(part(row, ".here"), sessions > 0 ? `${digits(sessions)} here` : "");
    setText(part(row, ".last"), last);
    return row;
  }

  #sum() {
    let count = 0;
    for (const known of this.#known.values()) count += known.count;
    return { ...NOTHING, count };
  }
}

const NOTHING = { count: 0, sessions: 0, last: "" };

function setText(/** @type {Element} */ element, /** @type {string} */ text) {
  if (element.textContent !== text) element.textContent = text;
}
